"""Script 06 end to end, through its command line and as a module, on small made scenes."""

import csv
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from image_functions import BANDS_MS, pooled_statistics
from landuse import devices, files
from landuse.mapping import block_classes, classification, map_blocks
from landuse.networks import engines, model_files
from landuse.rasters import reading, writing

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / "06_classify_image.py"
CLASSES = ["Dark", "Grey", "Bright"]
GEOTRANSFORM = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
step = importlib.import_module("06_classify_image")


def made_pixels(rows=136, columns=150):
    """A dark, a grey and a bright strip from left to right, and a corner of nodata."""
    rng = np.random.default_rng(5)
    level = np.repeat([500, 1500, 2500], -(-columns // 3))[:columns]
    pixels = level[np.newaxis, :, np.newaxis] + rng.integers(0, 300, (rows, columns, 13))
    pixels[100:, :40] = 0
    return pixels.astype(np.uint16)


def write_scene(path, pixels):
    writing.write_geotiff(
        path, pixels, GEOTRANSFORM, "EPSG:32632", nodata=0, band_names=list(BANDS_MS)
    )
    return path


def brightness_model(band_names=BANDS_MS, last_layer=None):
    """A model that tells dark, grey and bright by the mean of the bands, without training.

    `last_layer` of the base network, if any, must leave it as it is.
    """
    import keras
    from keras import layers

    bands = len(band_names)
    inner = keras.Input((None, None, bands))
    mean = layers.Conv2D(1, 1, use_bias=False, name="mean")(inner)
    means = layers.AveragePooling2D(8)(mean)
    base = keras.Model(inner, last_layer(means) if last_layer else means, name="Small")
    pixels = keras.Input((64, 64, bands), name="pixels")
    features = base(layers.Rescaling(1 / 1000, dtype="float32")(pixels))
    pooled = layers.GlobalAveragePooling2D()(features)
    top = layers.Dense(3, activation="softmax", dtype="float32", name="probabilities")
    model = keras.Model(pixels, top(pooled))
    base.get_layer("mean").set_weights([np.full((1, 1, bands, 1), 1 / bands)])
    # Lines of which each is the highest in its range: below 1.15, up to 2.15, above.
    top.set_weights([np.array([[0.0, 4.0, 8.0]]), np.array([0.0, -4.6, -13.2])])
    return model


def record_of(pixels):
    """What a model tells about itself that learned from a part of the scene."""
    return {
        "class_names": CLASSES,
        "band_names": list(BANDS_MS),
        "units": "DN",
        "patch_size": 64,
        "statistics": pooled_statistics(pixels[np.newaxis, :64, 40:104], BANDS_MS),
        "network": "Small",
        "weights": None,
        "dense": False,
        "processing_level": "L1C",
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with scene.tif, model.keras, dense.keras, and not_dense.keras, which cannot be."""
    from keras import layers

    folder = tmp_path_factory.mktemp("place")
    pixels = made_pixels()
    write_scene(folder / "scene.tif", pixels)
    record = record_of(pixels)
    model_files.save(brightness_model(), record, folder / "model.keras")
    dense = {**record, "dense": True}
    model_files.save(brightness_model(), dense, folder / "dense.keras")
    other = brightness_model(last_layer=layers.UpSampling2D(1, name="no_larger"))
    model_files.save(other, dense, folder / "not_dense.keras")
    return folder


@pytest.fixture
def set_up(place, tmp_path, monkeypatch):
    """Set the step's constants, with outputs in a folder of the test."""
    monkeypatch.chdir(tmp_path)

    def set_constants(**constants):
        defaults = {
            "PATH_TO_IMAGE": str(place / "scene.tif"),
            "PATH_TO_MODEL": str(place / "model.keras"),
            "PRECISION": "float32",
            "QUICKLOOK": False,
            "HTML": False,
        }
        for name, value in {**defaults, **constants}.items():
            monkeypatch.setattr(step, name, value)

    return set_constants


def command(place, *flags, image=None):
    return [
        *(sys.executable, str(SCRIPT), "--path-to-image", str(image or place / "scene.tif")),
        *("--path-to-model", str(place / "model.keras"), "--precision", "float32"),
        *flags,
    ]


def run(place, folder, *flags, image=None, **options):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        command(place, *flags, image=image),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        **options,
    )


def expected_labels(pixels, stride):
    """The brightness classes window by window, in numpy."""
    filled = map_blocks.without_nodata(pixels, pixels[..., 0] > 0)
    padded = np.pad(filled, ((100, 100), (100, 100), (0, 0)), "symmetric").mean(axis=2)
    nodata = np.pad(pixels[..., 0] == 0, 100, "symmetric")
    rows, columns = (-(-size // stride) for size in pixels.shape[:2])
    labels = np.full((rows, columns), 255, np.uint8)
    for i, j in np.ndindex(rows, columns):
        centre = i * stride + stride // 2, j * stride + stride // 2
        row, column = centre[0] + 68, centre[1] + 68
        part = slice(row, row + 64), slice(column, column + 64)
        inside = min(centre[0], pixels.shape[0] - 1), min(centre[1], pixels.shape[1] - 1)
        if pixels[*inside, 0] > 0 and nodata[part].mean() <= 0.5:
            labels[i, j] = np.digitize(padded[part].mean(), [1150, 2150])
    return labels


# ------------------------------------------------------------------- through the command line


def test_a_map_from_the_command_line(place, tmp_path):
    done = run(place, tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "maps"
    assert {path.name for path in folder.iterdir()} == {
        "scene_label.tif",
        "scene_label.tif.aux.xml",
        "scene_label.qml",
        "scene_probability.tif",
        "scene_probability.qml",
        "scene.png",
        "scene.html",
        "scene_areas.csv",
        "scene_settings.json",
    }
    labels, info = reading.read_raster(folder / "scene_label.tif")
    assert np.array_equal(labels, expected_labels(made_pixels(), 8))
    assert info.geotransform == (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)
    assert list(info.category_names) == CLASSES
    assert info.metadata["STRIDE"] == "8"
    assert info.metadata["MODEL_SHA256"] == files.sha256(place / "model.keras")
    probability, info = reading.read_raster(folder / "scene_probability.tif")
    assert info.nodata == 255
    assert np.array_equal(probability == 255, labels == 255)
    settings = json.loads((folder / "scene_settings.json").read_text())
    assert settings["settings"]["STRIDE"] == 8
    assert settings["method"] == "windows"
    out = done.stdout
    assert "323 windows" in out and "device: " in out and "estimated time: " in out
    table = csv.reader((folder / "scene_areas.csv").read_text().splitlines()[1:-1])
    shares = ", ".join(f"{name} {percent} %" for name, _, _, percent, _ in table)
    assert f"  {shares}" in out.splitlines()  # cells cut at the edge count in part
    assert out.splitlines()[-4:] == [
        "map: maps/scene_label.tif",
        "  probability: maps/scene_probability.tif",
        "  picture: maps/scene.png",
        "  page: maps/scene.html",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--stride", "0"], "STRIDE must be 1 or more"),
        (["--path-to-label-image", "no/such/label.tif"], "does not exist"),
        (["--path-to-label-image", "map.png"], "must end in .tif"),
        (["--path-to-model", "scene.tif"], "there is no model"),
        (["--path-to-image", "nowhere.tif"], "nowhere.tif does not exist"),
        (["--method", "dense"], "not trained for dense maps"),
        (["--min-probability", "30"], "between 0 and 1"),
        (["--bounds", "10", "43", "11", "44"], "WGS 84 / UTM zone 32N; these look like degrees"),
    ],
)
def test_bad_input_is_answered_in_one_line(place, tmp_path, flags, message):
    done = run(place, tmp_path, *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")


def test_output_that_cannot_be_written(place, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(place, tmp_path, "--path-to-prob-image", "file/below.tif")
    assert done.returncode == 2
    assert "file is a file, not a folder" in done.stderr


def all_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_kill_9_and_again_gives_the_same_bytes(place, tmp_path):
    flags = ["--stride", "2", "--block-size", "16", "--batch-size", "4"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    journal = killed / "maps" / "scene_label.tif.partial" / "journal.txt"
    with subprocess.Popen(
        command(place, *flags),
        cwd=killed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as child:
        deadline = time.monotonic() + 120
        while not journal.is_file() or journal.read_text().count("\n") < 6:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert not (killed / "maps" / "scene_label.tif").exists()
    lines = journal.read_text().splitlines()
    assert 5 <= len(lines) < 91
    done = run(place, killed, *flags)
    assert done.returncode == 0, done.stderr
    assert run(place, whole, *flags).returncode == 0
    first, second = all_bytes(killed / "maps"), all_bytes(whole / "maps")
    first.pop("scene_label.tif.lock", None)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert not journal.parent.exists()


def test_a_full_disk_leaves_nothing_half_written_and_the_next_run_goes_on(
    place, tmp_path, set_up, monkeypatch
):
    def small_files_only():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    flags = ["--probability-type", "float32", "--all-probabilities"]  # the picture is too large
    done = run(place, tmp_path, *flags, preexec_fn=small_files_only)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "maps" / "scene_label.tif").exists()
    unfinished = tmp_path / "maps" / "scene_label.tif.partial"
    assert (unfinished / "journal.txt").read_text().count("\n") == 2

    def never(*arguments):
        raise AssertionError("the blocks were there already")

    monkeypatch.setattr(block_classes, "classify_windows", never)
    set_up(PROBABILITY_TYPE="float32", ALL_PROBABILITIES=True)
    step.main()
    labels, _ = reading.read_raster(tmp_path / "maps" / "scene_label.tif")
    assert np.array_equal(labels, expected_labels(made_pixels(), 8))
    assert not list((tmp_path / "maps").glob("*.partial"))


# -------------------------------------------------------------------------------- as a module


def test_a_second_run_on_the_same_output_refuses(set_up, tmp_path):
    set_up()
    (tmp_path / "maps").mkdir()
    with (
        files.lock(tmp_path / "maps" / "scene_label.tif", "writing the map"),
        pytest.raises(OSError, match="another run is writing the map"),
    ):
        step.main()


def test_options_of_the_map(set_up, tmp_path):
    set_up(
        BOUNDS=(600400.0, 4848900.0, 601000.0, 4849700.0),
        MIN_PROBABILITY=0.7,
        ALL_PROBABILITIES=True,
        PROBABILITY_TYPE="float32",
        POLYGONS=True,
        PATH_TO_LABEL_IMAGE="label.tif",
        PATH_TO_PROB_IMAGE="prob.tif",
    )
    step.main()
    labels, info = reading.read_raster("label.tif")
    assert info.geotransform[0] == 600400.0 and info.geotransform[3] == 4849760.0
    assert list(info.category_names) == [*CLASSES, "uncertain"]
    probabilities, info = reading.read_raster("prob.tif")
    assert info.band_names == ("probability of the label", *CLASSES)
    certain = labels < 3
    assert (probabilities[certain, 0] >= 0.7).all()
    assert (probabilities[labels == 3, 0] < 0.7).all()
    whole = expected_labels(made_pixels(), 8)[3:14, 5:13]
    assert np.array_equal(labels[certain], whole[certain])
    assert 0 < (labels == 3).sum() < labels.size
    assert Path("label.gpkg").is_file()


def test_classes_that_the_scene_does_not_have(set_up, capsys):
    set_up(ABSENT_CLASSES=["Grey"], ALL_PROBABILITIES=True, HTML=True)
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    whole = expected_labels(made_pixels(), 8)
    other = whole != 1
    np.testing.assert_array_equal(labels[other], whole[other])
    assert not (labels == 1).any() and (whole == 1).any()
    assert list(info.category_names)[:3] == CLASSES  # numbers mean what they did
    probabilities, _ = reading.read_raster("maps/scene_probability.tif")
    valid = labels < 3
    assert (probabilities[valid, 2] == 0).all()
    np.testing.assert_allclose(probabilities[valid, 1:].astype(int).sum(axis=-1), 100, atol=1)
    share = 100 * (whole == 1).sum() / valid.sum()
    said = f"without Grey, which the network had found most probable in {share:.1f} % of the cells"
    assert said in capsys.readouterr().out
    assert info.metadata["ABSENT_CLASSES"] == "Grey"
    assert "without Grey" in Path("maps/scene.html").read_text()


def test_doubt_as_bands_and_on_the_page(set_up, place, tmp_path, capsys):
    record = record_of(made_pixels())
    thresholds = {"0.90": 0.4, "0.95": 0.3}
    record["conformal"] = {"part": "validation", "images": 100, "thresholds": thresholds}
    model_files.save(brightness_model(), record, tmp_path / "sets.keras")
    made = {"PATH_TO_LABEL_IMAGE": "label.tif", "DOUBT": True, "HTML": True}
    set_up(**made, PATH_TO_MODEL=str(tmp_path / "sets.keras"), ALL_PROBABILITIES=True)
    step.main()
    values, info = reading.read_raster("label_probability.tif")
    assert info.band_names[-3:] == ("entropy", "margin", "classes in the prediction set")
    labels = reading.read_raster("label.tif")[0]
    assert (values[labels == 255] == 255).all()
    own, sizes, margins = values[labels < 3], values[labels < 3][:, -1], values[labels < 3][:, -2]
    ordered = np.sort(own[:, 1:4].astype(int), axis=1)
    assert np.abs(ordered[:, 2] - ordered[:, 1] - margins).max() <= 1
    clear = (np.abs(own[:, 1:4].astype(int) - 30) > 1).all(axis=1)
    assert (sizes[clear] == (own[clear, 1:4] > 30).sum(axis=1)).all()
    assert {1, 2} <= set(sizes)
    page = Path("label.html").read_text(encoding="utf-8")
    assert '"coverage":95.0' in page
    set_up(**made, COVERAGE=0.93, PATH_TO_MODEL=str(tmp_path / "sets.keras"))
    with pytest.raises(ValueError, match="COVERAGE must be one of"):
        step.main()
    set_up(**made, REPLACE=True)  # a model without thresholds
    capsys.readouterr()
    step.main()
    assert "has no thresholds of prediction sets" in capsys.readouterr().out
    assert reading.read_info("label_probability.tif").band_names[-2:] == ("entropy", "margin")


def test_the_map_of_another_model_is_not_replaced_unasked(set_up, place, tmp_path, capsys):
    set_up()
    step.main()
    first = Path("maps/scene_label.tif").read_bytes()
    step.main()  # the same model again
    other = tmp_path / "runs" / "other" / "model.keras"
    other.parent.mkdir(parents=True)
    shutil.copy(place / "model.keras", other)
    set_up(PATH_TO_MODEL=str(other))
    with pytest.raises(ValueError, match=r"is the map of another model .* --replace") as error:
        step.main()
    assert "--path-to-label-image maps/scene_other_label.tif" in str(error.value)
    assert Path("maps/scene_label.tif").read_bytes() == first
    set_up(PATH_TO_MODEL=str(other), PATH_TO_LABEL_IMAGE="maps/{product}_{run}_label.tif")
    step.main()
    assert Path("maps/scene_other_label.tif").is_file()
    set_up(PATH_TO_MODEL=str(other), PATH_TO_LABEL_IMAGE="maps/{product}_label.tif", REPLACE=True)
    step.main()
    assert json.loads(Path("maps/scene_settings.json").read_text())["model"] == "other"


def test_another_label_image_leaves_the_probabilities_of_other_maps_alone(set_up):
    set_up(STRIDE=32)
    step.main()
    before = all_bytes(Path("maps"))
    set_up(STRIDE=64, PATH_TO_LABEL_IMAGE="maps/second.tif")
    step.main()
    after = all_bytes(Path("maps"))
    assert {name: after[name] for name in before} == before
    assert {"second.tif", "second_probability.tif"} <= after.keys() - before.keys()
    kept = json.loads(after["second_settings.json"])["settings"]
    assert (kept["PATH_TO_LABEL_IMAGE"], kept["PATH_TO_PROB_IMAGE"]) == ("maps/second.tif", None)


def test_files_of_an_earlier_map_are_mentioned(set_up, capsys):
    set_up(STRIDE=32, POLYGONS=True, QUICKLOOK=True)
    step.main()
    assert "earlier map" not in capsys.readouterr().out
    before = all_bytes(Path("maps"))
    set_up(STRIDE=64, POLYGONS=False, QUICKLOOK=False)
    step.main()
    said = capsys.readouterr().out
    assert "  maps/scene.gpkg is of an earlier map, not of this one: set POLYGONS = True" in said
    assert "  maps/scene.png is of an earlier map, not of this one: set QUICKLOOK = True" in said
    assert said.count("earlier map") == 2
    after = all_bytes(Path("maps"))
    assert after["scene.gpkg"] == before["scene.gpkg"] and after["scene.png"] == before["scene.png"]


def test_polygons_limit_the_map(set_up):
    corners = [[600320, 4849760], [600960, 4849760], [600320, 4849120], [600320, 4849760]]
    Path("area.geojson").write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}},
                "features": [
                    {
                        "type": "Feature",
                        "properties": {},
                        "geometry": {"type": "Polygon", "coordinates": [corners]},
                    }
                ],
            }
        )
    )
    set_up(BOUNDS="area.geojson")
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    assert labels.shape == (8, 8) and info.geotransform[0] == 600320.0
    inside = np.arange(8)[:, np.newaxis] + np.arange(8) < 7  # centres clearly above the diagonal
    whole = expected_labels(made_pixels(), 8)[3:11, 4:12]
    assert np.array_equal(labels[inside], whole[inside])
    assert (labels[np.arange(8)[:, np.newaxis] + np.arange(8) > 7] == 255).all()


def test_stride_1_and_8_agree_on_the_ground(set_up):
    set_up(BOUNDS=(600400.0, 4849300.0, 600900.0, 4849700.0))
    step.main()
    coarse, coarse_info = reading.read_raster("maps/scene_label.tif")
    set_up(BOUNDS=(600400.0, 4849300.0, 600900.0, 4849700.0), STRIDE=1)
    step.main()
    fine, fine_info = reading.read_raster("maps/scene_label.tif")
    assert fine.shape == (40, 50)
    compared = 0
    for i, j in np.ndindex(coarse.shape):
        east = coarse_info.geotransform[0] + (j + 0.5) * 80 + 0.1
        north = coarse_info.geotransform[3] - (i + 0.5) * 80 - 0.1
        row = int((fine_info.geotransform[3] - north) // 10)
        column = int((east - fine_info.geotransform[0]) // 10)
        if 0 <= row < 40 and 0 <= column < 50:
            assert coarse[i, j] == fine[row, column]
            compared += 1
    assert compared >= 25


def test_dense_maps_and_their_metadata(set_up, place):
    set_up(PATH_TO_MODEL=str(place / "dense.keras"))
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    # This network sees no neighbours, so that both ways agree wherever all of a window is pixels.
    assert np.array_equal(labels, expected_labels(made_pixels(), 8))
    assert info.metadata["METHOD"] == "dense"


def test_a_network_without_a_dense_form_goes_window_by_window(set_up, place, capsys):
    set_up(PATH_TO_MODEL=str(place / "not_dense.keras"))
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    assert np.array_equal(labels, expected_labels(made_pixels(), 8))
    assert info.metadata["METHOD"] == "windows"
    lines = capsys.readouterr().out.splitlines()
    (said,) = [line for line in lines if "window by window, not dense" in line]
    assert "its layer 'no_larger' (UpSampling2D) has no counterpart" in said
    assert any("method 'windows'" in line for line in lines)


def test_an_engine_that_cannot_compute_it_is_said_once_and_shortly(
    set_up, place, monkeypatch, capsys
):
    makes = classification._predict

    def predict(model, shape, engine, precision, dense_stride):
        if engine == "openvino" and dense_stride is None:
            raise RuntimeError(FROM_OPENVINO)
        return makes(model, shape, "keras", precision, dense_stride)

    set_up(PATH_TO_MODEL=str(place / "not_dense.keras"))
    monkeypatch.setattr(classification, "_predict", predict)
    monkeypatch.setattr(engines, "choose", lambda *_: ("openvino", "it is fast"))
    step.main()
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "window by window, not dense" in line]) == 1
    (said,) = [line for line in lines if line.startswith("engine: ")]
    assert said == (
        "engine: keras (OpenVINO cannot compute this network: Model wasn't fully converted. "
        "Summary: -- No conversion rule found for operations: Betainc)"
    )


FROM_OPENVINO = """Exception from src/inference/src/cpp/core.cpp:84:
Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted.
Summary:
-- No conversion rule found for operations: Betainc
To facilitate the conversion of unsupported operations, refer to Frontend Extension documentation: \
https://docs.openvino.ai/latest/openvino_docs_Extensibility_UG_Frontend_Extensions.html
"""


def test_the_reason_of_an_engine_ends_after_a_word():
    told = engines.reason_of(RuntimeError("no kernel " * 40))
    assert len(told) <= 200 and told.endswith(("no ...", "kernel ..."))
    assert engines.reason_of(RuntimeError("Exception from a/b.cpp:1:\n")) == "RuntimeError"


def test_a_dense_map_of_a_network_without_a_dense_form_is_refused(set_up, place, capsys):
    set_up(PATH_TO_MODEL=str(place / "not_dense.keras"), METHOD="dense")
    with pytest.raises(ValueError, match=r"METHOD = 'dense' is not possible: .*'no_larger'"):
        step.main()
    assert "estimated time" not in capsys.readouterr().out
    assert not list(Path("maps").glob("*.partial"))


def test_a_scene_in_degrees_gets_the_hectares_of_the_ground(set_up, capsys):
    place = (11.0, 1e-4, 0.0, 43.0, 0.0, -1e-4)
    names = list(BANDS_MS)
    writing.write_geotiff("degrees.tif", made_pixels(), place, "EPSG:4326", band_names=names)
    set_up(PATH_TO_IMAGE="degrees.tif", HTML=True, POLYGONS=True, STRIDE=32)
    step.main()
    assert "areas are measured on the ground" in capsys.readouterr().out
    table = Path("maps/degrees_areas.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].split(",")[2] == "hectares (measured at the centre)"
    # at 43 degrees north 0.0001 degrees are 8.15 m east and 11.11 m north
    hectares = [float(row.split(",")[2]) for row in table[1:]]
    # To one digit for each class, because the model tells no accuracy; exact in the polygons below
    assert sum(hectares) == pytest.approx(136 * 150 * 8.15 * 11.11 / 10_000, rel=0.1)
    assert sum(float(row.split(",")[3]) for row in table[1:4]) == pytest.approx(100, abs=0.02)
    assert '"metric":false' in Path("maps/degrees.html").read_text(encoding="utf-8")
    # cells of the polygons reach past the scene, which cells of the table do not
    cell = 32**2 * 8.15 * 11.11 / 10_000
    found = hectares_of_polygons("maps/degrees.gpkg")
    assert all(area / cell == pytest.approx(round(area / cell), rel=2e-3) for area in found)


def test_a_scene_of_nowhere_gets_no_hectares(set_up, capsys):
    names = list(BANDS_MS)
    writing.write_geotiff("nowhere.tif", made_pixels(), GEOTRANSFORM, "", band_names=names)
    set_up(PATH_TO_IMAGE="nowhere.tif", HTML=True, STRIDE=32)
    step.main()
    assert "no georeference" in capsys.readouterr().out
    table = Path("maps/nowhere_areas.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[2] for row in table[1:]] == [""] * 4
    assert '"unit":null' in Path("maps/nowhere.html").read_text(encoding="utf-8")


def hectares_of_polygons(path):
    script = (
        f"from osgeo import ogr; ogr.UseExceptions(); d = ogr.Open({path!r});"
        "print(*[f.GetField('hectares') for f in d[0]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return [float(value) for value in done.stdout.split()]


def test_openvino_gives_the_same_labels(set_up):
    pytest.importorskip("openvino")
    precision = "bfloat16"
    set_up(ENGINE="openvino", PRECISION=precision, STRIDE=16)
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    assert (labels == expected_labels(made_pixels(), 16)).mean() > 0.97
    assert info.metadata["ENGINE"] == "openvino" and info.metadata["PRECISION"] == precision


def test_onnxruntime_gives_the_same_labels(set_up):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    set_up(ENGINE="onnx", STRIDE=16)
    step.main()
    labels, info = reading.read_raster("maps/scene_label.tif")
    np.testing.assert_array_equal(labels, expected_labels(made_pixels(), 16))
    assert info.metadata["ENGINE"] == "onnx" and info.metadata["PRECISION"] == "float32"
    assert "onnxruntime" in info.metadata["VERSIONS"]


def test_the_engine_is_chosen_and_said(set_up, monkeypatch, capsys):
    pytest.importorskip("openvino")
    monkeypatch.delenv("LANDUSE_ENGINE")
    set_up(ENGINE="auto", STRIDE=16)
    step.main()
    assert "engine: openvino (the fastest on processors)" in capsys.readouterr().out
    labels, info = reading.read_raster("maps/scene_label.tif")
    np.testing.assert_array_equal(labels, expected_labels(made_pixels(), 16))
    assert info.metadata["ENGINE"] == "openvino"
    told = json.loads(Path("maps/scene_settings.json").read_text())
    assert told["engine_chosen"] == "the fastest on processors"
    assert "ENGINE_CHOSEN" not in info.metadata


def test_openvino_missing(set_up, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    set_up(ENGINE="openvino")
    with pytest.raises(ValueError, match="pip install openvino"):
        step.main()


def test_openvino_takes_models_of_tensorflow_only(set_up, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "is there")
    monkeypatch.setattr(devices, "backend", lambda: "jax")
    set_up(ENGINE="openvino")
    with pytest.raises(ValueError, match="from TensorFlow, not from jax: set KERAS_BACKEND=tens"):
        step.main()


def test_one_scene_that_fails_does_not_stop_the_others(set_up, place, tmp_path, capsys):
    write_scene(tmp_path / "second.tif", made_pixels()[:100, 40:])
    write_scene(tmp_path / "small.tif", made_pixels()[:50])
    write_scene(tmp_path / "empty.tif", np.zeros((80, 80, 13), np.uint16))
    images = [place / "scene.tif", "small.tif", "empty.tif", "second.tif"]
    set_up(PATH_TO_IMAGE=[str(image) for image in images])
    with pytest.raises(ValueError, match="2 of 4 scenes"):
        step.main()
    lines = capsys.readouterr().out.splitlines()
    assert f"map of {place / 'scene.tif'}: maps/scene_label.tif" in lines
    assert lines[-2:] == [
        "map of second.tif: maps/second_label.tif",
        "  probability: maps/second_probability.tif",
    ]
    assert any(line.startswith("map of small.tif: none, ") for line in lines)
    assert any(line.startswith("map of empty.tif: none, ") and "nodata" in line for line in lines)
    assert {path.name for path in Path("maps").glob("*.tif")} == {
        f"{name}_{kind}.tif" for name in ("scene", "second") for kind in ("label", "probability")
    }
    assert not list(Path("maps").glob("*.partial"))


def test_two_scenes_of_one_name_do_not_share_a_map(set_up, place, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    write_scene(tmp_path / "other" / "scene.tif", made_pixels()[:80])
    set_up(PATH_TO_IMAGE=[str(place / "scene.tif"), "other/scene.tif"], STRIDE=32)
    with pytest.raises(ValueError, match="1 of 2 scenes"):
        step.main()
    said = capsys.readouterr().out
    assert "other/scene.tif would both be written to maps/scene_label.tif: map them in" in said
    labels, _ = reading.read_raster("maps/scene_label.tif")
    assert np.array_equal(labels, expected_labels(made_pixels(), 32))


def test_several_scenes_need_product_in_given_paths(set_up, place, tmp_path):
    set_up(
        PATH_TO_IMAGE=[str(place / "scene.tif"), str(place)],
        PATH_TO_LABEL_IMAGE=str(tmp_path / "label.tif"),
    )
    with pytest.raises(ValueError, match=r"must contain \{product\} for several scenes"):
        step.main()
    assert not (tmp_path / "label.tif").exists()


@pytest.mark.parametrize("probability", ["a.tif", "a.tiff"])
def test_labels_and_probabilities_are_two_files(set_up, probability):
    set_up(PATH_TO_LABEL_IMAGE="a.tif", PATH_TO_PROB_IMAGE=probability)
    with pytest.raises(ValueError, match="cannot both be written to"):
        step.main()


def test_a_model_of_the_built_in_sample_is_for_the_scene_of_the_sample(
    set_up, place, tmp_path, capsys
):
    model_files.save(
        brightness_model(), record_of(made_pixels()) | {"built_in_sample": True}, "sample.keras"
    )
    shutil.copy(place / "scene.tif", "scene.tif")
    set_up(PATH_TO_IMAGE="scene.tif", PATH_TO_MODEL="sample.keras", STRIDE=32)
    step.main()
    assert "warning: the model has learned from the built-in sample" in capsys.readouterr().out
    set_up(PATH_TO_IMAGE="scene.tif", PATH_TO_MODEL="sample.keras", STRIDE=32, STRICT=True)
    with pytest.raises(ValueError, match=r"scene \(STRICT\): the model has learned from the built"):
        step.main()
    Path("sample.json").write_text("{}")
    step.main()
    assert "warning" not in capsys.readouterr().out


def test_scene_of_other_bands(set_up, tmp_path):
    writing.write_geotiff(
        tmp_path / "four.tif",
        made_pixels()[..., :4],
        GEOTRANSFORM,
        "EPSG:32632",
        nodata=0,
        band_names=["B02", "B03", "B04", "B08"],
    )
    set_up(PATH_TO_IMAGE=str(tmp_path / "four.tif"))
    with pytest.raises(ValueError, match="B01"):
        step.main()


# ------------------------------------------------------------------------------------ patches


def test_patches_are_named_with_their_probabilities(set_up, tmp_path, capsys):
    for name, level in (("dark", 500), ("bright", 2600)):
        write_scene(tmp_path / f"{name}.tif", np.full((64, 64, 13), level, np.uint16))
    set_up(PATH_TO_IMAGE=["dark.tif", "bright.tif"])
    step.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "dark.tif" and lines[1].endswith("%  Dark")
    assert lines[4] == "bright.tif" and lines[5].endswith("%  Bright")
    shares = [float(line.split()[0]) for line in lines[1:4]]
    assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 0.2
    assert not (tmp_path / "maps").exists()
    set_up(PATH_TO_IMAGE=["dark.tif"], ABSENT_CLASSES=["Dark"])
    step.main()
    assert "    0.0 %  Dark" in capsys.readouterr().out.splitlines()[3]


def test_patches_and_scenes_are_not_mixed(set_up, place, tmp_path):
    write_scene(tmp_path / "patch.tif", np.full((64, 64, 13), 500, np.uint16))
    set_up(PATH_TO_IMAGE=["patch.tif", str(place / "scene.tif")])
    with pytest.raises(ValueError, match="mixes patches and scenes"):
        step.main()


def test_patch_of_other_bands(set_up, tmp_path):
    writing.write_geotiff(
        tmp_path / "rgb.tif", np.full((64, 64, 3), 90, np.uint8), GEOTRANSFORM, "EPSG:32632"
    )
    set_up(PATH_TO_IMAGE="rgb.tif")
    with pytest.raises(ValueError, match="3 bands of uint8, but the model needs B01"):
        step.main()
