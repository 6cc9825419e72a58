"""Networks of pixels, their maps block by block, and labels laid on scenes."""

import json

import keras
import numpy as np
import pytest

from landuse.mapping import grids, map_blocks, pixel_blocks, saved_blocks, whole_scene
from landuse.networks import bases, engines, model_files, pixel_layers, pixel_networks, pixel_starts
from landuse.rasters import writing
from landuse.segmentation import label_grids

PLACE = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
UTM = "EPSG:32632"
NONE = label_grids.NO_LABEL


def network(name="ResNet9", bands=3, skip_stride=2):
    keras.utils.set_random_seed(0)
    base = bases.base_network(name, bands)
    decoder = pixel_networks.pixel_network(
        base, skip_stride=skip_stride, width=8, rates=(1, 2, 3), dropout=0.1
    )
    pixels = keras.Input((None, None, bands))
    statistics = {"mean": [100.0] * bands, "std": [50.0] * bands}
    features = decoder(pixel_layers.standardisation(statistics)(pixels))
    return keras.Model(pixels, pixel_networks.pixel_top(features, ["a", "b", "c"], skip_stride))


@pytest.mark.parametrize("skip_stride", [2, 4])
@pytest.mark.parametrize("name", ["ResNet9", "VGG16", "ResNet50", "MobileNetV2"])
def test_every_pixel_gets_probabilities(name, skip_stride):
    model = network(name, skip_stride=skip_stride)
    found = np.asarray(model(np.zeros((1, 32, 48, 3), np.float32)))
    assert found.shape == (1, 32, 48, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_taps_are_the_last_layers_before_the_image_gets_coarser():
    base = bases.base_network("VGG16", 3)
    assert pixel_networks.find_taps(base, 2) == ("block2_conv2", "block5_conv3")
    assert pixel_networks.find_taps(base, 4) == ("block3_conv3", "block5_conv3")
    with pytest.raises(ValueError, match="no features 32 px apart, but only 1, 2, 4, 8, 16"):
        pixel_networks.find_taps(keras.Model(base.input, base.get_layer("block5_conv3").output), 32)


def test_an_encoder_starts_from_the_shipped_model_and_is_widened_for_more_bands():
    names = [f"B{n:02}" for n in (2, 3, 4, 8)]
    statistics = {"mean": [1000.0] * 4, "std": [300.0] * 4, "units": "DN"}
    start = pixel_starts.start("MobileNetV2", "eurosat_rgb", names, "DN", statistics)
    assert start.base.input_shape[-1] == 4
    assert np.isfinite(np.asarray(start.before(np.full((1, 8, 8, 4), 1000.0, np.float32)))).all()
    rgb = pixel_starts.start("MobileNetV2", "eurosat_rgb", ["B04", "B03", "B02"], "DN", statistics)
    assert rgb.base.input_shape[-1] == 3


# ---- maps


def classify(tmp_path, pixels, predict, block_size, name="work", **options):
    def read(row, column, rows, columns):
        part = pixels[row : row + rows, column : column + columns]
        return part, part.all(axis=2)

    return whole_scene.classify_scene(
        read,
        pixels.shape[:2],
        predict,
        1,
        3,
        tmp_path / name,
        {},
        method="pixels",
        block_size=block_size,
        probability_type="float32",
        **options,
    )


def brightness(pixels):
    """Stands in for a network: class 0, 1 or 2 by the first band, (1, rows, columns, 3)."""
    assert pixels.shape[1] % 16 == 0 and pixels.shape[2] % 16 == 0
    return np.eye(3, dtype=np.float32)[pixels[..., 0] // 100]


def test_a_map_has_the_class_of_each_pixel_and_no_data_where_there_is_none(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 300, (90, 130, 2)).astype(np.uint16)
    pixels[10:30, 50:70] = 0
    result = classify(tmp_path, pixels, brightness, 40)
    valid = pixels.all(axis=2)
    np.testing.assert_array_equal(result.labels[valid], pixels[valid][:, 0] // 100)
    np.testing.assert_array_equal(result.labels[~valid], 255)
    np.testing.assert_array_equal(result.probability[~valid], -1)


def test_a_part_of_a_map_is_that_part(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 300, (90, 130, 2)).astype(np.uint16)
    whole = classify(tmp_path, pixels, brightness, 1024)
    inside = np.zeros((40, 50), bool)
    inside[5:9] = True
    grid = grids.Grid(1, 21, 33, 40, 50)
    part = classify(tmp_path, pixels, brightness, 16, "part", grid=grid, inside=inside)
    np.testing.assert_array_equal(part.labels[inside], whole.labels[21:61, 33:83][inside])
    np.testing.assert_array_equal(part.labels[~inside], 255)


def test_a_map_that_was_stopped_goes_on(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 300, (90, 130, 2)).astype(np.uint16)
    calls = []

    def stops(image):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return brightness(image)

    with pytest.raises(KeyboardInterrupt):
        classify(tmp_path, pixels, stops, 40)
    result = classify(tmp_path, pixels, stops, 40)
    blocks = map_blocks.blocks_of(grids.scene_grid((90, 130), 1), 40, "pixels")
    assert len(calls) == len(blocks) + 1  # the one that was cut short, again
    np.testing.assert_array_equal(result.labels, pixels[..., 0] // 100)
    saved_blocks.remove_saved_blocks(tmp_path / "work")


def test_what_a_network_says_of_a_pixel_does_not_depend_on_the_blocks(tmp_path):
    """The margin is wider than what ResNet9 and its pyramid see, and blocks start in step."""
    assert pixel_blocks.STEP == pixel_networks.DEEPEST_STRIDE
    pixels = np.random.default_rng(0).integers(1, 200, (200, 150, 3)).astype(np.uint16)
    model = network()
    found = []
    for size in (70, 1024):
        grid = grids.scene_grid((200, 150), 1)
        shape = (1, *pixel_blocks.block_shape(grid, size), 3)
        predict = engines.make_predict(model, shape)
        found.append(classify(tmp_path, pixels, predict, size, f"{size}", all_probabilities=True))
    np.testing.assert_allclose(found[0].all_probabilities, found[1].all_probabilities, atol=2e-5)
    assert found[0].probability.std() > 1e-3  # it does tell pixels apart


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_other_engines_say_the_same(engine):
    for package in engines.PACKAGES[engine]:
        pytest.importorskip(package)
    model = network()
    pixels = np.random.default_rng(0).integers(1, 200, (1, 48, 64, 3)).astype(np.uint16)
    expected = engines.make_predict(model, pixels.shape)(pixels)
    found = engines.make_predict(model, pixels.shape, engine)(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_models_of_pixels_are_refused_where_patches_are_needed():
    record = {"task": "pixels"}
    with pytest.raises(ValueError, match=r"m.keras classifies pixels \(script 11\).*: do that"):
        model_files.check_is_of_patches(record, "m.keras", "do that")
    model_files.check_is_of_patches({}, "m.keras", "do that")


# ---- labels


def grid_of(rows=8, columns=6):
    return label_grids.Grid(PLACE, UTM, rows, columns)


def write_labels(path, values, place=PLACE, names=(), nodata=None):
    metadata = {f"CLASS_{i}": name for i, name in enumerate(names)}
    writing.write_geotiff(path, values, place, UTM, nodata=nodata, metadata=metadata)
    return path


def write_polygons(path, squares):
    """Squares (class, first row, last row) over all columns, in pixels of the scene."""
    features = []
    for name, first, last in squares:
        top, bottom = 4850000 - 10 * first, 4850000 - 10 * last
        ring = [[600000, top], [600060, top], [600060, bottom], [600000, bottom], [600000, top]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {"type": "Feature", "properties": {"code_2018": name}, "geometry": geometry}
        )
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return path


def test_labels_of_a_raster_are_laid_on_the_scene(tmp_path):
    coarse = np.array([[0, 1, 2], [2, 1, 0], [9, 9, 9], [1, 1, 1]], np.uint8)  # pixels of 20 m
    place = (600000.0, 20.0, 0.0, 4850000.0, 0.0, -20.0)
    path = write_labels(tmp_path / "a.tif", coarse, place, ("Wood", "Road", "Lake"), nodata=9)
    found = label_grids.read_labels(path, grid_of())
    merged, names = label_grids.merge_classes([found], [])
    assert names == ["Lake", "Road", "Wood"]
    fine = coarse.repeat(2, 0).repeat(2, 1)
    expected = np.array([2, 1, 0, *[0] * 6, NONE], np.uint8)[fine]
    np.testing.assert_array_equal(merged[0], expected)
    merged, names = label_grids.merge_classes([found], ["Road"])
    assert names == ["Lake", "Wood"]
    np.testing.assert_array_equal(merged[0] == NONE, (fine == 1) | (fine == 9))
    with pytest.raises(ValueError, match="IGNORE names Sea; the labels have Lake, Road, Wood"):
        label_grids.merge_classes([found], ["Sea"])


def test_a_table_names_values_and_must_name_all(tmp_path):
    values = np.array([[11, 12, 13]] * 8, np.uint8).repeat(2, 1)
    path = write_labels(tmp_path / "a.tif", values)
    found = label_grids.read_labels(path, grid_of(), {"11": "Wood", "12": "Wood", "13": ""})
    np.testing.assert_array_equal(found.values, np.where(values == 13, NONE, 0))
    with pytest.raises(ValueError, match=r"holds '13', which CLASS_TABLE does not name"):
        label_grids.read_labels(path, grid_of(), {"11": "Wood", "12": "Wood"})
    unnamed = label_grids.read_labels(path, grid_of())
    assert sorted(unnamed.names) == ["class 11", "class 12", "class 13"]
    assert "names no classes" in unnamed.messages[0]


def test_urban_atlas_is_burnt_in_by_its_table_roads_above(tmp_path):
    squares = [("12210", 2, 3), ("31000", 0, 7), ("11210", 5, 7), ("14100", 7, 8)]
    path = write_polygons(tmp_path / "ua.geojson", squares)
    table = label_grids.read_table("urban_atlas")
    found = label_grids.read_labels(path, grid_of(), table, "code_2018")
    names = [found.names[value] if value != NONE else "" for value in found.values[:, 0]]
    assert names == ["Forest", "Forest", "Highway", *["Forest"] * 2, *["Residential"] * 2, ""]
    write_polygons(path, [("99999", 0, 8)])
    with pytest.raises(ValueError, match="code_2018 holds '99999', which CLASS_TABLE does not"):
        label_grids.read_labels(path, grid_of(), table, "code_2018")


def test_labels_elsewhere_are_an_error(tmp_path):
    far = (900000.0, *PLACE[1:])
    path = write_labels(tmp_path / "a.tif", np.zeros((8, 6), np.uint8), far)
    with pytest.raises(ValueError, match="gives no pixel of the scene a class"):
        label_grids.read_labels(path, grid_of())
