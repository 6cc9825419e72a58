"""Band statistics of the training part of a split, which the models are normalised by.

Reads the training patches (<split>/train/<Class>/), prints for each band its mean, standard
deviation, smallest and largest value, pooled over all pixels, and writes them, with percentiles,
to <split>/statistics.json, where the training scripts find them. Without that file, or when the
patches have changed since, they measure the training patches themselves, each time anew.

Run:
    python statistics.py
    python statistics.py --path-to-split-datasets data/split_RGB
"""

if __name__ == "statistics":
    # Python finds this file where a library wants the standard library's module of that name
    # (seaborn does), so it hands that one out.
    import importlib.machinery
    import importlib.util
    import sys
    import sysconfig

    _spec = importlib.machinery.PathFinder.find_spec(__name__, [sysconfig.get_path("stdlib")])
    sys.modules[__name__] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[__name__])

# What to read
PATH_TO_SPLIT_DATASETS = "data/sample/split_MS"  # folder made by script 01
SKIP_BAD_PATCHES = False  # True: go on without damaged patches, naming them


def main() -> None:
    """Compute the statistics, print and write them."""
    from pathlib import Path

    import image_functions
    from landuse.patches import band_statistics, split_folders

    path = Path(PATH_TO_SPLIT_DATASETS) / "statistics.json"
    patches, _, _, paths = split_folders.load_part(
        PATH_TO_SPLIT_DATASETS, "train", skip_bad=SKIP_BAD_PATCHES
    )
    band_names = split_folders.bands_of_part(PATH_TO_SPLIT_DATASETS, "train")
    values = image_functions.pooled_statistics(patches, band_names)
    print_table(values)
    band_statistics.write_statistics(path, values, paths)
    print(f"statistics of {len(paths):,} patches: {path}")


def print_table(values: dict) -> None:
    """Print the statistics of each band."""
    print(f"{'band':8}{'mean':>12}{'std':>12}{'min':>8}{'max':>8}   ({values['units']})")
    columns = (values[name] for name in ("band_names", "mean", "std", "min", "max"))
    for band, mean, std, lowest, highest in zip(*columns, strict=True):
        print(f"{band:8}{mean:12.2f}{std:12.2f}{lowest:8}{highest:8}")


if __name__ == "__main__":
    from landuse import command_line

    command_line.run(main, globals())
