"""Shared fixtures, and the rule that tests of real data skip where it is missing."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import pytest

# How long an example takes says more about the machine than about the code. `make test` tries the
# same examples each time, so that a change is judged by itself; `make test-all` looks for new ones.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_EXAMPLES", "same"))

# What is made of models is not kept in the cache of whoever runs the tests.
_CACHE = tempfile.TemporaryDirectory(prefix="landuse_cache_")
os.environ["LANDUSE_CACHE"] = _CACHE.name
# Tests compare bytes and numbers: those of one engine, whatever else is installed.
os.environ["LANDUSE_ENGINE"] = "keras"

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared"


def pytest_collection_modifyitems(config, items):
    if (SHARED_DATA / "eurosat").is_dir():
        return
    skip = pytest.mark.skip(reason=f"the real data is not there: {SHARED_DATA}")
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(skip)


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def shared_data() -> Path:
    return SHARED_DATA
