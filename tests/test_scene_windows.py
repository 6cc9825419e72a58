"""Pictures of windows: stretched alike, padded past the scene, infrared where there is one."""

import numpy as np
import pytest

from landuse.rasters import writing
from landuse.scenes import scene_windows

PLACE = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)


def write_scene(path, names, dtype=np.uint16, high=3000):
    rng = np.random.default_rng(1)
    pixels = rng.integers(high // 10, high, (80, 96, len(names))).astype(dtype)
    writing.write_geotiff(path, pixels, PLACE, "EPSG:32632", nodata=0, band_names=names)
    return pixels


def test_infrared_shows_b08_in_red(tmp_path):
    pixels = write_scene(tmp_path / "a.tif", ["B02", "B03", "B04", "B08"])
    with scene_windows.open_for_pictures(tmp_path / "a.tif") as scene:
        assert scene_windows.layer_names(scene) == ["True colour", "Infrared: plants are red"]
        [(rgb, infrared)] = scene_windows.window_pictures(scene, [(10, 20)], 16)
    for layer, band, channel in ((rgb, 2, 0), (rgb, 0, 2), (infrared, 3, 0), (infrared, 2, 1)):
        order = np.argsort(pixels[10:26, 20:36, band], axis=None)
        assert (np.diff(layer[..., channel].ravel()[order].astype(int)) >= 0).all()
    assert rgb.min() >= 1 and rgb.max() == 255


def test_squares_past_the_scene_are_empty_there(tmp_path):
    write_scene(tmp_path / "a.tif", ["B04", "B03", "B02"])
    with scene_windows.open_for_pictures(tmp_path / "a.tif") as scene:
        assert scene_windows.layer_names(scene) == ["True colour"]
        corner, far = scene_windows.window_pictures(scene, [(-8, -8), (500, 500)], 16)
    assert not corner[0][:8].any() and not corner[0][:, :8].any()
    assert corner[0][8:, 8:].all()
    assert not far[0].any()


def test_a_photo_of_8_bits_will_do(tmp_path):
    write_scene(tmp_path / "a.tif", ["red", "green", "blue"], np.uint8, 250)
    with scene_windows.open_for_pictures(tmp_path / "a.tif") as scene:
        assert scene.units == "rgb8"
        [(rgb,)] = scene_windows.window_pictures(scene, [(0, 0)], 64)
    assert rgb.shape == (64, 64, 3)


def test_calm_scenes_stay_calm():
    low, high = scene_windows.stretch_limits(np.full((50, 2), 800.0), "DN")
    assert high - low == pytest.approx([600, 600])
    low, high = scene_windows.stretch_limits(np.empty((0, 3)), "DN")
    assert (high > low).all()
