r"""What script 09 finds in pairs of made scenes, of which the change is known.

Each seed makes another landscape at two dates: the town has grown, a part of a forest was cleared,
the fields bear other crops. Script 09 maps both and compares them by its own command line. A cell
has changed when most of its own pixels have; what lies within a group of classes (GROUPS of script
09) is no change.

Run (two small maps for each landscape):
    python 00_get_data.py
    python 01_split_data_to_train_and_validation.py
    python 05_train_ms_from_scratch.py --network MobileNet --epochs 15 --schedule cosine \
        --weight-decay 0.02 --label-smoothing 0 --dropout 0.2
    python benchmarks/made_changes.py
"""

import importlib
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line, files, map_values
from landuse.changes import class_groups
from landuse.rasters import reading
from landuse.sample import sample_files, textures

# Paths
PATH_TO_MODEL = "runs/05_train_ms_from_scratch_MobileNet/model.keras"  # trained on the sample
PATH_TO_TRIALS = "made_changes"  # scenes, maps and changes go there, a folder for each seed

# Work
SEEDS = [42, 1, 2, 3, 4]  # of the landscapes; 42 is that of the sample
SCENE_SIZE = 640  # px, rows and columns
STRIDE = 8  # px from one cell of the maps to the next

_WINDOW = 64  # px
_LITTLE = 0.02  # share of a window; a cell with less change in its window is false beyond doubt


def main() -> None:
    """Make, map, compare and count, seed by seed."""
    measuring.print_header(
        *("seed", "changed, ha", "found", "missed", "false"),
        *("of these with under 2 % change in their window", "false, expected", "false, measured"),
        text=0,
    )
    for seed in SEEDS:
        folder = Path(PATH_TO_TRIALS) / f"seed_{seed}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        sample_files.write_sample(folder, 1, seed, SCENE_SIZE)
        compare(folder)
        facts = files.read_json(folder / "change.json")
        codes, _ = reading.read_raster(folder / "change.tif")
        expected = facts["expected_share_of_false_change"]
        measuring.print_row(seed, *row_of(*areas(codes, changed_pixels(folder), STRIDE), expected))


def compare(folder):
    """Run script 09 on the scenes of a folder."""
    paths = [
        *("--path-to-before", folder / "scene.tif", "--path-to-after", folder / "scene_later.tif"),
        *("--path-to-model", PATH_TO_MODEL, "--path-to-change", folder / "change.tif"),
        *("--path-to-label-image", folder / "{product}_label.tif", "--stride", STRIDE),
    ]
    script = Path(__file__).resolve().parent.parent / "09_compare_maps.py"
    done = subprocess.run(
        [sys.executable, str(script), *map(str, paths)], capture_output=True, text=True
    )
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))


def changed_pixels(folder):
    """Tell which pixels have another class at the second date, groups of script 09 counted as one.

    Returns
    -------
    ndarray of shape (rows, columns), bool
    """
    groups = importlib.import_module("09_compare_maps").GROUPS
    grouped = class_groups.parse_groups(groups, textures.CLASS_NAMES)
    before, after = (
        grouped.of_labels(reading.read_raster(folder / f"{name}_truth.tif")[0])
        for name in ("scene", "scene_later")
    )
    return before != after


def areas(codes, changed, stride):
    """Count what was found, missed and false, in hectares of pixels of 10 m.

    Parameters
    ----------
    codes : ndarray of shape (rows, columns), uint8
        Of script 09: 0 no change, 255 no data.
    changed : ndarray of shape (rows of the scene, columns of the scene), bool
    stride : int, px

    Returns
    -------
    changed, found, missed, false, false beyond doubt : float
    """
    counted = (codes > 0) & (codes != map_values.NODATA)
    rows, columns = codes.shape
    whole = changed[: rows * stride, : columns * stride].astype(float)
    true = whole.reshape(rows, stride, columns, stride).mean(axis=(1, 3)) > 0.5
    share = window_shares(changed, codes.shape, stride)
    false = counted & ~true
    kinds = (true, counted & true, true & ~counted, false, false & (share < _LITTLE))
    return tuple(float(kind.sum()) * (10 * stride) ** 2 / 10_000 for kind in kinds)


def window_shares(changed, shape, stride):
    """Give how much of the window of each cell has changed.

    Returns
    -------
    ndarray of `shape`
    """
    sums = np.pad(np.cumsum(np.cumsum(changed.astype(float), 0), 1), ((1, 0), (1, 0)))
    edges = []
    for cells, size in zip(shape, changed.shape, strict=True):
        middle = np.arange(cells) * stride + stride // 2
        edges.append([np.clip(middle + end, 0, size) for end in (-_WINDOW // 2, _WINDOW // 2)])
    (top, bottom), (left, right) = edges
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
    inside += sums[top][:, left]
    return inside / np.outer(bottom - top, right - left)


def row_of(changed, found, missed, false, beyond_doubt, expected):
    """Give the cells of the table."""
    counted = found + false
    shares = (expected, false / counted if counted else None)
    texts = ["-" if share is None else f"{100 * share:.0f} %" for share in shares]
    return [f"{area:.0f}" for area in (changed, found, missed, false, beyond_doubt)] + texts


if __name__ == "__main__":
    command_line.run(main, globals())
