"""Growing pictures, changes of air and grid, the small network, calibration."""

import numpy as np
import pytest
from scipy.special import softmax

from landuse.evaluation import calibration
from landuse.networks import bases, dense, priors, tops
from landuse.patches import augmentation, patch_batches
from landuse.training import growing, limits


def patches(count=8, bands=3, dtype="uint8"):
    high = 256 if dtype == "uint8" else 3000
    return np.random.default_rng(0).integers(1, high, (count, 64, 64, bands)).astype(dtype)


def test_sizes_share_the_epochs():
    assert growing.stretches([32, 48, 64], 0, 6) == [(0, 2, 32), (2, 4, 48), (4, 6, 64)]
    assert growing.stretches([32, 48, 64], 3, 6) == [(3, 4, 48), (4, 6, 64)]
    assert growing.stretches([32, 48, 64], 0, 2) == [(0, 1, 32), (1, 2, 64)]
    assert growing.stretches([64], 1, 5) == [(1, 5, 64)]
    assert growing.stretches([32, 32, 48, 64], 0, 1) == [(0, 1, 64)]
    twice = growing.stretches([32, 32, 48, 64], 0, 8)
    assert twice == [(0, 2, 32), (2, 4, 32), (4, 6, 48), (6, 8, 64)]
    limits.check_settings({"PICTURE_SIZES": [32, 32, 48, 64]})


def test_sizes_that_patches_cannot_be_enlarged_to_are_refused():
    with pytest.raises(ValueError, match=r"INPUT_SIZE must be one of 64, 96, .*, not 100"):
        limits.check_settings({"INPUT_SIZE": 100})
    with pytest.raises(ValueError, match=r"no mosaics of enlarged patches\. Set INPUT_SIZE = 64"):
        limits.check_settings({"INPUT_SIZE": 96, "MOSAIC_EPOCHS": 1})


@pytest.mark.parametrize("sizes", [[], [48, 32, 64], [32, 48], [16, 64], [64, 64]])
def test_sizes_that_nothing_can_be_trained_with_are_refused(sizes):
    with pytest.raises(ValueError, match=r"PICTURE_SIZES = .*the last one 64"):
        limits.check_settings({"PICTURE_SIZES": sizes})


def test_batches_give_pictures_of_the_size_that_is_set():
    batches = patch_batches.simple_image_generator(
        patches(bands=13, dtype="uint16"), labels=np.zeros(8, int), batch_size=4
    )
    assert batches[0][0].shape == (4, 64, 64, 13)
    batches.resize(32)
    assert batches[0][0].shape == (4, 32, 32, 13)


def test_small_pictures_are_means_of_areas():
    ramp = np.arange(64, dtype="uint16")[np.newaxis, :, np.newaxis, np.newaxis] * 10
    ramp = np.broadcast_to(ramp, (1, 64, 64, 5)).copy()
    small = augmentation.resize_patches(ramp, 32)
    assert np.array_equal(small[0, :, 0, 0], np.arange(32) * 20 + 5)
    assert (small == small[..., :1]).all()


def test_air_changes_each_band_by_its_own_share_and_leaves_nodata():
    given = np.full((200, 8, 8, 3), 100, "uint8")
    given[:, 0] = 0
    changed = augmentation.augment_patches(given, np.random.default_rng(1), band_gain_range=0.1)
    assert (changed[:, 0] == 0).all()
    factors = changed[:, 1, 1].astype(float)
    assert factors.min() >= 90 and factors.max() <= 110 and factors.std(axis=0).min() > 4
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.2


def test_haze_adds_the_same_light_to_bright_and_dark():
    given = np.concatenate([np.full((50, 8, 4, 2), 1000), np.full((50, 8, 4, 2), 2000)], axis=2)
    given = given.astype("uint16")
    changed = augmentation.augment_patches(given, np.random.default_rng(1), haze_range=0.04)
    added = changed.astype(int) - given
    assert (added == added[:, :1, :1]).all()
    assert 100 < np.abs(added).max() <= 1.5 * 0.04 * 2750 + 1


def test_blur_smooths_about_the_share_of_patches_and_zoom_keeps_flat_ones():
    noise = patches(400)
    blurred = augmentation.augment_patches(noise, np.random.default_rng(1), blur=0.5)
    changed = (blurred != noise).any(axis=(1, 2, 3))
    assert 0.4 < changed.mean() < 0.6
    assert blurred[changed].std() < 0.9 * noise[changed].std()
    flat = np.full((20, 64, 64, 3), 77, "uint8")
    assert (
        augmentation.augment_patches(flat, np.random.default_rng(1), zoom_range=0.3) == 77
    ).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_patches_take_the_colours_of_others_of_their_class(dtype):
    """Two dark patches of one class, two bright ones of another, and one of each alone."""
    given = patches(6, 2, dtype) % 90 + 1
    given[3:] += 100
    given[1, 0], given[0, ..., 1] = 0, given[0, ..., 1] // 2 + 1
    labels = np.eye(4, dtype="float32")[[0, 0, 1, 2, 2, 3]]
    kept = given.copy()
    drawn = [
        augmentation.match_histograms(given, labels, np.random.default_rng(seed), 1)
        for seed in range(20)
    ]
    np.testing.assert_array_equal(given, kept)
    for changed in drawn:
        assert changed.dtype == given.dtype
        np.testing.assert_array_equal(changed[[2, 5]], given[[2, 5]])  # alone of their class
        np.testing.assert_array_equal(changed == 0, given == 0)
        assert changed[:2].max() < 100 < changed[3:5].min()  # nothing comes from another class
    second = np.array([changed[0, ..., 1].mean() for changed in drawn])
    low, high = given[0, ..., 1].mean(), given[1, 1:, :, 1].mean()
    assert second.min() >= low and high * 0.8 < second.max() <= high * 1.01
    for changed in drawn:  # what was brighter than another pixel still is
        order = np.argsort(given[0, ..., 1], axis=None, kind="stable")
        assert (np.diff(changed[0, ..., 1].ravel()[order].astype(int)) >= 0).all()


def test_matched_histograms_leave_nodata_out_and_flat_patches_between_both():
    labels = np.ones((2, 1), "float32")

    def first(own, other):  # the largest change of twenty draws
        given = np.stack([own, other])
        drawn = [
            augmentation.match_histograms(given, labels, np.random.default_rng(seed), 1)[0]
            for seed in range(20)
        ]
        return max(drawn, key=lambda changed: np.abs(changed.astype(int) - own).mean())

    noise = patches(2, 1, "uint16")
    half = noise[1].copy()
    half[:32] = 0
    kept = first(noise[0], half)
    assert abs(kept.mean() / noise[0].mean() - 1) < 0.1  # half of zeros darkens nothing
    back = first(half, noise[0])
    assert (back[:32] == 0).all() and abs(back[32:].mean() / half[32:].mean() - 1) < 0.1
    np.testing.assert_array_equal(first(noise[0], np.zeros_like(half)), noise[0])
    flat, sea = np.full((64, 64, 1), 50, "uint8"), np.full((64, 64, 1), 45, "uint8")
    sea[0, :4] = 250
    assert 45 <= first(flat, sea).min() <= first(flat, sea).max() <= 46


def test_about_the_share_of_patches_takes_other_colours():
    given, labels = patches(300) // 2, np.ones((300, 1), "float32")
    given += np.arange(300, dtype="uint8")[:, None, None, None] % 100
    changed = augmentation.match_histograms(given, labels, np.random.default_rng(1), 0.3)
    assert 0.22 < (changed != given).any(axis=(1, 2, 3)).mean() < 0.38


def test_resnet9_takes_pictures_of_all_sizes_and_has_a_dense_form():
    import keras

    base = bases.base_network("ResNet9", 4)
    assert sum(int(np.prod(v.shape)) for v in base.trainable_variables) == pytest.approx(
        1.94e6, rel=0.01
    )
    pixels = keras.Input((64, 64, 4))
    model = keras.Model(pixels, tops.new_top(base(pixels), "ResNet9", ["a", "b"]))
    learner = growing.learner(model, [32, 64])
    assert learner.output_shape == (None, 2)
    given = patches(2, 4).astype("float32")
    answers = np.asarray(model(given))
    np.testing.assert_allclose(np.asarray(learner(given)), answers, atol=1e-5)
    assert np.asarray(learner(given[:, ::2, ::2])).shape == (2, 2)
    alone = np.asarray(dense.dense_network(model, 8)(given))
    np.testing.assert_allclose(alone[:, 0, 0], answers, atol=1e-4)


def test_temperature_is_found_and_folded_into_the_model():
    import keras

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    labels = np.array([rng.choice(3, p=softmax(row)) for row in logits])
    too_sure = softmax(3 * logits, axis=1)
    temperature = calibration.best_temperature(too_sure, labels)
    assert temperature == pytest.approx(3, rel=0.1)
    pixels = keras.Input((4,))
    top = keras.layers.Dense(3, activation="softmax", name="probabilities")
    model = keras.Model(pixels, top(pixels))
    given = rng.normal(0, 1, (5, 4)).astype("float32")
    before = np.log(np.asarray(model(given)))
    calibration.set_temperature(model, 2.0)
    np.testing.assert_allclose(np.asarray(model(given)), softmax(before / 2, axis=1), rtol=1e-4)


def test_shares_of_the_land_shift_the_probabilities_as_bayes_says():
    import keras

    names = ["Annual", "Permanent", "Forest"]
    shares = priors.land_shares(["Annual=9", "Permanent=1"], names)
    shift = priors.shift_of_logits(shares, np.array([30, 20, 50]), names)
    pixels = keras.Input((4,))
    top = keras.layers.Dense(3, activation="softmax", name="probabilities")
    model = keras.Model(pixels, top(pixels))
    given = np.random.default_rng(0).normal(0, 1, (5, 4)).astype("float32")
    before = np.asarray(model(given))
    priors.shift_model(model, shift)
    expected = before * np.array([0.5 * 0.9 / 0.3, 0.5 * 0.1 / 0.2, 1])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(model(given)), expected, rtol=1e-4)
    assert (priors.shift_of_logits({}, np.array([30, 20, 50]), names) == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["Vineyard=1"], r"'Vineyard=1': expected class=number, .* classes are Annual, Forest"),
        (["Annual"], r"'Annual': expected class=number"),
        (["Annual=none", "Forest=1"], r"'none' of Annual is no number above 0"),
        (["Annual=-1", "Forest=1"], r"'-1' of Annual is no number above 0"),
        (["Annual=1", "Annual=2"], r"Annual is given twice"),
        (["Annual=1"], r"LAND_SHARES has Annual alone: give the classes that it shares"),
    ],
)
def test_shares_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        priors.land_shares(settings, ["Annual", "Forest"])
