"""Patches, splits and models as people have them."""

import csv
import importlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from image_functions import BANDS_MS, BANDS_RGB, read_patch
from landuse import choices, command_line
from landuse.mapping import checks, grids
from landuse.networks import foreign_models, model_files
from landuse.patches import (
    class_folders,
    image_files,
    part_names,
    patch_cache,
    single_patches,
    split_folders,
    splits,
)
from landuse.rasters import writing

PRODUCT = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]
EUROSAT = [PRODUCT.index(band.replace("B0", "B")) for band in BANDS_MS]
PLACE = (6e5, 10.0, 0.0, 4.8e6, 0.0, -10.0)


def pixels_of(seed, bands=13):
    return np.random.default_rng(seed).integers(1, 5000, (64, 64, bands)).astype(np.uint16)


def write(path, pixels, names=None, nodata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    writing.write_geotiff(path, pixels, PLACE, "EPSG:32632", band_names=names, nodata=nodata)
    return path


# ---- names of the bands of patches


def test_named_bands_come_in_the_order_of_eurosat(tmp_path):
    pixels = pixels_of(0)
    patch = image_files.read_named(write(tmp_path / "a.tif", pixels, PRODUCT))
    assert patch.names == BANDS_MS
    assert patch.reordered
    np.testing.assert_array_equal(patch.pixels, pixels[..., EUROSAT])
    blue_first = write(tmp_path / "b.tif", pixels[..., :3], ["B2", "B3", "B4"])
    np.testing.assert_array_equal(read_patch(blue_first), pixels[..., 2::-1])
    with_quality = write(tmp_path / "c.tif", pixels_of(0, 14), [*PRODUCT, "QA60"])
    assert image_files.read_named(with_quality).names == BANDS_MS
    assert image_files.read_named(write(tmp_path / "d.tif", pixels)).names == ()


@pytest.mark.filterwarnings("error")
def test_names_are_read_from_long_metadata_too(tmp_path):
    names = [f"Sentinel-2 Level-1C of 2018, top of the atmosphere, {band}" for band in PRODUCT]
    patch = image_files.read_named(write(tmp_path / "a.tif", pixels_of(0), names))
    assert patch.names == BANDS_MS


def test_counts_ambiguous_names_and_the_users_word(tmp_path):
    pixels = pixels_of(1, 4)
    counted = write(tmp_path / "a.tif", pixels, [f"Band {number}" for number in range(1, 5)])
    assert image_files.read_named(counted).names == ()
    path = write(tmp_path / "b.tif", pixels, ["B1", "B2", "B3", "B4"])
    with pytest.raises(ValueError, match="may be Sentinel-2's names or only count them"):
        image_files.read_named(path)
    patch = image_files.read_named(path, ["B08", "B04", "B03", "B02"])
    assert patch.names == ("B02", "B03", "B04", "B08")
    np.testing.assert_array_equal(patch.pixels, pixels[..., ::-1])


def test_patches_are_opened_by_the_names_of_their_bands(tmp_path):
    four = [write(tmp_path / f"{n}.tif", pixels_of(n, 4), ["B2", "B3", "B4", "B8"]) for n in (0, 1)]
    assert patch_cache.bands_of_patches(four) == ("B02", "B03", "B04", "B08")
    opened = patch_cache.open_patches(four, BANDS_RGB)
    np.testing.assert_array_equal(opened[1], pixels_of(1, 4)[..., 2::-1])
    with pytest.raises(
        ValueError, match=r"has no band B11; it names B02, B03, B04, B08; set BANDS"
    ):
        patch_cache.open_patches(four, ["B11"])


def test_patches_that_contradict_each_other_are_refused(tmp_path):
    named = [write(tmp_path / f"{n}.tif", pixels_of(n), PRODUCT) for n in range(3)]
    plain = write(tmp_path / "plain.tif", pixels_of(4))
    with pytest.raises(ValueError, match=r"plain\.tif: names no bands and others do.*BAND_NAMES"):
        patch_cache.open_patches([*named, plain], cache=tmp_path)
    usual = [write(tmp_path / f"u{n}.tif", pixels_of(n), BANDS_MS) for n in range(2)]
    assert len(patch_cache.open_patches([*usual, plain], cache=tmp_path)) == 3
    others = write(tmp_path / "o.tif", pixels_of(5, 4), ["B2", "B3", "B4", "B8A"])
    four = [
        write(tmp_path / f"f{n}.tif", pixels_of(n, 4), ["B2", "B3", "B4", "B8"]) for n in (0, 1)
    ]
    with pytest.raises(ValueError, match=r"o\.tif: has the bands B02 B03 B04 B8A, expected B02 B0"):
        patch_cache.open_patches([*four, others], cache=tmp_path)


def test_a_single_patch_is_read_by_the_names_of_its_bands(tmp_path):
    record = {"band_names": list(BANDS_MS), "units": "DN"}
    pixels = pixels_of(0)
    path = write(tmp_path / "a.tif", pixels, PRODUCT)
    np.testing.assert_array_equal(single_patches.read_for_model(path, record), pixels[..., EUROSAT])
    plain = write(tmp_path / "b.tif", pixels)
    np.testing.assert_array_equal(
        single_patches.read_for_model(plain, record, PRODUCT), pixels[..., EUROSAT]
    )


# ---- types of numbers


def test_whole_numbers_of_any_type_are_taken(tmp_path):
    pixels = pixels_of(2)
    for kind in (np.float32, np.float64, np.int16, np.int32, np.uint32):
        np.testing.assert_array_equal(
            read_patch(write(tmp_path / "a.tif", pixels.astype(kind))), pixels
        )
    signed = pixels.astype(np.int16)
    signed[:, :2] = -9999
    found = read_patch(write(tmp_path / "b.tif", signed, nodata=-9999))
    assert not found[:, :2].any()
    np.testing.assert_array_equal(found[:, 2:], pixels[:, 2:])


@pytest.mark.parametrize(
    ("divisor", "command"),
    [
        (10_000, "gdal_translate -ot UInt16 -scale 0 1 0 10000 IN OUT"),
        (100, "gdal_translate -ot UInt16 -scale 0 100 0 10000 IN OUT"),
        (1.1, "gdal_translate -ot UInt16 IN OUT"),
    ],
)
def test_other_numbers_get_the_command_that_converts_them(tmp_path, divisor, command):
    path = write(tmp_path / "a.tif", (pixels_of(2) / divisor).astype(np.float32))
    with pytest.raises(ValueError, match=r"a\.tif: cannot be read as an image") as caught:
        read_patch(path)
    assert command in str(caught.value)


def test_patches_a_little_too_large_get_the_command_that_cuts_them(tmp_path):
    large = np.ones((65, 65, 13), np.uint16)
    with pytest.raises(ValueError, match=r"is 65x65 px, .*gdal_translate -srcwin 0 0 64 64"):
        patch_cache.open_patches([write(tmp_path / "a.tif", large)])
    with pytest.raises(ValueError, match=r"is 128x128 px, expected 64x64") as told:
        patch_cache.open_patches([write(tmp_path / "b.tif", np.ones((128, 128, 13), np.uint16))])
    assert "srcwin" not in str(told.value)


def test_transparency_that_hides_nothing_is_left_out(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (64, 64, 4)).astype(np.uint8)
    colours[..., 3] = 255
    Image.fromarray(colours).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_patch(tmp_path / name), colours[..., :3])
    colours[:9, :, 3] = 0
    Image.fromarray(colours).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"transparent.*gdal_translate -b 1 -b 2 -b 3 IN OUT"):
        read_patch(tmp_path / "b.png")


@pytest.mark.parametrize(("mode", "said"), [("CMYK", "CMYK"), ("L", r"grey \(L\)")])
def test_other_colours_get_the_line_that_converts_them(tmp_path, mode, said):
    colours = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(colours).convert(mode).save(path)
    with pytest.raises(ValueError, match=rf"its colours are {said}, expected red, green and blue"):
        read_patch(path)
    Image.open(path).convert("RGB").save(path)  # as the message says
    assert read_patch(path).shape == (64, 64, 3)


# ---- splits that are there


def make_split(folder, names):
    for number, name in enumerate(names):
        for label in ("Forest", "River"):
            path = folder / name / label / f"{label}_{number}.jpg"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.full((64, 64, 3), 9 + number, np.uint8)).save(path)
    return folder


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("training", "valid", "testing"), ("Train", "Validation")]
)
def test_the_parts_of_a_ready_split(tmp_path, names):
    folder = make_split(tmp_path / "split", names)
    split_folders.check_split(folder)
    for number, part in enumerate(("train", "validation", "test")[: len(names)]):
        patches, labels, classes, _ = split_folders.load_part(folder, part)
        assert patches[0, 0, 0, 0] in range(8 + number, 11 + number)
        assert (len(patches), list(labels), classes) == (2, [0, 1], ["Forest", "River"])
    assert split_folders.has_part(folder, "test") == (len(names) == 3)


def test_a_split_without_a_part_and_with_two(tmp_path):
    folder = make_split(tmp_path / "a", ("training", "testing"))
    with pytest.raises(FileNotFoundError, match=r"nor one called val or valid\).*testing, "):
        split_folders.check_split(folder)
    twice = make_split(tmp_path / "b", ("train", "val", "valid"))
    with pytest.raises(ValueError, match="two folders for the validation part, val and valid"):
        part_names.folder_of(twice, "validation")
    with pytest.raises(ValueError, match="is split already, into train, val, valid: give it to"):
        class_folders.find_images(twice)


def test_tables_of_a_split(tmp_path):
    images = {
        label: [tmp_path / label / f"{number}.jpg" for number in range(3)]
        for label in ("Forest", "River")
    }
    for part, number in (("train", 0), ("validation", 1), ("test", 2)):
        with open(tmp_path / f"{part}.csv", "w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["", "Filename", "Label", "ClassName"])
            for label in images:
                table.writerow([7, f"{label}/{number}.jpg", 0, label])
    split, unlisted, missing = splits.split_by_lists(images, splits.read_split_lists(tmp_path))
    assert (unlisted, missing) == ([], [])
    assert split["validation"] == {name: [paths[1]] for name, paths in images.items()}
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"train\.csv has no column of image names.*it has a, b"):
        splits.read_split_lists(tmp_path)


def test_the_order_of_bands_that_step_1_was_told(tmp_path, monkeypatch):
    source = tmp_path / "images"
    for label in ("Forest", "River"):
        for number in range(4):
            write(source / label / f"{label}_{number}.tif", pixels_of(number))
    step = importlib.import_module("01_split_data_to_train_and_validation")
    monkeypatch.setattr(step, "PATH_TO_ALL_IMAGES", str(source))
    monkeypatch.setattr(step, "PATH_TO_SPLIT_DATASETS", str(tmp_path / "split"))
    monkeypatch.setattr(step, "BAND_NAMES", PRODUCT)
    step.main()
    patches, _, _, files = split_folders.load_part(tmp_path / "split", "validation")
    number = int(files[0].stem.rpartition("_")[2])
    np.testing.assert_array_equal(patches[0], pixels_of(number)[..., EUROSAT])
    monkeypatch.setattr(step, "BAND_NAMES", ["B77"])
    with pytest.raises(ValueError, match="BAND_NAMES: 'B77' is no band of Sentinel-2"):
        step.main()


# ---- models of others


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("epoch44-0.969.hdf5", foreign_models.HDF5, "is an HDF5 file.*Keras 2"),
        ("only.weights.h5", foreign_models.HDF5, "holds weights without their network"),
        ("model.onnx", b"\x08\x08", "is an ONNX model"),
        ("model.pth", b"PK", "is a model of PyTorch"),
    ],
)
def test_models_of_another_kind(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content + bytes(99))
    with pytest.raises(ValueError, match=text) as caught:
        model_files.read_record(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "train one with one of the scripts 02 to 05" in str(caught.value)


def test_folders_that_are_models(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    with pytest.raises(OSError, match="is a SavedModel"):
        model_files.read_record(tmp_path / "saved")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    with pytest.raises(OSError, match=r"is a folder, not a model: name .*run/model\.keras"):
        model_files.read_record(tmp_path / "run")


def test_a_model_of_a_later_keras_names_both_versions(tmp_path):
    import keras

    record = {
        "class_names": ["a", "b"], "band_names": list(BANDS_RGB), "units": "DN", "patch_size": 64,
        "statistics": {}, "network": "Small",
    }  # fmt: skip
    pixels = keras.Input((64, 64, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1)(pixels))
    model_files.save(keras.Model(pixels, pooled), record, tmp_path / "model.keras")
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as old,
        zipfile.ZipFile(tmp_path / "later.keras", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "metadata.json":
                content = json.dumps({"keras_version": "3.99.0"}).encode()
            if name == "config.json":
                content = content.replace(b'"strides"', b'"argument_of_tomorrow": 1, "strides"')
            new.writestr(name, content)
    text = rf"written by Keras 3\.99\.0, and here is Keras {keras.__version__}, .*--upgrade keras"
    with pytest.raises(ValueError, match=text):
        model_files.load(tmp_path / "later.keras")


# ---- settings


def test_a_stride_larger_than_the_scene():
    with pytest.raises(ValueError, match=r"STRIDE = 10000 is too large .* the largest .* is 511"):
        grids.scene_grid((256, 300), 10_000)
    assert grids.scene_grid((256, 300), 511).shape == (1, 1)


def test_a_constant_whose_name_was_mistyped_is_named():
    settings = choices.Constants({"BACH_SIZE": 64, "EPOCHS": 3})
    with pytest.raises(ValueError, match=r"no constant BATCH_SIZE, .*: it has BACH_SIZE, was BATC"):
        settings["BATCH_SIZE"]
    with pytest.raises(ValueError, match=r"no constant WORKERS, which it needs: was it removed\?"):
        settings["WORKERS"]


def test_a_name_that_the_script_lacks_is_an_error_of_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["script.py"])

    def main():
        return BATCH_SIZE  # noqa: F821  set under another name

    with pytest.raises(SystemExit) as caught:
        command_line.run(main, {"BACH_SIZE": 64})
    assert caught.value.code == 2
    assert "no constant BATCH_SIZE, which it needs: it has BACH_SIZE" in capsys.readouterr().err


def test_images_that_are_no_scenes_of_their_own(tmp_path, capsys):
    bands = [str(tmp_path / f"x_{band}.tif") for band in ("B02", "B03", "B04")]
    tiles = [str(tmp_path / f"S2-0000000000-{number:010}.tif") for number in (0, 2048)]
    for name in [*bands, *tiles]:
        write(tmp_path / name, pixels_of(0, 1))
    with pytest.raises(ValueError, match=r"names 3 files that are bands of one image .*B04\):"):
        checks.check_images(bands)
    assert len(checks.check_images(tiles)) == 2
    assert f"{tmp_path} holds other images, too" in capsys.readouterr().out
    export = tmp_path / "export"
    export.mkdir()
    tiles = [str(Path(tile).rename(export / Path(tile).name)) for tile in tiles]
    assert checks.check_images(tiles) == [export]
    assert f"tiles of one export: mapped as one scene, {export}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="is a web address"):
        checks.check_images("https://example.org/a.tif")
    (tmp_path / "x.SAFE").mkdir()
    (tmp_path / "x.SAFE" / "manifest.safe").touch()
    assert checks.check_images(str(tmp_path / "x.SAFE" / "manifest.safe")) == [tmp_path / "x.SAFE"]
