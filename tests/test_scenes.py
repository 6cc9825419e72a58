"""Scenes: bands on one grid, in the model's units, and the check against the training data."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_products import (
    IDS,
    LEFT,
    RESOLUTIONS,
    TIME,
    TOP,
    cloud_gml,
    made_band,
    make_band_folder,
    make_safe,
    write_image,
    zip_safe,
)
from osgeo import gdal

import image_functions
from image_functions import BAND_COMBINATIONS, BANDS_MS, BANDS_RGB, scale_to_rgb8
from landuse.rasters import reference_systems, resampling, writing
from landuse.scenes import opening, plausibility, scene_reader

SIZE = 384
GRID = (600_000, 10, 0, 4_800_000, 0, -10)


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    """Return a product of baseline 05.09 whose DN are 1000 too high, as its metadata says."""
    return make_safe(tmp_path_factory.mktemp("safe"), add=1000)


@pytest.fixture(scope="module")
def safe_l2a(tmp_path_factory):
    classes = np.zeros((SIZE // 2, SIZE // 2), np.uint8)
    for place, value in enumerate((3, 4, 8, 9, 10, 11)):
        classes[0, place] = value
    return make_safe(tmp_path_factory.mktemp("safe"), "L2A", add=1000, clouds=classes)


def expected(band):
    """Return the DN of a made band on the grid of 10 m."""
    ratio = RESOLUTIONS[band] // 10
    dn = made_band(band, SIZE)
    return dn if ratio == 1 else resampling.upsample(np.pad(dn, 2), ratio)


def whole(scene):
    return scene.read(0, 0, scene.rows, scene.columns)


def write_stack(path, pixels, names=None, epsg="EPSG:32632"):
    writing.write_geotiff(path, pixels, GRID, epsg, band_names=names)
    return path


def test_bands_come_by_name_on_one_grid_with_the_offset_applied(safe):
    names = ("B12", "B02", "B8A", "B09", "B10")
    with opening.open_scene(safe, names) as scene:
        pixels, valid = whole(scene)
    assert (scene.rows, scene.columns, scene.dtype) == (SIZE, SIZE, np.uint16)
    assert scene.band_names == names
    assert scene.geotransform == (LEFT, 10, 0, TOP, 0, -10)
    assert reference_systems.same_crs(scene.crs, "EPSG:32632")
    assert (scene.level, scene.sensing_time) == ("L1C", "2018-02-11T10:21:41.024Z")
    assert scene.product["offsets"] == dict.fromkeys(names, -1000)
    for number, band in enumerate(names):
        np.testing.assert_array_equal(pixels[..., number], expected(band), err_msg=band)
    assert valid.all()


def test_a_product_with_an_offset_equals_the_same_pixels_without(safe, tmp_path):
    old = make_safe(tmp_path, baseline="02.04", offset=None)
    with opening.open_scene(safe, BANDS_MS) as one, opening.open_scene(old, BANDS_MS) as other:
        np.testing.assert_array_equal(whole(one)[0], whole(other)[0])


def test_each_band_has_its_own_offset(tmp_path):
    offsets = {band: -10 * number for number, band in enumerate(IDS)}
    root = make_safe(tmp_path, offsets=offsets)
    with opening.open_scene(root, ["B8A", "B09"]) as scene:
        pixels, _ = whole(scene)
    np.testing.assert_array_equal(pixels[..., 0], expected("B8A") - 80)
    np.testing.assert_array_equal(pixels[..., 1], expected("B09") - 90)


def test_dn_by_hand():
    dn = np.array([0, 1, 999, 1000, 1001, 1354, 65535], np.uint16)
    by_hand = [0, 1, 1, 1, 1, 354, 64535]
    np.testing.assert_array_equal(scene_reader.to_training_dn(dn, -1000, 10_000), by_hand)
    # half of a DN is rounded up, and 3 at a quantification of 20,000 is 1.5
    np.testing.assert_array_equal(scene_reader.to_training_dn(np.array([3]), 0, 20_000), [2])
    np.testing.assert_array_equal(
        scene_reader.to_training_dn(np.array([50_000]), 0, 5_000), [65535]
    )


def test_rgb_models_get_the_published_scaling(safe):
    with opening.open_scene(safe, BANDS_RGB, "rgb8") as scene:
        pixels, _ = whole(scene)
    assert scene.dtype == pixels.dtype == np.uint8
    for number, band in enumerate(BANDS_RGB):
        np.testing.assert_array_equal(pixels[..., number], scale_to_rgb8(expected(band)))


@pytest.mark.parametrize("compression", [0, 8])
def test_a_zip_and_a_metadata_file_give_the_same(safe, tmp_path, compression):
    packed = zip_safe(safe, tmp_path / "a.zip", compression)
    with (
        opening.open_scene(packed, BANDS_MS) as one,
        opening.open_scene(safe / "MTD_MSIL1C.xml", BANDS_MS) as other,
    ):
        np.testing.assert_array_equal(whole(one)[0], whole(other)[0])
        assert one.name == other.name


def test_files_are_those_that_are_read(tmp_path):
    root = make_safe(tmp_path / "a", clouds=cloud_gml())
    bands = sorted(next(root.rglob(f"*_{band}.jp2")) for band in BANDS_RGB)
    for path in (root, root / "MTD_MSIL1C.xml"):
        with opening.open_scene(path, BANDS_RGB) as scene:
            assert scene.files() == bands
    with opening.open_scene(root, BANDS_RGB, mask_clouds=True) as scene:
        assert scene.files() == sorted([*bands, next(root.rglob("MSK_CLOUDS*.gml"))])
    packed = zip_safe(root, tmp_path / "a.zip")
    with opening.open_scene(packed, BANDS_RGB, mask_clouds=True) as scene:
        assert scene.files() == [packed.resolve()]
    stack = write_stack(tmp_path / "b.tif", np.ones((96, 96, 3), np.uint16), list(BANDS_RGB))
    gdal.BuildVRT(str(tmp_path / "b.vrt"), [str(stack)]).FlushCache()
    with opening.open_scene(tmp_path / "b.vrt", BANDS_RGB) as scene:
        assert scene.files() == [stack, tmp_path / "b.vrt"]


def test_windows_equal_the_whole(tmp_path):
    hole = made_band("B09")
    hole[20:30, 3] = 0
    root = make_safe(tmp_path, pixels={"B09": hole})
    rng = np.random.default_rng(0)
    with opening.open_scene(root, BANDS_MS) as scene:
        pixels, valid = whole(scene)
        for _ in range(40):
            row, column = (int(value) for value in rng.integers(0, SIZE, 2))
            rows, columns = rng.integers(1, SIZE - row + 1), rng.integers(1, SIZE - column + 1)
            part, part_valid = scene.read(row, column, rows, columns)
            inside = (slice(row, row + rows), slice(column, column + columns))
            np.testing.assert_array_equal(part, pixels[inside])
            np.testing.assert_array_equal(part_valid, valid[inside])


def test_a_pixel_is_nodata_where_any_band_is(tmp_path):
    b02, b09 = made_band("B02"), made_band("B09")
    b02[5, 7] = 0
    b09[2, 3] = 0
    root = make_safe(tmp_path, pixels={"B02": b02, "B09": b09}, offset=None)
    with opening.open_scene(root, BANDS_MS) as scene:
        pixels, valid = whole(scene)
    expected_valid = np.ones((SIZE, SIZE), bool)
    expected_valid[5, 7] = False
    expected_valid[12:18, 18:24] = False
    np.testing.assert_array_equal(valid, expected_valid)
    # the zero does not bleed into its neighbours
    around = pixels[10:20, 16:26, BANDS_MS.index("B09")]
    assert (around == 0).sum() == 36
    assert around[around > 0].min() >= 200
    # nor does it matter to a model that does without the band
    with opening.open_scene(root, BANDS_RGB) as scene:
        assert (~whole(scene)[1]).sum() == 1


def test_a_window_must_lie_inside(safe):
    with opening.open_scene(safe, ["B02"]) as scene:
        for window in ((-1, 0, 9, 9), (0, SIZE - 8, 9, 9), (0, 0, 0, 9)):
            with pytest.raises(ValueError, match="does not lie in the scene of 384x384"):
                scene.read(*window)


def test_a_folder_of_bands(tmp_path):
    folder = make_band_folder(tmp_path / "bands", BANDS_MS)
    with opening.open_scene(folder, BANDS_MS) as scene:
        pixels, _ = whole(scene)
    for number, band in enumerate(BANDS_MS):
        np.testing.assert_array_equal(pixels[..., number], expected(band))
    with opening.open_scene(folder, ["B02"], radiometric_offset=-150) as scene:
        np.testing.assert_array_equal(whole(scene)[0][..., 0], expected("B02") - 150)


def test_a_geotiff_and_a_vrt(tmp_path):
    rng = np.random.default_rng(0)
    stack = rng.integers(1, 5000, (100, 120, 13)).astype(np.uint16)
    path = write_stack(tmp_path / "a.tif", stack, IDS)
    with opening.open_scene(path, BANDS_MS) as scene:
        pixels, valid = whole(scene)
    np.testing.assert_array_equal(pixels, stack[..., [IDS.index(band) for band in BANDS_MS]])
    assert valid.all()
    gdal.BuildVRT(str(tmp_path / "b.vrt"), [str(path)]).FlushCache()
    with opening.open_scene(tmp_path / "b.vrt", BANDS_MS) as scene:
        # BuildVRT of older GDAL keeps no band names, so they are taken from its sources
        np.testing.assert_array_equal(whole(scene)[0], pixels)
        assert scene.messages == ()


def test_an_8_bit_image_is_taken_as_it_is(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (80, 90, 3)).astype(np.uint8)
    picture[4, 5], picture[6, 7] = 0, (0, 9, 0)
    path = write_stack(tmp_path / "a.tif", picture)
    with opening.open_scene(path, BANDS_RGB, "rgb8") as scene:
        pixels, valid = whole(scene)
    np.testing.assert_array_equal(pixels, picture)
    assert not valid[4, 5]
    assert valid[6, 7]
    with pytest.raises(ValueError, match="8-bit RGB image, and the model needs DN"):
        opening.open_scene(path, BANDS_RGB)


def test_clouds_of_l2a(safe_l2a):
    names = BAND_COMBINATIONS["L2A"]
    with opening.open_scene(safe_l2a, names, mask_clouds=True) as scene:
        pixels, valid = whole(scene)
    cloudy = np.zeros((SIZE, SIZE), bool)
    cloudy[0:2, 0:2] = cloudy[0:2, 4:10] = True  # classes 3, 8, 9, 10
    np.testing.assert_array_equal(valid, ~cloudy)
    assert pixels[0, 0].all()
    with opening.open_scene(safe_l2a, names) as scene:
        assert whole(scene)[1].all()


def test_clouds_of_l1c(tmp_path):
    layers = np.zeros((3, SIZE // 6, SIZE // 6), np.uint8)
    layers[0, 1, 2] = layers[1, 5, 5] = layers[2, 9, 9] = 1  # opaque, cirrus, snow
    root = make_safe(tmp_path, clouds=layers)
    cloudy = np.zeros((SIZE, SIZE), bool)
    cloudy[6:12, 12:18] = cloudy[30:36, 30:36] = True
    with opening.open_scene(root, BANDS_RGB, mask_clouds=True) as scene:
        np.testing.assert_array_equal(whole(scene)[1], ~cloudy)
        part = scene.read(7, 13, 100, 100)[1]
        np.testing.assert_array_equal(part, ~cloudy[7:107, 13:113])


@pytest.mark.parametrize("zipped", [False, True])
def test_clouds_of_old_l1c(tmp_path, zipped):
    squares = (LEFT + 100, TOP - 200, LEFT + 150, TOP - 100), (LEFT, TOP - 3840, LEFT + 20, TOP)
    root = make_safe(tmp_path, baseline="02.04", offset=None, clouds=cloud_gml(*squares))
    cloudy = np.zeros((SIZE, SIZE), bool)
    cloudy[10:20, 10:15] = cloudy[:, 0:2] = True
    path = zip_safe(root) if zipped else root
    with opening.open_scene(path, BANDS_RGB, mask_clouds=True) as scene:
        np.testing.assert_array_equal(whole(scene)[1], ~cloudy)
        np.testing.assert_array_equal(scene.read(15, 12, 64, 64)[1], ~cloudy[15:79, 12:76])


def test_no_clouds_and_no_mask(safe, tmp_path):
    root = make_safe(tmp_path, clouds=cloud_gml())
    with opening.open_scene(root, BANDS_RGB, mask_clouds=True) as scene:
        assert whole(scene)[1].all()
    with pytest.raises(ValueError, match=r"has no cloud mask.*MASK_CLOUDS = False"):
        opening.open_scene(safe, BANDS_RGB, mask_clouds=True)


@pytest.mark.parametrize(
    ("given", "metadata", "said"),
    [
        ("auto", {}, "radiometric offset -1000 DN (from MTD_MSIL1C.xml) is applied"),
        ("auto", {"level": "L2A"}, "radiometric offset -1000 DN (from MTD_MSIL2A.xml) is applied"),
        (
            "auto",
            {"offsets": {band: -10 * number for number, band in enumerate(IDS)}},
            "radiometric offset -120 to 0 DN (from MTD_MSIL1C.xml) is applied",
        ),
        ("auto", {"offset": None}, None),
        (0, {}, "radiometric offset 0 DN (RADIOMETRIC_OFFSET) is applied"),
        (-150.0, {"offset": None}, "radiometric offset -150 DN (RADIOMETRIC_OFFSET) is applied"),
    ],
)
def test_the_offset_is_told(tmp_path, given, metadata, said):
    root = make_safe(tmp_path, size=96, **metadata)
    with opening.open_scene(root, BANDS_RGB, radiometric_offset=given) as scene:
        assert scene.messages == ((said,) if said else ())


def test_a_given_offset_in_place_of_that_by_the_name(tmp_path):
    root = make_safe(tmp_path, size=96, add=1000)
    (root / "MTD_MSIL1C.xml").unlink()
    with opening.open_scene(root, BANDS_RGB) as scene:
        assert "radiometric offset -1000 by the baseline in its name" in scene.messages[0]
        assert scene.product["offsets"] == dict.fromkeys(BANDS_RGB, -1000)
    with opening.open_scene(root, BANDS_RGB, radiometric_offset=-5) as scene:
        assert scene.messages == ("radiometric offset -5 DN (RADIOMETRIC_OFFSET) is applied",)


def test_an_offset_for_an_8_bit_image_is_not_applied(tmp_path):
    path = write_stack(tmp_path / "a.tif", np.full((80, 90, 3), 7, np.uint8))
    with opening.open_scene(path, BANDS_RGB, "rgb8", radiometric_offset=-5) as scene:
        assert whole(scene)[0].max() == 7
        assert "not applied to an 8-bit image" in scene.messages[0]


# ---- what is refused


def test_l2a_for_a_model_of_13_bands(safe_l2a):
    with pytest.raises(ValueError, match=r"Level-2A products have no band B10.*12 bands"):
        opening.open_scene(safe_l2a, BANDS_MS)


def test_a_missing_band_file_is_named(tmp_path):
    root = make_safe(tmp_path, size=96)
    next(root.rglob("*_B05.jp2")).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"band B05 is missing: T32TPP_{TIME}_B05\.jp2; copy or download"
    ):
        opening.open_scene(root, BANDS_MS)
    with opening.open_scene(root, BANDS_RGB):
        pass


def test_a_truncated_band(tmp_path):
    root = make_safe(tmp_path, size=96)
    path = next(root.rglob("*_B03.jp2"))
    path.write_bytes(path.read_bytes()[:-500])
    for product in (root, zip_safe(root)):
        with pytest.raises(OSError, match=r"_B03\.jp2: is truncated"):
            opening.open_scene(product, BANDS_RGB)


@pytest.mark.parametrize(
    ("grid", "crs", "text"),
    [
        ((6e5, 30, 0, 5e6, 0, -30), "EPSG:32632", "the pixels measure 30 m on the ground"),
        ((9, 1e-4, 0, 0, 0, -1e-4), "EPSG:4326", "areas are measured on the ground"),
        (None, "", "no georeference"),
        ((9e5, 33, 0, 2e5, 0, -33), "EPSG:2263", "areas are measured on the ground"),
        ((6e5, 9.9991, 0, 5e6, 0, -9.9991), "EPSG:32632", None),
    ],
)
def test_pixels_that_are_not_10_m_are_mentioned(tmp_path, grid, crs, text):
    pixels = np.ones((96, 96, 3), np.uint16)
    writing.write_geotiff(tmp_path / "a.tif", pixels, grid, crs, band_names=BANDS_RGB)
    with opening.open_scene(tmp_path / "a.tif", BANDS_RGB) as scene:
        assert [message[: len(text or "")] for message in scene.messages] == (
            [text] if text else []
        )


def test_bands_that_do_not_lie_on_each_other(tmp_path):
    folder = make_band_folder(tmp_path / "a", BANDS_RGB, size=96)
    place = folder / f"T32TPP_{TIME}_B03.tif"
    dn = np.ones((96, 96), np.uint16)
    write_image(place, dn, 10, "GTiff", epsg=32633)
    with pytest.raises(ValueError, match=r"_B03\.tif: .* UTM zone 33N, but B04 .* zone 32N"):
        opening.open_scene(folder, BANDS_RGB)
    write_image(place, dn, 10, "GTiff", left=LEFT + 9600)
    with pytest.raises(ValueError, match=r"_B03\.tif: lies elsewhere than .*_B04\.tif"):
        opening.open_scene(folder, BANDS_RGB)


def test_bands_of_a_product_must_fit(tmp_path):
    root = make_safe(tmp_path, size=96)
    place = next(root.rglob("*_B03.jp2"))
    dn = np.ones((96, 96), np.uint16)
    write_image(place, dn, 10, left=LEFT + 10)
    with pytest.raises(ValueError, match=r"_B03\.jp2: band B03 starts at another corner than B04"):
        opening.open_scene(root, BANDS_RGB)
    write_image(place, dn[:-1], 10)
    with pytest.raises(ValueError, match=r"band B03 covers 95x96 pixels .* B04 96x96"):
        opening.open_scene(root, BANDS_RGB)
    write_image(place, dn, 15)
    with pytest.raises(ValueError, match=r"pixels of 15 do not fit a grid of 10"):
        opening.open_scene(root, BANDS_RGB)


@pytest.mark.parametrize(
    ("shape", "text"), [((63, 90), "is 63x90 pixels"), ((64, 64), "is a patch of 64x64")]
)
def test_what_is_too_small(tmp_path, shape, text):
    path = write_stack(tmp_path / "a.tif", np.ones((*shape, 3), np.uint16))
    with pytest.raises(ValueError, match=text):
        opening.open_scene(path, BANDS_RGB)


def test_bands_that_are_not_there(tmp_path):
    path = write_stack(tmp_path / "a.tif", np.ones((96, 96, 2), np.uint16), ["B02", "B03"])
    with pytest.raises(ValueError, match=r"has no band B04; the model needs B04, B03, B02, found"):
        opening.open_scene(path, BANDS_RGB)


def test_settings_that_mean_nothing(safe):
    with pytest.raises(ValueError, match="RADIOMETRIC_OFFSET is 'none', expected \"auto\" or a nu"):
        opening.open_scene(safe, BANDS_RGB, radiometric_offset="none")
    with pytest.raises(ValueError, match="units are 'rgb'"):
        opening.open_scene(safe, BANDS_RGB, "rgb")


def test_an_image_that_is_not_north_up(tmp_path):
    pixels = np.ones((96, 96, 3), np.uint16)
    writing.write_geotiff(tmp_path / "a.tif", pixels, (0, 10, 1, 0, 1, -10), "EPSG:32632")
    with pytest.raises(ValueError, match="is not north up"):
        opening.open_scene(tmp_path / "a.tif", BANDS_RGB)


# ---- the check against the training data


def signature(rng, count=20_000):
    """Return made DN (count, 13) that are ordered like real bands."""
    mean, std = (np.array(image_functions.EUROSAT_STATISTICS[key]) for key in ("mean", "std"))
    light = rng.normal(size=(count, 1))
    return np.maximum(mean + std * (0.9 * light + 0.4 * rng.normal(size=(count, 13))), 5)


def made_statistics():
    values = signature(np.random.default_rng(0)).round().astype(np.uint16)
    return image_functions.pooled_statistics(values.reshape(1, 100, 200, 13), BANDS_MS)


def product_order(values):
    """Return what a file in product order gives when it is read as EuroSAT's."""
    return values[..., [BANDS_MS.index(band) for band in IDS]]


MISTAKES = {
    "proper": (lambda dn: dn, None),
    "offset": (lambda dn: dn + 1000, "offset of 1000 that was not subtracted.*= -1000"),
    "offset twice": (lambda dn: np.maximum(dn - 1000, 1), "subtracted twice.*= 0"),
    "floats": (lambda dn: np.maximum(dn / 10_000, 1), "reflectance as 0..1"),
    "8-bit": (lambda dn: np.maximum(dn / 10_000 * 255, 1), "8-bit values"),
    "product order": (product_order, "in the order of a product"),
    "reversed": (lambda dn: dn[..., ::-1], "in reverse order"),
    "exchanged": (lambda dn: dn[..., [0, 1, 2, 7, 4, 5, 6, 3, *range(8, 13)]], "B04 and B08 exch"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_on_made_pixels(mistake):
    change, text = MISTAKES[mistake]
    sample = change(signature(np.random.default_rng(1))).round().astype(np.uint16)
    warnings = plausibility.check_sample(sample, BANDS_MS, "DN", made_statistics())
    if text is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert re.search(text, warnings[0])


def test_b11_and_b12_exchanged_on_made_pixels():
    sample = signature(np.random.default_rng(1)).round().astype(np.uint16)
    sample[:, 11] = np.minimum(sample[:, 11], 0.8 * sample[:, 10])
    assert plausibility.check_sample(sample, BANDS_MS, "DN", made_statistics()) == []
    sample[:, [10, 11]] = sample[:, [11, 10]]
    (warning,) = plausibility.check_sample(sample, BANDS_MS, "DN", made_statistics())
    assert "B11 and B12 exchanged" in warning


def test_one_band_outside_is_named_with_its_amount():
    sample = signature(np.random.default_rng(1)).round().astype(np.uint16)
    sample[:, 9] = 900
    statistics = made_statistics()
    high = statistics["percentiles"]["99.9"][9]
    assert plausibility.check_sample(sample, BANDS_MS, "DN", statistics) == [
        f"B10: median 900, but 99.8 % of the training data lie in 5..{high:.0f}"
    ]


def test_nothing_valid_is_said():
    nothing = np.empty((0, 13), np.uint16)
    warnings = plausibility.check_sample(nothing, BANDS_MS, "DN", made_statistics())
    assert warnings == ["no valid pixel was met in a sample of the scene"]


def test_l2a_for_a_model_of_l1c(safe_l2a):
    names = list(BAND_COMBINATIONS["L2A"])
    with opening.open_scene(safe_l2a, names) as scene:
        sample = scene.sample()
        statistics = image_functions.pooled_statistics(sample.reshape(1, 100, -1, 12), names)
        record = {"statistics": statistics, "processing_level": "L2A"}
        assert plausibility.check_against_model(scene, record) == []
        (warning,) = plausibility.check_against_model(scene, record | {"processing_level": "L1C"})
    assert "the scene is L2A and the model was trained on L1C" in warning


def test_the_sample_is_the_same_each_time_and_valid(tmp_path):
    stack = np.random.default_rng(0).integers(1, 5000, (200, 300, 3)).astype(np.uint16)
    stack[:, 150:] = 0
    with opening.open_scene(write_stack(tmp_path / "a.tif", stack), BANDS_RGB) as scene:
        sample = scene.sample(500, seed=3)
        np.testing.assert_array_equal(sample, scene.sample(500, seed=3))
    assert sample.shape == (500, 3)
    assert sample.all()


def test_a_scene_that_is_all_nodata(tmp_path):
    path = write_stack(tmp_path / "a.tif", np.zeros((300, 300, 3), np.uint16))
    with opening.open_scene(path, BANDS_RGB) as scene:
        assert scene.sample().shape == (0, 3)
        assert not scene.read(0, 0, 300, 300)[1].any()


def test_a_small_valid_corner_is_found(tmp_path):
    stack = np.zeros((900, 900, 3), np.uint16)
    stack[:140, :140] = 500
    with opening.open_scene(write_stack(tmp_path / "a.tif", stack), BANDS_RGB) as scene:
        assert len(scene.sample()) > 100


# ---- real data


@pytest.fixture(scope="module")
def eurosat(tmp_path_factory):
    """Return real patches (N, 64, 64, 13) and their classes."""
    import zipfile

    from conftest import SHARED_DATA

    folder = tmp_path_factory.mktemp("eurosat")
    with zipfile.ZipFile(SHARED_DATA / "eurosat" / "eurosat_ms_sample.zip") as archive:
        archive.extractall(folder)
    paths = sorted(folder.rglob("*.tif"))
    patches = np.stack([image_functions.read_patch(path) for path in paths])
    return patches, np.array([path.parent.name for path in paths])


def real_scenes(shared_data):
    return sorted((shared_data / "scenes").glob("*.SAFE"))


@pytest.mark.shared_data
def test_the_real_products(shared_data):
    for path in real_scenes(shared_data):
        with opening.open_scene(path, BANDS_MS) as scene:
            pixels, valid = whole(scene)
        assert pixels.shape == (600, 600, 13)
        # the cirrus band is dark, wherever the product has it
        assert pixels[valid][:, BANDS_MS.index("B10")].mean() == pytest.approx(12, abs=1)
        if path.name.startswith("S2B"):
            assert valid[:, :560].all()
            assert not valid[:, 560:].any()
            assert 800 < pixels[valid][:, BANDS_MS.index("B04")].mean() < 1000
        else:
            assert valid.all()


@pytest.mark.shared_data
@pytest.mark.parametrize("combination", ["ALL", "L2A", "RGB", "rgb8", "CI"])
def test_mistakes_on_real_pixels(shared_data, eurosat, combination):
    names = list(BAND_COMBINATIONS["RGB" if combination == "rgb8" else combination])
    units = "rgb8" if combination == "rgb8" else "DN"
    take = [BANDS_MS.index(band) for band in names]

    def as_units(dn):
        dn = np.maximum(dn + 0.5, 1).astype(np.uint16)
        return scale_to_rgb8(dn) if units == "rgb8" else dn

    patches, classes = eurosat
    statistics = image_functions.pooled_statistics(as_units(patches[..., take]), names)
    samples = {name: patches[classes == name].reshape(-1, 13)[::8] for name in np.unique(classes)}
    for path in real_scenes(shared_data):
        with opening.open_scene(path, BANDS_MS) as scene:
            samples[path.name] = scene.sample(5000)
    product = [band for band in IDS if band in names]
    alike = ("proper", "offset", "offset twice", "floats", "8-bit")
    mistakes = {name: MISTAKES[name] for name in alike}
    mistakes["reversed"] = MISTAKES["reversed"]
    if "B8A" in names:
        order = [names.index(band) for band in product]
        mistakes["order"] = (lambda dn: dn[:, order], "in the order of a product")
    for name, dn in samples.items():
        for mistake, (change, text) in mistakes.items():
            sample = as_units(change(dn[:, take].astype(np.float64)))
            warnings = plausibility.check_sample(sample, names, units, statistics)
            where = f"{name} {mistake}: {warnings}"
            if text is None:
                assert warnings == [], where
            else:
                assert re.search(text, " ".join(warnings)), where


@pytest.mark.shared_data
@pytest.mark.parametrize("combination", ["ALL", "L2A", "SWIR"])
def test_exchanged_infrared_bands_of_real_pixels(shared_data, eurosat, combination):
    patches, classes = eurosat
    names = list(BAND_COMBINATIONS[combination])
    take = [BANDS_MS.index(band) for band in names]
    statistics = image_functions.pooled_statistics(patches[..., take], names)
    samples = {name: patches[classes == name].reshape(-1, 13)[::8] for name in np.unique(classes)}
    for path in real_scenes(shared_data):
        with opening.open_scene(path, BANDS_MS) as scene:
            samples[path.name] = scene.sample(5000)

    def warnings_of(dn, *pair):
        order = [names.index(dict([pair, pair[::-1]]).get(band, band)) for band in names]
        return " ".join(plausibility.check_sample(dn[:, take][:, order], names, "DN", statistics))

    for dn in samples.values():
        assert warnings_of(dn, "B04", "B04") == ""
    swapped = {name: warnings_of(dn, "B04", "B12") for name, dn in samples.items()}
    # SWIR is B12 B8A B04, so that these two exchanged are the reverse order
    text = "in reverse order|B04 and B12 exchanged"
    found = {name for name, warnings in swapped.items() if re.search(text, warnings)}
    assert set(samples) - found == {"Industrial"}
    if "B11" in names:
        for name, dn in samples.items():
            assert "B11 and B12 exchanged" in warnings_of(dn, "B11", "B12"), name
        for patch in patches:
            assert "B11 and B12" not in warnings_of(patch.reshape(-1, 13), "B04", "B04")


@pytest.mark.shared_data
def test_the_offset_subtracted_twice_from_real_products(shared_data, eurosat, tmp_path):
    patches, _ = eurosat
    statistics = image_functions.pooled_statistics(patches, BANDS_MS)
    record = {"statistics": statistics, "processing_level": "L1C"}
    old, new = real_scenes(shared_data)
    assert (old.name[:3], new.name[:3]) == ("S2A", "S2B")
    for path, offset in ((old, -1000), (new, -2000)):
        with opening.open_scene(path, BANDS_MS, radiometric_offset=offset) as scene:
            (warning,) = plausibility.check_against_model(scene, record)
        assert re.search("^[0-9]+ % of the pixels of B04 .*subtracted twice", warning)


@pytest.mark.shared_data
def test_the_offset_forgotten_in_a_real_product(shared_data, eurosat, tmp_path):
    patches, _ = eurosat
    statistics = image_functions.pooled_statistics(patches, BANDS_MS)
    record = {"statistics": statistics, "processing_level": "L1C"}
    (path,) = [path for path in real_scenes(shared_data) if path.name.startswith("S2B")]
    with opening.open_scene(path, BANDS_MS) as scene:
        assert plausibility.check_against_model(scene, record) == []
    with opening.open_scene(path, BANDS_MS, radiometric_offset=0) as scene:
        (warning,) = plausibility.check_against_model(scene, record)
    assert "Set RADIOMETRIC_OFFSET = -1000" in warning
    # a product that lost its metadata keeps the offset by its name
    copy = tmp_path / path.name
    shutil.copytree(path, copy)
    (copy / "MTD_MSIL1C.xml").unlink()
    with opening.open_scene(copy, BANDS_MS) as scene:
        assert plausibility.check_against_model(scene, record) == []
    # and one that lost its name as well is recognised by its pixels
    nameless = Path(copy).rename(tmp_path / "pisa.SAFE")
    with opening.open_scene(nameless, BANDS_MS) as scene:
        (warning,) = plausibility.check_against_model(scene, record)
    assert "Set RADIOMETRIC_OFFSET = -1000" in warning
