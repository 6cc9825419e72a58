"""The page on a model: one file that says what the model is, and where that was measured."""

import re

import numpy as np
import pytest

from landuse.evaluation import model_pages, reports

CLASSES = ["Dark & <deep>", "Light"]
RECORD = {
    "class_names": CLASSES,
    "band_names": ["B04", "B03", "B02"],
    "units": "rgb8",
    "patch_size": 64,
    "network": "Tiny",
    "weights": None,
    "dense": False,
    "processing_level": "L1C",
    "settings": {"PATH_TO_SPLIT_DATASETS": "data/sample/split_RGB", "EPOCHS": 3},
    "versions": {"keras": "3.15"},
    "results": {},
}


LABELS = np.array([0] * 6 + [1] * 3)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Report on a model that takes two of six dark patches for light ones."""
    dark = np.array([0.9, 0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 0.2, 0.2])
    folder = tmp_path_factory.mktemp("report")
    return reports.write_report(folder, np.stack([dark, 1 - dark], 1), LABELS, CLASSES, part="test")


@pytest.fixture
def write(tmp_path, report):
    patches = np.random.default_rng(0).integers(1, 255, (9, 64, 64, 3)).astype(np.uint8)

    def run(**changes):
        path = tmp_path / "model.html"
        record = {**RECORD, **changes}
        model_pages.write_model_page(path, record, report, patches, LABELS, "split_RGB/test")
        return path.read_text(encoding="utf-8")

    return run


def test_page_says_what_was_measured_and_where(write):
    page = write()
    assert "Measured on the 9 images of split_RGB/test (test part)" in page
    assert "77.8 %" in page  # 7 of 9
    assert "Most often it takes Dark &amp; &lt;deep&gt; for Light (2)." in page
    assert "On average it is 84.4 % sure of its class, and right in 77.8 %." in page


def test_page_shows_examples_of_each_class_and_both_figures(write):
    page = write()
    assert page.count("data:image/jpeg") == model_pages.EXAMPLES + 3  # of six patches, of three
    assert page.count("data:image/png") == 2


def test_page_loads_nothing_and_takes_names_as_text(write):
    page = write()
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    assert "<deep>" not in page
    assert "{{" not in page


def test_card_leaves_out_what_is_not_known():
    told = model_pages.card({**RECORD, "versions": {}, "processing_level": None})
    assert told["Began with"] == "weights at random"
    assert told["Settings"] == "PATH_TO_SPLIT_DATASETS = 'data/sample/split_RGB', EPOCHS = 3"
    assert "Made with" not in told
    assert "Product level" not in told


def test_model_of_the_built_in_sample_is_marked(write):
    assert 'class="warning"' not in write()
    assert "says nothing about real land" in write(built_in_sample=True)


def test_model_that_may_be_guessing_is_marked(write):
    results = {"accuracy": {"value": 0.4, "low": 0.3, "high": 0.5}, "most_frequent_class": 0.45}
    assert "this model may be guessing" in write(results=results)
