"""How much faster networks predict when batch normalisation is folded into convolutions.

Both forms of a network have the same random weights (normalisations too have learned averages and
scales), see the same pixels and take turns; the best round of each counts. Measured are batches of
patches and dense blocks. Then the probabilities of both forms are compared with those of the
unfolded network in float32: the largest difference of any.

Run (a minute or two a network):
    python benchmarks/folding.py
    python benchmarks/folding.py --networks ResNet50 --precisions bfloat16
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import measuring
import numpy as np

from landuse import command_line

NETWORKS = ["DenseNet201", "ResNet50"]  # VGG16 has no batch normalisation
PRECISIONS = ["float32", "bfloat16"]  # or one of them
BANDS = 13  # or 3
BATCH_SIZE = 64  # patches in a batch
SIZE = 512  # pixels, side of a dense block
STRIDE = 8  # pixels from one window of it to the next; 8, 16 or 32
ROUNDS = 3  # turns of each, the best counts


def main() -> None:
    """Measure each network in each precision and print the table."""
    print(f"{measuring.machine()}; {BANDS} bands, best of {ROUNDS} rounds\n")
    measuring.print_header(
        "network",
        "precision",
        "input",
        "unfolded, s",
        "folded, s",
        "ratio",
        "largest error, unfolded",
        "folded",
        text=3,
    )
    for name in NETWORKS:
        model = learned(measuring.random_classifier(name, BANDS))
        for stride, shape in (
            (None, (BATCH_SIZE, 64, 64, BANDS)),
            (STRIDE, (1, SIZE, SIZE, BANDS)),
        ):
            pixels = made_pixels(shape)
            exact = forms(model, shape, "float32", stride)["unfolded"](pixels)
            for precision in PRECISIONS:
                print_row_of(name, precision, forms(model, shape, precision, stride), pixels, exact)


def learned(model):
    """Give the normalisations of a network other averages and scales than 0 and 1."""
    from landuse.networks import bases

    rng = np.random.default_rng(0)
    for layer in bases.batch_normalizations(model):
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights(
            [
                rng.uniform(0.5, 1.5, gamma.shape),
                rng.normal(0, 0.3, beta.shape),
                rng.normal(0, 0.3, mean.shape),
                rng.uniform(0.5, 1.5, variance.shape),
            ]
        )
    return model


def made_pixels(shape):
    """Make pixels whose level changes from one half of a patch to the next, with noise."""
    rng = np.random.default_rng(0)
    fields = rng.integers(500, 3500, (shape[0], shape[1] // 32, shape[2] // 32, shape[3]))
    return (fields.repeat(32, 1).repeat(32, 2) + rng.normal(0, 100, shape)).astype(np.float32)


def forms(model, shape, precision, stride):
    """Give functions from pixels to probabilities, without folding and with it."""
    from landuse.networks import engines, precisions

    whole = precisions.with_precision(model, precision)
    if stride is not None:
        from landuse.networks import dense

        whole = dense.dense_network(whole, stride)
    whole.compile(jit_compile="auto")
    return {
        "unfolded": lambda pixels: np.asarray(whole.predict_on_batch(pixels)),
        "folded": engines.make_predict(model, shape, "keras", precision, stride),
    }


def print_row_of(name, precision, predicts, pixels, exact):
    errors = [np.abs(predict(pixels) - exact).max() for predict in predicts.values()]
    actions = {kind: lambda p=predict: p(pixels) for kind, predict in predicts.items()}
    seconds = {kind: best[0] for kind, best in measuring.take_turns(actions, ROUNDS).items()}
    size = f"{pixels.shape[0]} patches" if len(pixels) > 1 else f"{SIZE} px, dense"
    ratio = seconds["unfolded"] / seconds["folded"]
    measuring.print_row(
        name,
        precision,
        size,
        *(f"{second:.2f}" for second in seconds.values()),
        f"{ratio:.2f}",
        *(f"{error:.1e}" for error in errors),
    )


if __name__ == "__main__":
    command_line.run(main, globals())
