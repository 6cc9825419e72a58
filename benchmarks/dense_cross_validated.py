r"""How right dense maps are after training on few 13-band patches, cross-validated.

Each fold is trained patch by patch, by one of the ways of transfer.py, and measured on the patches
left out; then it is trained on mosaics of the same patches for some epochs more, as the last phase
of the training scripts does it, and measured again: patch by patch, and densely at the centres of
the patches left out, laid out as one scene. Nothing is chosen by the patches left out.

Run (about a quarter of an hour on two cores):
    python benchmarks/dense_cross_validated.py --path-to-patches data/EuroSAT_MS \
        --path-to-model rgb.keras
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import agreement
import numpy as np
import transfer

from landuse import command_line

PATH_TO_PATCHES = "data/EuroSAT_MS"  # class folders of 13-band patches
PATH_TO_MODEL = "runs/03_train_rgb_from_scratch_DenseNet201/model.keras"  # an RGB model
WAY = "first convolution"  # or another of transfer.py
FOLDS = 3  # parts that the patches are cut into
MOSAIC_EPOCHS = 10  # passes on mosaics
MOSAIC = 4  # patches along the side of a mosaic


def main() -> None:
    """Train and measure each fold, print the table of all of them."""
    from landuse.networks import model_files, precisions

    transfer.PATH_TO_PATCHES, transfer.PATH_TO_MODEL = PATH_TO_PATCHES, PATH_TO_MODEL
    transfer.FOLDS = FOLDS
    network = model_files.read_record(PATH_TO_MODEL)["network"]
    precisions.set_precision("auto")
    folds = transfer.read_folds()
    model, phases = transfer.prepare(WAY, network, folds[0])
    rate = transfer.LEARNING_RATE
    on_mosaics = transfer.phase(model, folds[0], rate, MOSAIC_EPOCHS, MOSAIC)
    weights = model.get_weights()
    found = []
    for number, data in enumerate(folds):
        model.set_weights(weights)
        found.append(measure(model, phases, on_mosaics, data))
        shares = ", ".join(f"{100 * right.mean():.1f} %" for right in found[-1].values())
        print(f"fold {number + 1}: {shares}", flush=True)
    right = {name: np.concatenate([of_fold[name] for of_fold in found]) for name in found[0]}
    inner = [agreement.inner_of(len(data.validation.labels)) for data in folds]
    print(f"\n{network}, {WAY}, {FOLDS} folds, {MOSAIC_EPOCHS} epochs on mosaics:\n")
    agreement.print_right(right, np.concatenate(inner))


def measure(model, phases, on_mosaics, data) -> dict:
    """Tell which of the patches left out are labelled right, by each path."""
    # Files come class by class, which real neighbours do not.
    order = np.random.default_rng(transfer.SEED).permutation(len(data.validation.labels))
    patches, truth = data.validation.patches[order], data.validation.labels[order]
    agreement.predictor.cache_clear()  # what it keeps has the weights of the fold before
    transfer.train(phases, data)
    right = {"patch path, patch-trained": agreement.patch_labels(model, patches) == truth}
    agreement.predictor.cache_clear()
    transfer.train([on_mosaics], data)
    right["patch path, mosaic-trained"] = agreement.patch_labels(model, patches) == truth
    right["dense map, mosaic-trained"] = agreement.dense_labels(model, patches) == truth
    return right


if __name__ == "__main__":
    command_line.run(main, globals())
