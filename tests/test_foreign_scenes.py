"""Scenes as people have them: other names, orders, units, grids, masks and containers."""

import numpy as np
import pytest
from make_products import IDS, TIME, make_band_folder, write_image
from osgeo import gdal
from PIL import Image

from image_functions import BANDS_MS, BANDS_RGB, pooled_statistics
from landuse.patches import single_patches
from landuse.rasters import ground, reading, resampling, writing
from landuse.scenes import (
    band_files,
    band_orders,
    colour_scenes,
    finding,
    opening,
    other_containers,
    plausibility,
    radiometry,
)

SIZE = 96
PLACE = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)
WITHOUT_CIRRUS = [band for band in BANDS_MS if band != "B10"]
EARTH_ENGINE = [band.replace("B0", "B") for band in IDS]
# What bands over land are like, so that their order can be told.
LEVELS = {
    "B01": 1400, "B02": 1200, "B03": 1150, "B04": 1100, "B05": 1400, "B06": 2500, "B07": 3000,
    "B08": 2900, "B09": 900, "B10": 12, "B11": 2300, "B12": 1400, "B8A": 3300,
}  # fmt: skip


def made(names, size=SIZE):
    """DN (size, size, bands) of land: fields that are darker and brighter in all bands."""
    rng = np.random.default_rng(7)
    fields = rng.uniform(0.6, 1.5, (size // 8, size // 8)).repeat(8, 0).repeat(8, 1)
    spread = rng.uniform(0.97, 1.03, (size, size, len(names)))
    levels = np.array([LEVELS[name] for name in names])
    return np.round(fields[..., None] * spread * levels).astype(np.uint16)


def write(path, pixels, names=None, place=PLACE, crs="EPSG:32632", **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    writing.write_geotiff(path, pixels, place, crs, band_names=names, **more)
    return path


def write_bands(folder, names, pixels, name="x_{}.tif"):
    for band, label in enumerate(names):
        write(folder / name.format(label), pixels[..., band])
    return folder


def read(path, bands=BANDS_MS, **more):
    with opening.open_scene(path, bands, **more) as scene:
        return *scene.read(0, 0, scene.rows, scene.columns), scene


def in_order(pixels, names, bands):
    return pixels[..., [list(names).index(band) for band in bands]]


# ---- names and order


@pytest.mark.parametrize(
    "names",
    [
        EARTH_ENGINE,
        [f"T32TPP_20180211T102141_{band}" for band in IDS],
        [f"{band}_median" for band in EARTH_ENGINE],
    ],
)
def test_bands_are_found_by_their_names(tmp_path, names):
    pixels = made(IDS)
    found, _, scene = read(write(tmp_path / "a.tif", pixels, names))
    np.testing.assert_array_equal(found, in_order(pixels, IDS, BANDS_MS))
    assert scene.messages == ()


def test_colours_are_names(tmp_path):
    pixels = made(("B02", "B03", "B04"))
    found, _, _ = read(write(tmp_path / "a.tif", pixels, ["Blue", "Green", "Red"]), BANDS_RGB)
    np.testing.assert_array_equal(found, pixels[..., ::-1])


def test_counts_leave_a_file_without_names_and_that_is_said(tmp_path):
    names = [f"Band {number}" for number in range(1, 14)]
    _, _, scene = read(write(tmp_path / "a.tif", made(BANDS_MS), names))
    assert "'Band 1', 'Band 2'" in scene.messages[0]
    assert "only count them): taken as B01 B02" in scene.messages[0]


def test_names_that_nobody_understands_are_quoted(tmp_path):
    path = write(tmp_path / "a.tif", made(BANDS_RGB), ["one", "two", "three"])
    with pytest.raises(ValueError, match=r"a\.tif: calls its bands 'one', 'two', 'three'.*BAND_NA"):
        read(path, BANDS_RGB)


def test_the_users_order_goes_before_names_and_counts(tmp_path):
    pixels = made(("B02", "B03", "B04", "B08"))
    path = write(tmp_path / "a.tif", pixels, ["B1", "B2", "B3", "B4"])
    with pytest.raises(ValueError, match="may be Sentinel-2's names or only count them"):
        read(path, BANDS_RGB)
    found, _, _ = read(path, BANDS_RGB, order=["B02", "B03", "B04", "B08"])
    np.testing.assert_array_equal(found, pixels[..., 2::-1])
    found, _, _ = read(path, BANDS_RGB, order=["B02", "B03", "B04", "-"])
    np.testing.assert_array_equal(found, pixels[..., 2::-1])


def test_an_assumed_order_that_is_surely_wrong_is_an_error(tmp_path):
    statistics = pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)
    path = write(tmp_path / "a.tif", made(IDS))
    with opening.open_scene(path, BANDS_MS) as scene:
        text = r"have no names.*order of a product.*BAND_NAMES.*perhaps B01 .* B08 B8A B09 B10 B11"
        with pytest.raises(ValueError, match=text):
            plausibility.check_against_model(scene, {"statistics": statistics})
    with opening.open_scene(path, BANDS_MS, order=IDS) as scene:
        assert plausibility.check_against_model(scene, {"statistics": statistics}) == []


def test_names_that_are_surely_wrong_are_an_error_unless_confirmed(tmp_path):
    record = {"statistics": pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)}
    path = write(tmp_path / "a.tif", made(IDS), BANDS_MS)
    with opening.open_scene(path, BANDS_MS) as scene:
        text = r"names its bands, but they seem to lie in the order of a product.*B8A holds B12"
        with pytest.raises(ValueError, match=text):
            plausibility.check_against_model(scene, record)
    with opening.open_scene(path, BANDS_MS, order=BANDS_MS) as scene:
        (warning,) = plausibility.check_against_model(scene, record)
        assert "seem to lie in the order of a product" in warning
    with opening.open_scene(path, BANDS_MS, order=IDS) as scene:
        assert plausibility.check_against_model(scene, record) == []
    right = write(tmp_path / "b.tif", made(IDS), IDS)
    with opening.open_scene(right, BANDS_MS) as scene:
        assert plausibility.check_against_model(scene, record) == []


def test_ground_without_the_air_above_is_not_taken_for_exchanged_colours():
    air = np.array([900, 650, 400, 0])  # DN that scattering adds to B01, B02, B03 and B08
    ground = np.random.default_rng(2).normal((300, 350, 600, 2500), 60, (4000, 4))
    names = ("B01", "B02", "B03", "B08")
    trained = np.percentile(ground + air, (1, 50, 99), axis=0)
    levels = np.percentile(ground, (1, 50, 99), axis=0)
    assert band_orders.find_band_order(levels, trained, names, surely=True) is None
    blue_last = band_orders.find_band_order(trained[:, ::-1], trained, names, surely=True)
    assert "in reverse order" in blue_last[0]


def test_guessed_bands_are_not_called_found(tmp_path):
    path = write(tmp_path / "a.tif", made(WITHOUT_CIRRUS))
    with pytest.raises(ValueError, match="has 12 bands without names, and the model wants 13"):
        read(path)


# ---- folders


@pytest.mark.parametrize(
    "name",
    [
        "download.{}.tif",
        "2023-06-14_Sentinel-2_L1C_{}_(Raw).tiff",
        "{}.tif",
        "clip_{}_20180211.tif",
    ],
)
def test_folders_of_single_bands(tmp_path, name):
    pixels = made(IDS)
    folder = write_bands(tmp_path / "a", EARTH_ENGINE, pixels, name)
    write(folder / "True_color.tif", np.full((SIZE, SIZE, 3), 9, np.uint8))
    found, _, _ = read(folder)
    np.testing.assert_array_equal(found, in_order(pixels, IDS, BANDS_MS))


def test_a_folder_of_the_assets_of_a_catalogue(tmp_path):
    names = ("blue", "green", "red", "nir", "nir08", "visual")
    pixels = made(("B02", "B03", "B04", "B08", "B8A", "B10"))
    folder = write_bands(tmp_path / "S2B_32TPP_20230823_0_L2A", names, pixels, "{}.tif")
    bands = ("B8A", "B04")
    found, _, scene = read(folder, bands)
    np.testing.assert_array_equal(found, pixels[..., [4, 2]])
    assert scene.level == "L2A"
    with pytest.raises(ValueError, match=r"no band B05.*found B02.*not understood: 'visual\.tif'"):
        read(folder, ("B05",))


def test_two_files_of_one_band_are_named(tmp_path):
    folder = write_bands(tmp_path / "a", ("B02", "B2"), made(("B02", "B03")))
    with pytest.raises(ValueError, match=r"two files of band B02, x_B02\.tif and x_B2\.tif"):
        read(folder, ("B02",))


def test_litter_of_macos_is_passed_over(tmp_path):
    folder = make_band_folder(tmp_path / "a", BANDS_RGB, size=SIZE)
    for file in list(folder.iterdir()):
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    assert set(finding.find_product(folder).bands) == set(BANDS_RGB)


# ---- tiles


def test_tiles_of_one_grid_are_one_scene(tmp_path):
    pixels = made(IDS, 192)
    for row in (0, 96):
        for column in (0, 96):
            place = (PLACE[0] + 10 * column, 10, 0, PLACE[3] - 10 * row, 0, -10)
            part = pixels[row : row + 96, column : column + 96]
            write(tmp_path / "a" / f"S2-{row:010}-{column:010}.tif", part, EARTH_ENGINE, place)
    found, valid, scene = read(tmp_path / "a")
    np.testing.assert_array_equal(found, in_order(pixels, IDS, BANDS_MS))
    assert valid.all()
    assert scene.messages == ("4 tiles of one grid are read as one scene",)
    assert len(scene.files()) == 4


def test_single_bands_that_are_named_inside_are_a_scene(tmp_path):
    pixels = made(BANDS_MS)
    for number, band in enumerate(BANDS_MS):
        write(tmp_path / f"export_{number}.tif", pixels[..., [number]], [band])
    found, valid, _ = read(tmp_path)
    np.testing.assert_array_equal(found, pixels)
    assert valid.all()


def test_bands_of_another_sensor_are_not_taken_for_tiles(tmp_path):
    write_bands(tmp_path, ["B2", "B3", "B4"], made(BANDS_RGB), "LC08_L1TP_192030_20150704_{}.TIF")
    with pytest.raises(ValueError, match="holds bands of another sensor"):
        read(tmp_path, BANDS_RGB)


def test_a_vrt_has_the_names_of_its_sources(tmp_path):
    pixels = made(IDS)
    files = [str(write(tmp_path / "a.tif", pixels, EARTH_ENGINE))]
    gdal.BuildVRT(str(tmp_path / "b.vrt"), files).FlushCache()
    np.testing.assert_array_equal(read(tmp_path / "b.vrt")[0], in_order(pixels, IDS, BANDS_MS))
    bands = write_bands(tmp_path / "c", IDS, pixels)
    files = [str(bands / f"x_{band}.tif") for band in IDS]
    gdal.BuildVRT(str(tmp_path / "d.vrt"), files, separate=True).FlushCache()
    np.testing.assert_array_equal(read(tmp_path / "d.vrt")[0], in_order(pixels, IDS, BANDS_MS))


def test_images_that_are_no_tiles(tmp_path):
    write(tmp_path / "a" / "one.tif", made(IDS), EARTH_ENGINE)
    write(tmp_path / "a" / "two.tif", made(IDS), EARTH_ENGINE, (600_004, *PLACE[1:]))
    with pytest.raises(ValueError, match=r"two\.tif has pixels that lie between those than one"):
        read(tmp_path / "a")
    write(tmp_path / "a" / "two.tif", made(IDS), EARTH_ENGINE)
    with pytest.raises(ValueError, match="holds 2 images of the same place; name one of them"):
        read(tmp_path / "a")


# ---- bands that do not cover the same pixels


def ramp(left, top, size, rows, columns):
    """DN that rise by 1 per 10 m to the east and by 2 to the south, at the centres of pixels."""
    x = left + size * (np.arange(columns) + 0.5)
    y = top - size * (np.arange(rows) + 0.5)
    return 3000 + (x - PLACE[0])[None, :] / 10 + 2 * (PLACE[3] - y)[:, None] / 10


def test_bands_clipped_one_by_one_lie_where_their_georeference_says(tmp_path):
    # a spline leaves a plane as it is, so that what must come out is known everywhere
    for band, size, left, top in (("B02", 10, 0, 0), ("B05", 20, -13, 7), ("B09", 60.3, -50, 31)):
        left, top = PLACE[0] + left, PLACE[3] + top
        count = int(1100 / size) + 3
        place = (left, size, 0.0, top, 0.0, -size)
        values = np.round(ramp(left, top, size, count, count)).astype(np.uint16)
        write(tmp_path / "a" / f"x_{band}.tif", values, place=place)
    found, valid, scene = read(tmp_path / "a", ("B02", "B05", "B09"))
    assert scene.messages == (
        "the bands do not cover the same pixels: aligned by their georeference",
    )
    inner = (slice(12, 80), slice(12, 80))
    expected = ramp(*PLACE[0:4:3], 10, scene.rows, scene.columns)
    for band in range(3):
        assert np.abs(found[..., band].astype(float) - expected)[inner].max() <= 1
    assert valid[inner].all()
    with opening.open_scene(tmp_path / "a", ("B02", "B05", "B09")) as scene:
        part, _ = scene.read(17, 21, 40, 33)
    np.testing.assert_array_equal(part, found[17:57, 21:54])


def test_where_a_band_ends_is_nodata(tmp_path):
    write(tmp_path / "a" / "x_B02.tif", np.full((100, 100), 500, np.uint16))
    write(tmp_path / "a" / "x_B03.tif", np.full((100, 70), 600, np.uint16))
    found, valid, _ = read(tmp_path / "a", ("B02", "B03"))
    assert valid[:, :70].all()
    assert not valid[:, 70:].any()
    np.testing.assert_array_equal(found[:, :70], np.broadcast_to((500, 600), (100, 70, 2)))


def test_resampling_at_the_places_of_a_finer_grid_is_upsampling():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 5000, (14, 12)).astype(np.uint16)
    pixels[3:5, 4] = 0
    for ratio in (2, 3, 6):
        rows, columns = ((np.arange(size * ratio) + 0.5) / ratio + 2 for size in (10, 8))
        np.testing.assert_array_equal(
            resampling.upsample_at(pixels, rows, columns), resampling.upsample(pixels, ratio)
        )


def test_a_lone_raster_is_opened_once(tmp_path, monkeypatch):
    path = write(tmp_path / "scene.tif", made(BANDS_MS), BANDS_MS)
    opened = []
    real = gdal.OpenEx

    def counting(name, *arguments, **options):
        opened.append(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(gdal, "OpenEx", counting)
    assert not single_patches.are_patches([path])
    with opening.open_scene(path, BANDS_MS) as scene:
        scene.sample()
        with colour_scenes.in_true_colour(scene) as colours:
            pixels, _ = colours.read(0, 0, SIZE, SIZE)
        scene.read(0, 0, 1, 1)  # is still open
    np.testing.assert_array_equal(pixels, made(BANDS_MS)[..., [3, 2, 1]])
    assert opened == [str(path)]


def test_a_file_that_changed_is_opened_again(tmp_path):
    path = write(tmp_path / "scene.tif", made(BANDS_MS), BANDS_MS)
    reading.read_info(path)
    write(path, made(BANDS_RGB), BANDS_RGB)
    assert reading.read_info(path).band_names == tuple(BANDS_RGB)


# ---- masks


def test_a_mask_and_an_alpha_band_are_nodata(tmp_path):
    pixels = made(BANDS_MS)
    shown = np.full((SIZE, SIZE, 1), 65535, np.uint16)
    shown[:, :30] = 0
    for names in (None, [*BANDS_MS, ""]):
        path = write(tmp_path / "alpha.tif", np.concatenate([pixels, shown], axis=2), names)
        found, valid, _ = read(path)
        np.testing.assert_array_equal(valid, shown[..., 0] > 0)
        np.testing.assert_array_equal(found[valid], pixels[valid])
    path = write(tmp_path / "mask.tif", pixels, BANDS_MS)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray((shown[..., 0] > 0).astype(np.uint8) * 255)
    del dataset
    np.testing.assert_array_equal(read(path)[1], shown[..., 0] > 0)


def test_a_band_called_alpha_is_one(tmp_path):
    pixels = made(BANDS_MS)
    shown = np.full((SIZE, SIZE, 1), 255, np.uint16)
    shown[:, :30] = 0
    path = write(tmp_path / "a.tif", np.concatenate([pixels, shown], axis=2), [*BANDS_MS, "Alpha"])
    found, valid, _ = read(path)
    np.testing.assert_array_equal(valid, shown[..., 0] > 0)
    np.testing.assert_array_equal(found[valid], pixels[valid])


def test_the_alpha_of_a_picture(tmp_path):
    colours = np.random.default_rng(0).integers(1, 255, (SIZE, SIZE, 4)).astype(np.uint8)
    colours[:, :, 3] = 255
    colours[:40, :, 3] = 0
    write(tmp_path / "a.tif", colours, options=["PHOTOMETRIC=RGB", "ALPHA=YES"])
    _, valid, _ = read(tmp_path / "a.tif", BANDS_RGB, units="rgb8")
    assert not valid[:40].any()
    assert valid[40:].all()


def test_each_band_has_its_own_nodata(tmp_path):
    for band, nodata in (("B02", 0), ("B03", 65535)):
        pixels = np.full((SIZE, SIZE), 700, np.uint16)
        pixels[:9] = nodata
        write(tmp_path / f"x_{band}.tif", pixels, nodata=nodata)
    files = [str(tmp_path / f"x_{band}.tif") for band in ("B02", "B03")]
    gdal.BuildVRT(str(tmp_path / "a.vrt"), files, separate=True).FlushCache()
    assert not read(tmp_path / "a.vrt", ("B03",))[1][:9].any()


# ---- units


def tagged(path, scale, offset):
    dataset = gdal.Open(str(path), gdal.GA_Update)
    for band in range(1, dataset.RasterCount + 1):
        dataset.GetRasterBand(band).SetScale(scale)
        dataset.GetRasterBand(band).SetOffset(offset)
    del dataset
    return path


@pytest.mark.parametrize(
    ("change", "scale", "offset"),
    [
        (lambda dn: dn + 1000, 1e-4, -0.1),
        (lambda dn: dn, 1e-4, 0.0),
        (lambda dn: dn, 0.01, 0.0),
        (lambda dn: dn + 1000, 1.0, -1000.0),
    ],
)
def test_scale_and_offset_of_the_file_are_applied(tmp_path, change, scale, offset):
    pixels = made(BANDS_MS)
    path = write(tmp_path / "a.tif", change(pixels).astype(np.uint16), BANDS_MS)
    found, _, scene = read(tagged(path, scale, offset))
    assert np.abs(found.astype(int) - np.maximum(pixels, 1)).max() <= 1
    assert "scale and offset that the file declares" in scene.messages[0]


@pytest.mark.parametrize(("divisor", "scale"), [(10_000, 1), (100, 100), (10_000 / 65535, 65535)])
def test_other_units_by_the_users_word(tmp_path, divisor, scale):
    pixels = made(BANDS_MS)
    values = pixels / np.float32(divisor)
    values = np.round(values).astype(np.uint16) if scale == 65535 else values.astype(np.float32)
    path = write(tmp_path / "a.tif", values, BANDS_MS)
    found, _, scene = read(path, reflectance_scale=scale)
    assert np.abs(found.astype(int) - pixels).max() <= 1
    assert f"{scale:g} is taken as reflectance 1 (REFLECTANCE_SCALE)" in scene.messages


@pytest.mark.parametrize(("divisor", "scale"), [(10_000, 1), (100, 100)])
def test_values_that_are_no_dn_stop_and_name_the_setting(tmp_path, divisor, scale):
    path = write(tmp_path / "a.tif", (made(BANDS_MS) / divisor).astype(np.float32), BANDS_MS)
    with pytest.raises(
        ValueError, match=rf"a\.tif: nearly all values .*REFLECTANCE_SCALE = {scale},"
    ):
        read(path)


def test_reflectance_stretched_to_16_bits_is_told():
    pixels = made(BANDS_MS).reshape(-1, 13)
    statistics = pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)
    (warning,) = plausibility.check_sample(pixels * 6.5535, BANDS_MS, "DN", statistics)
    assert "REFLECTANCE_SCALE = 65535" in warning


def test_a_scene_that_became_one_value_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", made(BANDS_MS), BANDS_MS)
    statistics = pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)
    with (
        opening.open_scene(path, BANDS_MS, reflectance_scale=1e9) as scene,
        pytest.raises(ValueError, match="all pixels have become 1, the lowest value"),
    ):
        plausibility.check_against_model(scene, {"statistics": statistics})


def checked(path, trained=None, bands=BANDS_MS, units="DN", **more):
    """What is said of a scene before it is classified."""
    trained = made(bands) if trained is None else trained
    statistics = pooled_statistics(trained[np.newaxis], bands) | {"units": units}
    with opening.open_scene(path, bands, units, **more) as scene:
        return plausibility.check_against_model(scene, {"statistics": statistics})


def test_a_scene_of_one_value_is_refused(tmp_path):
    flat = np.full((SIZE, SIZE, 13), 1234, np.uint16)
    with pytest.raises(ValueError, match=r"all pixels are the same \(B01 1234, B02 1234, "):
        checked(write(tmp_path / "a.tif", flat, BANDS_MS))


def test_a_band_that_holds_nothing_is_named(tmp_path):
    cut = (made(BANDS_MS) // 40).astype(np.uint8)
    (said,) = checked(write(tmp_path / "a.tif", cut, BANDS_MS))
    assert "no valid pixel was met in a sample of the scene: B10 holds nothing but 0" in said
    (said,) = checked(write(tmp_path / "b.tif", np.zeros_like(cut), BANDS_MS))
    assert said == "no valid pixel was met in a sample of the scene"


def test_nodata_that_is_not_declared_is_told(tmp_path):
    pixels = made(BANDS_MS)
    assert checked(write(tmp_path / "a.tif", pixels, BANDS_MS)) == []
    pixels[:, :24] = 65535
    (said,) = checked(write(tmp_path / "b.tif", pixels, BANDS_MS))
    assert " % of the pixels hold 65535 or nearly that in all bands" in said
    assert "gdal_edit.py -a_nodata 65535 FILE declares it" in said
    assert checked(write(tmp_path / "c.tif", pixels, BANDS_MS, nodata=65535)) == []


def test_a_band_of_cirrus_in_a_file_that_should_have_none(tmp_path):
    names = [band for band in IDS if band != "B08"]  # as sen2r writes level L1C
    path = write(tmp_path / "a.tif", made(names))
    with pytest.raises(ValueError, match="band 10 of the file is as dark as B10 alone is"):
        checked(path, made(WITHOUT_CIRRUS), WITHOUT_CIRRUS)


def test_a_scale_that_is_none(tmp_path):
    path = write(tmp_path / "a.tif", made(BANDS_MS), BANDS_MS)
    with pytest.raises(ValueError, match="REFLECTANCE_SCALE is 0, expected more than 0"):
        read(path, reflectance_scale=0)


# ---- offsets

NAMED = "S2B_MSIL1C_20230823T095559_N{}_R122_T32TPP_20230823T115500"


@pytest.mark.parametrize(
    ("baseline", "add", "offset"),
    [("0509", 0, 0), ("0509", 1000, -1000), ("9999", 0, 0), ("9999", 1000, -1000), ("0204", 0, 0)],
)
@pytest.mark.parametrize("kind", ["raster", "folder"])
def test_the_values_decide_on_the_offset(tmp_path, baseline, add, offset, kind):
    pixels = made(BANDS_MS)
    name = NAMED.format(baseline)
    if kind == "raster":
        path = write(tmp_path / f"{name}.tif", pixels + np.uint16(add), BANDS_MS)
    else:
        path = write_bands(
            tmp_path / name, BANDS_MS, pixels + np.uint16(add), f"T32TPP_{TIME}_{{}}.tif"
        )
    found, _, scene = read(path)
    np.testing.assert_array_equal(found, np.maximum(pixels, 1))
    assert set(scene.product["offsets"].values()) == {offset}


def test_a_name_without_a_baseline(tmp_path):
    pixels = made(WITHOUT_CIRRUS)
    name = "S2B_MSIL2A_20230823T100559_R022_T32TPP_20230823T151301"
    names = [f"{band}_10m" for band in WITHOUT_CIRRUS]
    folder = write_bands(tmp_path / name, names, pixels + np.uint16(1000), "T32TPP_x_{}.tif")
    found, _, scene = read(folder, WITHOUT_CIRRUS)
    np.testing.assert_array_equal(found, pixels)
    assert scene.level == "L2A"
    assert "by the time in its name" in scene.messages[0]


def test_values_that_do_not_tell_are_said():
    offset, said = radiometry.offset_of_values({"B02": 1300.0}, "baseline", is_raster=True)
    assert offset == 0
    assert "its values do not tell; set RADIOMETRIC_OFFSET = -1000" in said


# ---- pixels on the ground


@pytest.mark.parametrize(
    ("place", "crs", "sides", "square"),
    [
        ((5e5, 10, 0, 5e6, 0, -10), "EPSG:32632", (10, 10), 1.0),
        ((1.15e6, 10, 0, 5.47e6, 0, -10), "EPSG:3857", (7.2, 7.2), 0.52),
        ((11, 1e-4, 0, 60, 0, -1e-4), "EPSG:4326", (5.58, 11.14), 62.2e8),
    ],
)
def test_pixels_are_measured_on_the_ground(place, crs, sides, square):
    found = ground.measure(place, crs, (2, 2))
    assert (found.width, found.height) == pytest.approx(sides, rel=0.01)
    assert found.square_metres_per_unit == pytest.approx(square, rel=0.01)


def test_a_degree_of_longitude_at_the_equator_and_a_reference_system_of_nowhere():
    found = ground.measure((0, 1, 0, 0.5, 0, -1), "EPSG:4326", (1, 1))
    assert found.width == pytest.approx(111_319.5, abs=0.1)  # the equator's 40,075 km / 360
    assert found.utm == "EPSG:32631"
    assert ground.measure(PLACE, 'LOCAL_CS["here",UNIT["metre",1]]', (1, 1)) is None


@pytest.mark.parametrize(("width", "height"), [(10, 20), (9, 11)])
def test_pixels_that_are_not_square_are_said(tmp_path, width, height):
    place = (PLACE[0], width, *PLACE[2:5], -height)
    _, _, scene = read(write(tmp_path / "a.tif", made(BANDS_RGB), BANDS_RGB, place), BANDS_RGB)
    said = f"the pixels measure {width} m by {height} m on the ground"
    assert said in scene.messages[0]
    assert "gdalwarp -t_srs EPSG:32632 -tr 10 10" in scene.messages[0]


# ---- pictures


@pytest.mark.parametrize(
    "name",
    [
        *("x_TCI", "T32TPP_PVI", "2023_True_color", "true-colour", "visual", "thumbnail", "a_NDVI"),
        *("2023_Highlight_Optimized_Natural_Color", "L1C_False_color_(urban)"),
    ],
)
def test_pictures_for_people_are_refused(tmp_path, name):
    path = write(tmp_path / f"{name}.tif", np.full((SIZE, SIZE, 3), 9, np.uint8))
    with pytest.raises(ValueError, match="scaled otherwise than the training images"):
        read(path, BANDS_RGB, units="rgb8")


def test_dn_are_read_whatever_the_file_is_called(tmp_path):
    read(write(tmp_path / "visual.tif", made(BANDS_RGB), BANDS_RGB), BANDS_RGB)


def test_other_pictures_are_warned_of_and_noise_more(tmp_path):
    land = (made(BANDS_RGB) / 12).clip(1, 255).astype(np.uint8)
    statistics = pooled_statistics(land[np.newaxis], BANDS_RGB) | {"units": "rgb8"}
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    warnings = []
    for name, picture in (("land", land), ("noise", noise)):
        path = write(tmp_path / f"{name}.tif", picture)
        with opening.open_scene(path, BANDS_RGB, "rgb8") as scene:
            warnings.append(plausibility.check_against_model(scene, {"statistics": statistics}))
    assert len(warnings[0]) == 1
    assert "right only if its colours were scaled" in warnings[0][0]
    assert "do not go together" in warnings[1][1]
    assert any("% of the pixels are darker" in warning for warning in warnings[1])


def test_a_curve_for_the_eye_is_no_offset(tmp_path):
    land = (made(BANDS_RGB) / 12).clip(1, 255).astype(np.uint8)
    curve = (255 * (land / 255) ** 0.3).astype(np.uint8)
    said = " ".join(checked(write(tmp_path / "a.tif", curve), land, BANDS_RGB, "rgb8"))
    assert "even its darkest pixels (1 %) are brighter by" in said
    assert "RADIOMETRIC_OFFSET" not in said


@pytest.mark.filterwarnings("error")
def test_a_picture_with_a_band_of_one_value(tmp_path):
    land = (made(BANDS_RGB) / 12).clip(1, 255).astype(np.uint8)
    one = land.copy()
    one[..., 2] = 90
    assert checked(write(tmp_path / "a.tif", one), land, BANDS_RGB, "rgb8")


def test_grey_and_paletted_pictures_say_what_they_are(tmp_path):
    grey = (made(["B04"]) / 12).clip(1, 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"is a picture in grey, .*give the product itself"):
        read(write(tmp_path / "grey.tif", grey), BANDS_RGB, units="rgb8")
    Image.fromarray(grey[..., 0]).convert("P").save(tmp_path / "p.png")
    with pytest.raises(ValueError, match=r"table of colours, .*gdal_translate -expand rgb"):
        read(tmp_path / "p.png", BANDS_RGB, units="rgb8")


# ---- containers


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.img", b"EHFA_HEADER_TAG", "is an ERDAS Imagine file.*gdal_translate -of GTiff"),
        ("a.nc", b"CDF\x01", "is a netCDF file"),
        ("a.tif", b"\x89HDF\r\n\x1a\n", "is an HDF5 or netCDF file"),
        ("a.tar.gz", b"\x1f\x8b", "is packed.*unpack it first"),
        ("a.dim", b"<?xml", "is the DIMAP header of SNAP.*a.data"),
        ("a.hdr", b"ENVI", "is an ENVI header"),
        ("a.tif", b"<!DOCTYPE html>", "is a web page"),
        ("a.shp", b"\0\0", "is a vector file.*BOUNDS"),
    ],
)
def test_other_containers_are_named(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content + bytes(40))
    with pytest.raises(ValueError, match=text) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_envi_is_told_by_its_header(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(99))
    (tmp_path / "a.hdr").write_text("ENVI")
    with pytest.raises(ValueError, match=r"a\.dat: is an ENVI file"):
        read(tmp_path / "a.dat")


def test_folders_of_other_containers(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ValueError, match=r"a\.zarr: is a Zarr store"):
        read(tmp_path / "a.zarr")
    (tmp_path / "b.data").mkdir()
    with pytest.raises(ValueError, match=r"holds the bands of SNAP"):
        read(tmp_path / "b.data")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"is no Sentinel-2 product.*it holds 'notes\.txt'"):
        read(tmp_path / "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://example.org/a.tif", "is a web address.*download it first"),
        ("s3://bucket/a.tif", "is a web address"),
        (r"C:\data\a.tif", "is a path of Windows.*/mnt/c/data/a.tif"),
        (r"data\a.tif", "parted by /: data/a.tif"),
    ],
)
def test_what_is_no_path_here(text, said):
    with pytest.raises(ValueError, match=said):
        other_containers.check_text(text)


def test_a_gdal_without_jpeg_2000_is_not_a_damaged_product(tmp_path, monkeypatch):
    write_image(tmp_path / "a_B02.jp2", np.ones((SIZE, SIZE), np.uint16), 10)
    found = gdal.GetDriverByName
    monkeypatch.setattr(
        gdal, "GetDriverByName", lambda name: None if name == "JP2OpenJPEG" else found(name)
    )
    with pytest.raises(OSError, match=r"this GDAL .* cannot read JPEG 2000.*libgdal-jp2openjpeg"):
        reading.Raster(tmp_path / "a_B02.jp2")


def test_a_single_band_is_sent_to_its_folder(tmp_path):
    for name in ("x_B02.tif", "download.B2.tif", "B8A.tif"):
        path = write(tmp_path / name, np.ones((SIZE, SIZE), np.uint16))
        with pytest.raises(ValueError, match="is a single band of a product; give the product's"):
            band_files.read_single_raster(path, BANDS_RGB)


def test_a_single_patch_in_another_order_is_warned_of():
    statistics = pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)
    record = {"band_names": list(BANDS_MS), "units": "DN", "statistics": statistics}
    assert plausibility.check_patch(made(BANDS_MS, 64), record) == []
    (warning,) = plausibility.check_patch(made(IDS, 64), record)
    assert "in the order of a product" in warning
    assert plausibility.check_patch(made(BANDS_MS, 64) // 2, record) == []


def test_all_bands_on_one_side_may_be_another_unit():
    statistics = pooled_statistics(made(BANDS_MS)[np.newaxis], BANDS_MS)
    sample = made(BANDS_MS).reshape(-1, 13) / 10
    warnings = plausibility.check_sample(sample, BANDS_MS, "DN", statistics)
    assert "set REFLECTANCE_SCALE to it" in warnings[-1]


def test_bands_in_folders_by_resolution(tmp_path):
    pixels = made(IDS)
    for band, metres in (("B02", 10), ("B05", 20)):
        part = pixels[:: metres // 10, :: metres // 10, IDS.index(band)]
        place = (PLACE[0], metres, 0, PLACE[3], 0, -metres)
        write(tmp_path / "a" / f"R{metres}m" / f"T32TPP_x_{band}_{metres}m.tif", part, place=place)
    found, _, scene = read(tmp_path / "a", ("B05", "B02"), order=["B02"])
    np.testing.assert_array_equal(found[..., 1], pixels[..., IDS.index("B02")])
    assert scene.messages == (
        "BAND_NAMES is for rasters, and not used: the files name their bands",
    )
