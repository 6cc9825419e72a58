r"""What a geographic split costs against a random one, in all and per class, from two reports.

Neighbouring patches share fields, haze and light. A random split puts some of them in the training
part and some in the validation part, so that its accuracy flatters. Here two runs of a training
step with the same settings, on as many images, are compared.

Make the two splits and runs of equal size first (EuroSAT_RGB; the lists are the published ones):
    python 01_split_data_to_train_and_validation.py --path-to-all-images data/EuroSAT_RGB \
        --path-to-split-datasets data/split_random --fraction-validation 0.2 --fraction-test 0.2
    python 01_split_data_to_train_and_validation.py --path-to-all-images data/EuroSAT_RGB \
        --path-to-split-datasets data/split_geographic --split geographic \
        --path-to-split-lists data/lists
    python 03_train_rgb_from_scratch.py --path-to-split-datasets data/split_random \
        --path-to-run runs/random
    python 03_train_rgb_from_scratch.py --path-to-split-datasets data/split_geographic \
        --path-to-run runs/geographic
Run:
    python benchmarks/geographic_split.py
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from landuse import command_line, files

PATH_TO_RANDOM_REPORT = "runs/random/report.json"  # report of the run on the random split
PATH_TO_GEOGRAPHIC_REPORT = "runs/geographic/report.json"  # of that on the geographic one


def main() -> None:
    """Print what is lost, as a table."""
    random = files.read_json(PATH_TO_RANDOM_REPORT)
    geographic = files.read_json(PATH_TO_GEOGRAPHIC_REPORT)
    print(
        f"{random['title']}, {random['images']:,} of the {random['part']} part; "
        f"{geographic['title']}, {geographic['images']:,} of the {geographic['part']} part"
    )
    print("| | random | geographic | lost, points |\n|---|---:|---:|---:|")
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        print(row(name.replace("_", " "), random[name], geographic[name]))
    for name, figures in random["per_class"].items():
        print(row(f"{name}, F1", figures["f1"], geographic["per_class"][name]["f1"]))


def row(name: str, before: dict, after: dict) -> str:
    """Give a row: both figures in percent, with the 95 % interval, and their difference."""
    cells = [
        f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"
        for figure in (before, after)
    ]
    lost = 100 * (before["value"] - after["value"])
    return f"| {name} | {cells[0]} | {cells[1]} | {lost:+.1f} |"


if __name__ == "__main__":
    command_line.run(main, globals())
