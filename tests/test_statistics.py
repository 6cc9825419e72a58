import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from landuse.patches import band_statistics, split_folders


@pytest.fixture
def split(tmp_path):
    for part, offset in (("train", 0), ("validation", 500)):
        for position, name in enumerate(("Forest", "River")):
            path = tmp_path / part / name / f"{name}_1.tif"
            path.parent.mkdir(parents=True)
            pixels = np.full((64, 64, 13), 1000 + 200 * position + offset, np.uint16)
            tifffile.imwrite(path, pixels, planarconfig="contig", photometric="minisblack")
    return tmp_path


def run(repository, *words):
    command = [sys.executable, "statistics.py", *map(str, words)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=100)


def test_it_prints_the_table_and_writes_the_file(repository, split):
    result = run(repository, "--path-to-split-datasets", split)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["B01", "1100.00", "100.00", "1000", "1200"]
    assert lines[-1] == f"statistics of 2 patches: {split / 'statistics.json'}"
    values = json.loads((split / "statistics.json").read_text())
    assert values["band_names"][-1] == "B8A"
    assert values["mean"] == [1100.0] * 13
    assert values["std"] == [100.0] * 13
    assert values["units"] == "DN"
    assert values["percentiles"]["99.9"] == [1200.0] * 13


def test_other_pixels_are_measured_anew(repository, split, capsys):
    def used():
        patches, _, _, images = split_folders.load_part(split, "train")
        names = split_folders.bands_of_part(split, "train")
        found = band_statistics.training_statistics(str(split), patches, names, images)
        assert set(found) == set(band_statistics.pooled_statistics(patches, names))
        return found["mean"][0], capsys.readouterr().out.rstrip().rpartition("\n")[2]

    file = split / "statistics.json"
    assert run(repository, "--path-to-split-datasets", split).returncode == 0
    assert used() == (1100.0, f"statistics of the training images: {file}")
    for path in split.glob("train/*/*.tif"):
        pixels = tifffile.imread(path) - 1000
        tifffile.imwrite(path, pixels, planarconfig="contig", photometric="minisblack")
    mean, said = used()
    assert mean == 100.0
    assert "they have changed since it was written; statistics.py writes it anew" in said
    older = json.loads(file.read_text())
    assert older.pop("images")
    file.write_text(json.dumps(older))  # as older versions wrote it
    assert used()[0] == 1100.0
    assert run(repository, "--path-to-split-datasets", split).returncode == 0
    assert used() == (100.0, f"statistics of the training images: {file}")


def test_bad_input_is_refused(repository, split):
    result = run(repository, "--path-to-split-datasets", split / "nothing")
    assert result.returncode == 2
    assert "script 01 first" in result.stderr
    (split / "train" / "River" / "River_2.tif").write_bytes(b"II*\0")
    result = run(repository, "--path-to-split-datasets", split)
    assert result.returncode == 2
    assert "River_2.tif: cannot be read" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (split / "statistics.json").exists()
    result = run(repository, "--path-to-split-datasets", split, "--skip-bad-patches")
    assert result.returncode == 0, result.stderr
    assert "1 of 3 patches are skipped" in result.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import statistics; assert statistics.median([1, 2, 3]) == 2",
        "from statistics import mean; assert mean([1, 3]) == 2",
        "import importlib; assert importlib.import_module('statistics').fmean([1, 3]) == 2",
        "import statistics, pickle; pickle.dumps(statistics.NormalDist(0, 1))",
        "import statistics, sys; assert 'numpy' not in sys.modules; "
        "assert not hasattr(statistics, 'PATH_TO_SPLIT_DATASETS')",
    ],
)
def test_importing_statistics_gives_the_standard_library(repository, code):
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=repository, check=True)


def test_help_is_quick_and_says_the_flags(repository):
    result = run(repository, "--help")
    assert result.returncode == 0
    assert "--skip-bad-patches" in result.stdout
