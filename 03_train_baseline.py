"""Script 03, baseline: train a linear classifier on fixed measurements, in seconds.

It tells what a network has to beat, and with few patches of one's own (10 to 100 of each class)
it is the right first model. What is measured in each band is fixed (means, spreads, edges at
three scales, ratios of bands such as the vegetation index; see landuse/networks/measurements.py);
how the classes differ in it is learned by linear discriminant analysis or logistic regression,
whichever predicts left-out training images better.

Reads    the split that script 01 made: train/ and validation/, one folder per class
Writes   a run folder with model.keras, which scripts 06, 07 and 12 take like that of a network,
         and settings.json; report.md, report.json and pictures: how well it does on the test
         part, or without one on the validation part
Run      python 03_train_baseline.py
Takes    50 s with 143 patches of 13 bands on two busy cores (24 s of processor time)
Reaches  with them 87.7 % of the 73 others (random split)
"""

from landuse import command_line
from landuse.patches import split_folders

# Paths
PATH_TO_SPLIT_DATASETS = "data/sample/split_MS"  # made by script 01
PATH_TO_RUN = "runs/03_train_baseline"  # what is written goes there

# Measurements
BANDS: str | list[str] | None = None  # RGB, SWIR, CI, ALL, L2A, or band names; None: all there are

# Rarely changed
BATCH_SIZE = 64  # images measured at once
SKIP_BAD_PATCHES = False  # leave damaged images out instead of stopping
SEED = 0  # of the cross-validation that chooses the classifier


def main() -> None:
    """Measure the patches, fit the classifier, and save both as one model."""
    split_folders.check_split(PATH_TO_SPLIT_DATASETS)
    from landuse.evaluation import reports
    from landuse.networks import catalogue
    from landuse.training import runs, training_data, yardsticks

    settings = command_line.constants(globals())
    name = catalogue.BASELINE
    with runs.start(PATH_TO_RUN, name, settings, seed=SEED, precision="float32") as run:
        if run.is_finished():
            return
        bands = BANDS or split_folders.bands_of_part(PATH_TO_SPLIT_DATASETS, "train")
        data = training_data.read_data(PATH_TO_SPLIT_DATASETS, bands, 1, SKIP_BAD_PATCHES)
        run.describe(data, name)

        # 1. What is measured in each training image, and how the classes differ in it
        model, classifier = yardsticks.train(data, SEED)
        print(f"{model.layers[-2].output.shape[-1]} measurements, {classifier.name}")

        # 2. Measurements and classifier as one model, and how right it is
        run.keep(model, yardsticks.record_of(run.record, classifier), data, BATCH_SIZE)
        run.finish(data, BATCH_SIZE, reports.write_report)


if __name__ == "__main__":
    command_line.run(main, globals())
