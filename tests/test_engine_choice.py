"""Which engine maps, why it is that one, and how a map that was begun goes on."""

import pytest

from landuse import devices, optional_packages
from landuse.mapping import checks, saved_blocks
from landuse.networks import engines

LAYOUT = {"labels": ((4, 4), "uint8", 255)}


@pytest.fixture(autouse=True)
def a_processor_with_everything(monkeypatch):
    monkeypatch.delenv(engines.VARIABLE)
    monkeypatch.setattr(devices, "backend", lambda: "tensorflow")
    monkeypatch.setattr(devices, "may_have_gpu", lambda: False)
    monkeypatch.setattr(optional_packages, "are_installed", lambda packages: True)


def test_openvino_where_it_is_installed():
    assert engines.choose("auto") == ("openvino", "the fastest on processors")


def test_an_engine_that_is_named_is_taken():
    assert engines.choose("onnx", begun="keras")[0] == "onnx"
    with pytest.raises(ValueError, match="ENGINE = 'fast': expected 'auto', 'keras'"):
        engines.choose("fast")


def test_without_openvino_it_is_keras(monkeypatch):
    monkeypatch.setattr(optional_packages, "are_installed", lambda packages: not packages)
    engine, reason = engines.choose("auto")
    assert engine == "keras"
    assert "pip install openvino" in reason
    assert engines.choose("auto", begun="openvino")[0] == "keras"


def test_on_jax_or_a_gpu_it_is_keras(monkeypatch):
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    assert engines.choose("auto") == ("keras", "there is a GPU")
    monkeypatch.setattr(devices, "backend", lambda: "jax")
    assert engines.choose("auto") == ("keras", "Keras runs on jax")
    assert engines.choose("auto", begun="openvino")[0] == "keras"


def test_a_map_goes_on_by_the_engine_that_began_it():
    assert engines.choose("auto", begun="keras") == (
        "keras",
        "the part of the map that is there was made by it",
    )
    assert engines.choose("auto", begun="openvino") == engines.choose("auto")
    assert engines.choose("auto", begun="unheard of") == engines.choose("auto")


def test_the_environment_can_choose(monkeypatch):
    monkeypatch.setenv(engines.VARIABLE, "onnx")
    assert engines.choose("auto") == ("onnx", "LANDUSE_ENGINE is onnx")
    monkeypatch.setenv(engines.VARIABLE, "fast")
    with pytest.raises(ValueError, match="LANDUSE_ENGINE"):
        checks.check_computing("auto", "auto", "auto", 64, None)


def test_unfinished_maps_tell_their_engine(tmp_path):
    folder = tmp_path / "map.partial"
    assert saved_blocks.engine_of(folder) is None
    saved_blocks.SavedBlocks(folder, "key", LAYOUT, "openvino")
    assert saved_blocks.engine_of(folder) == "openvino"
    assert saved_blocks.SavedBlocks(folder, "key", LAYOUT, "openvino").goes_on
    assert not saved_blocks.SavedBlocks(folder, "other key", LAYOUT, "openvino").goes_on


def test_unfinished_maps_of_before_go_on(tmp_path):
    folder = tmp_path / "map.partial"
    saved_blocks.SavedBlocks(folder, "key", LAYOUT)  # as they were, without the engine
    assert saved_blocks.engine_of(folder) == "keras"
    assert saved_blocks.SavedBlocks(folder, "key", LAYOUT, "keras").goes_on
