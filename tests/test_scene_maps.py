"""The parts of a map that are more than its classes: names, small print, what it depends on."""

import os
from pathlib import Path

import numpy as np
import pytest
from make_products import make_safe, write_image

from image_functions import BANDS_RGB
from landuse.evaluation import trust
from landuse.mapping import classification, plans
from landuse.scenes import opening


@pytest.mark.parametrize(
    ("label", "probability"),
    [
        ("maps/{product}_label.tif", "maps/{product}_probability.tif"),
        ("/far/a_label.TIFF", "/far/a_probability.TIFF"),
        ("x.tif", "x_probability.tif"),
        ("label.tif", "label_probability.tif"),
        ("maps_label/{product}.v2.tif", "maps_label/{product}.v2_probability.tif"),
    ],
)
def test_probabilities_go_beside_the_labels(label, probability):
    assert plans.probability_template(label, None) == probability
    assert plans.probability_template(label, "other.tif") == "other.tif"


def test_a_model_that_guesses_is_told():
    results = {"accuracy": {"value": 0.7, "low": 0.6}, "most_frequent_class": 0.65}
    (warning,) = trust.of_model({"results": results}, "model.keras").warnings
    assert "may be guessing: it is right in 70.0 %" in warning
    assert "would be in 65.0 %" in warning


def test_a_model_of_the_sample_is_for_the_scene_of_the_sample():
    (warning,) = plans.check_sample({"built_in_sample": True}, Path("scene.tif"))
    assert "says nothing about real land" in warning
    assert plans.check_sample({"built_in_sample": False}, Path("scene.tif")) == []


FACTS = {"model": "model.keras", "network": "VGG16", "stride": 8, "method": "windows"}
MADE = "Model model.keras (VGG16), stride 8 px, window by window."


@pytest.mark.parametrize(
    ("level", "time", "text"),
    [
        ("L1C", "2018-02-11T10:21:41Z", f"{MADE} Contains modified Copernicus Sentinel data 2018."),
        (None, None, MADE),
        (None, "2018-02-11T10:21:41Z", MADE),
    ],
)
def test_caption(level, time, text):
    assert classification.caption(level, time, FACTS) == text


def test_caption_of_a_dense_map():
    said = classification.caption(None, None, {**FACTS, "method": "dense"})
    assert said.endswith("stride 8 px, dense.")


@pytest.mark.parametrize("given", ["MTD_MSIL1C.xml", "."])
def test_a_changed_band_makes_another_scene(tmp_path, given):
    root = make_safe(tmp_path, size=96)

    def state():
        with opening.open_scene(root / given, BANDS_RGB) as scene:
            return classification.state_of(scene.files())

    first = state()
    assert len(first) == 3 and state() == first
    (root / "notes.txt").write_text("what is not read does not matter")
    assert state() == first
    band = next(root.rglob("*_B03.jp2"))
    stamp = band.stat()
    write_image(band, np.full((96, 96), 1500, np.uint16), 10, "JP2OpenJPEG")
    os.utime(band, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert state() != first
