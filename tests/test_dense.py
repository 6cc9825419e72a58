import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from landuse.networks import dense, dense_layers

BANDS = 3
CLASSES = 4


def vgg_like(pixels):
    for channels in (4, 5, 6, 7, 8):
        pixels = layers.Conv2D(channels, 3, padding="same", activation="relu")(pixels)
        pixels = layers.MaxPooling2D(2)(pixels)
    return pixels


def start_like_resnet(pixels):
    maps = layers.ZeroPadding2D(3)(pixels)
    maps = layers.Conv2D(6, 7, strides=2)(maps)
    maps = layers.BatchNormalization()(maps)
    maps = layers.Activation("relu")(maps)
    maps = layers.ZeroPadding2D(1)(maps)
    return layers.MaxPooling2D(3, strides=2)(maps)


def densenet_like(pixels):
    maps = start_like_resnet(pixels)
    for _ in range(3):
        new = layers.Conv2D(4, 3, padding="same")(layers.BatchNormalization()(maps))
        maps = layers.Concatenate()([maps, new])
        maps = layers.AveragePooling2D(2)(layers.Conv2D(6, 1, activation="relu")(maps))
    return layers.Conv2D(4, 3, padding="same")(maps)


def resnet_like(pixels):
    maps = start_like_resnet(pixels)
    for _ in range(3):
        shortcut = layers.Conv2D(8, 1, strides=2)(maps)
        maps = layers.Conv2D(5, 1, strides=2, activation="relu")(maps)
        maps = layers.Conv2D(5, 3, padding="same", activation="relu")(maps)
        maps = layers.Add()([shortcut, layers.Conv2D(8, 1)(maps)])
        maps = layers.BatchNormalization()(maps)
    return maps


def mobilenet_like(pixels):
    maps = pixels
    for _ in range(5):
        maps = layers.ZeroPadding2D(((0, 1), (0, 1)))(maps)
        maps = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)(maps)
        maps = layers.ReLU()(layers.Conv2D(5, 1)(maps))
        maps = layers.DepthwiseConv2D(3, padding="same")(maps)
    return maps


def unpadded(pixels):
    for channels in (4, 5, 6, 7, 8):
        pixels = layers.AveragePooling2D(2)(layers.Conv2D(channels, 1, activation="tanh")(pixels))
    return pixels


NETWORKS = (vgg_like, densenet_like, resnet_like, mobilenet_like)


def mean_only(maps):
    return layers.GlobalAveragePooling2D()(maps)


def mean_and_maximum(maps):
    pooled = [layers.GlobalAveragePooling2D()(maps), layers.GlobalMaxPooling2D()(maps)]
    return layers.Concatenate()(pooled)


def classifier_of(base, dropout=0.5, pool=mean_only):
    pixels = keras.Input((64, 64, BANDS), name="pixels")
    maps = layers.Normalization(mean=[100.0] * BANDS, variance=[900.0] * BANDS)(pixels)
    features = pool(base(maps))
    features = layers.Dropout(dropout)(layers.Dense(16, activation="relu")(features))
    probabilities = layers.Dense(CLASSES, activation="softmax", name="probabilities")(features)
    return keras.Model(pixels, probabilities)


def make_classifier(network, pool=mean_only):
    keras.utils.set_random_seed(7)
    pixels = keras.Input((None, None, BANDS))
    base = keras.Model(pixels, network(pixels), name=network.__name__)
    model = classifier_of(base, pool=pool)
    rng = np.random.default_rng(8)
    for layer in model.get_layer(network.__name__).layers:
        weights = layer.get_weights()
        shapes = [array.shape for array in weights]
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.6, 1.4, shape) for shape in shapes])
        elif weights:
            layer.set_weights([weights[0], rng.normal(0, 0.3, shapes[1])])
    return model


def make_image(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (1, rows, columns, BANDS)).astype(np.float32)


def answers(model, pixels):
    return keras.ops.convert_to_numpy(model(pixels, training=False))


@pytest.mark.parametrize("stride", dense.OUTPUT_STRIDES)
@pytest.mark.parametrize("network", NETWORKS)
def test_one_window_gives_the_answer_of_the_patch(network, stride):
    model = make_classifier(network)
    window = make_image(64, 64)
    found = answers(dense.dense_network(model, stride), window)
    assert found.shape == (1, 1, 1, CLASSES)
    expected = answers(model, window)
    assert expected.max() < 0.95  # a saturated answer would prove nothing
    np.testing.assert_allclose(found[:, 0, 0], expected, atol=5e-7)


@pytest.mark.parametrize("stride", dense.OUTPUT_STRIDES)
@pytest.mark.parametrize("network", NETWORKS)
def test_windows_of_a_mosaic_have_the_answers_of_the_mosaic_model(network, stride):
    model = make_classifier(network)
    mosaic = make_image(192, 128)
    found = answers(dense.dense_network(model, stride), mosaic)
    expected = answers(dense.mosaic_model(model), mosaic)
    assert expected.shape == (1, 3, 2, CLASSES)
    step = 64 // stride
    np.testing.assert_allclose(found[:, ::step, ::step], expected, atol=1e-6)


@pytest.mark.parametrize("stride", dense.OUTPUT_STRIDES)
def test_mean_and_maximum_of_a_window_side_by_side(stride):
    model = make_classifier(resnet_like, mean_and_maximum)
    mosaic = make_image(192, 128)
    whole = dense.dense_network(model, stride)
    window = answers(whole, mosaic[:, :64, :64])[:, 0, 0]
    np.testing.assert_allclose(window, answers(model, mosaic[:, :64, :64]), atol=5e-7)
    found = answers(whole, mosaic)[:, :: 64 // stride, :: 64 // stride]
    np.testing.assert_allclose(found, answers(dense.mosaic_model(model), mosaic), atol=1e-6)


def test_a_pooling_of_stride_1_is_refused_where_it_would_have_to_look_further():
    def pooled(pixels):
        maps = vgg_like(pixels)
        return layers.MaxPooling2D(3, 1, padding="same")(maps)

    model = make_classifier(pooled)
    assert dense.dense_network(model, 32)
    with pytest.raises(ValueError, match="pools with padding"):
        dense.dense_network(model, 16)


@pytest.mark.parametrize("stride", dense.OUTPUT_STRIDES)
def test_without_padding_every_window_has_the_answer_of_its_patch(stride):
    model = make_classifier(unpadded)
    image = make_image(128, 64 + 2 * stride + 5)
    found = answers(dense.dense_network(model, stride), image)
    rows, columns = range(0, 65, stride), range(0, 2 * stride + 1, stride)
    patches = [image[0, row : row + 64, column : column + 64] for row in rows for column in columns]
    expected = answers(model, np.stack(patches))
    assert found.shape == (1, len(rows), len(columns), CLASSES)
    np.testing.assert_allclose(found.reshape(-1, CLASSES), expected, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (71, 95), (150, 131), (160, 129)])
def test_there_is_an_answer_for_each_window_inside_the_image(network, rows, columns):
    dense_model = dense.dense_network(make_classifier(network), 16)
    expected = (1, (rows - 64) // 16 + 1, (columns - 64) // 16 + 1, CLASSES)
    assert answers(dense_model, make_image(rows, columns)).shape == expected


def test_rows_for_a_number_of_cells():
    assert dense.rows_for(1, 8) == 64
    assert dense.rows_for(3, 16) == 96


def test_shifted_pooling_by_hand():
    maps = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    mean = answers(dense_layers.ShiftedPooling(2, 2), maps)[0, :, :, 0]
    largest = answers(dense_layers.ShiftedPooling(2, 2, "maximum"), maps)[0, :, :, 0]
    first = [0, 2, 10, 12]
    assert mean.shape == (3, 3)
    assert mean[0, 0] == np.mean(first)
    assert largest[0, 0] == max(first)
    assert mean[2, 1] == np.mean([11, 13, 21, 23])


def test_layers_know_their_shapes():
    pooling, crop = dense_layers.ShiftedPooling(3, 4), dense_layers.CropToMultiple(8)
    assert pooling.compute_output_shape((None, 20, None, 5)) == (None, 12, None, 5)
    assert crop.compute_output_shape((None, 20, None, 5)) == (None, 16, None, 5)


def test_the_dense_network_leaves_the_model_alone():
    model = make_classifier(densenet_like)
    before = [array.copy() for array in model.get_weights()]
    nodes = len(model.get_layer("densenet_like")._inbound_nodes)
    dense_model = dense.dense_network(model, 8)
    for array in dense_model.weights:
        array.assign(0 * array)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.get_layer("densenet_like")._inbound_nodes) == nodes


def test_dense_layers_become_convolutions():
    model = make_classifier(vgg_like)
    dense_model = dense.dense_network(model, 8)
    kinds = [type(layer) for layer in dense_model.layers[2].layers]
    assert kinds[-3:] == [layers.Conv2D, layers.Dropout, layers.Conv2D]
    assert [weight.path for weight in dense_model.weights] == [w.path for w in model.weights]


def test_the_dense_network_can_be_saved(tmp_path):
    dense_model = dense.dense_network(make_classifier(resnet_like), 8)
    dense_model.save(tmp_path / "dense.keras")
    again = keras.saving.load_model(tmp_path / "dense.keras", compile=False)
    image = make_image(96, 80)
    np.testing.assert_array_equal(answers(again, image), answers(dense_model, image))


def test_precision_is_kept():
    model = make_classifier(densenet_like)
    for layer in model.get_layer("densenet_like").layers:
        layer.dtype_policy = "mixed_bfloat16"
    dense_model = dense.dense_network(model, 16)
    base = dense_model.layers[2].get_layer("densenet_like")
    assert {layer.compute_dtype for layer in base.layers[1:]} == {"bfloat16"}
    found = answers(dense_model, make_image(64, 64))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0, 0], answers(model, make_image(64, 64)), atol=0.02)


def test_a_mosaic_of_one_patch_is_the_patch():
    model = make_classifier(vgg_like)
    window = make_image(64, 64)
    found = answers(dense.mosaic_model(model), window)
    np.testing.assert_array_equal(found[:, 0, 0], answers(model, window))


def test_training_on_mosaics_trains_the_patch_model(tmp_path):
    keras.utils.set_random_seed(1)
    pixels = keras.Input((None, None, BANDS))
    base = keras.Model(pixels, unpadded(pixels), name="unpadded")
    model = classifier_of(base, dropout=0.0)
    rng = np.random.default_rng(2)
    labels = rng.choice([0, CLASSES - 1], (24, 2, 2))  # dark and bright patches
    bright = np.repeat(np.repeat(labels * 60.0, 64, axis=1), 64, axis=2)[..., None]
    mosaics = (bright + rng.uniform(0, 40, (*bright.shape[:3], BANDS))).astype(np.float32)
    trained = dense.mosaic_model(model)
    trained.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy())
    trained.fit(mosaics, labels, batch_size=4, epochs=8, verbose=0)
    tiles = mosaics.reshape(24, 2, 64, 2, 64, BANDS).swapaxes(2, 3).reshape(-1, 64, 64, BANDS)
    right = answers(model, tiles).argmax(-1) == labels.ravel()
    assert right.mean() > 0.9
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(answers(again, tiles), answers(model, tiles))


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match="stride of 8, 16 or 32 pixels, not 4"):
        dense.dense_network(make_classifier(vgg_like), 4)


def test_a_network_with_flatten_is_refused():
    pixels = keras.Input((64, 64, BANDS))
    flat = layers.Dense(CLASSES)(layers.Flatten()(vgg_like(pixels)))
    model = keras.Model(pixels, flat, name="flat")
    for make in (lambda: dense.dense_network(model, 8), lambda: dense.mosaic_model(model)):
        with pytest.raises(ValueError, match="needs a GlobalAveragePooling2D or"):
            make()


def test_enlarged_patches_are_refused():
    pixels = keras.Input((64, 64, BANDS))
    features = layers.GlobalAveragePooling2D()(vgg_like(layers.Resizing(96, 96)(pixels)))
    model = keras.Model(pixels, layers.Dense(CLASSES)(features), name="enlarging")
    for make in (lambda: dense.dense_network(model, 8), lambda: dense.mosaic_model(model)):
        with pytest.raises(ValueError, match="makes pictures of one size of all patches"):
            make()


def test_mosaics_of_a_network_without_dense_form_are_refused():
    pixels = keras.Input((64, 64, BANDS))
    inside = keras.Input((64, 64, BANDS))
    base = keras.Model(inside, vgg_like(inside), name="GoogLeNet")
    features = layers.GlobalAveragePooling2D()(base(pixels))
    model = keras.Model(pixels, layers.Dense(CLASSES)(features))
    with pytest.raises(ValueError, match=r"MOSAIC_EPOCHS: GoogLeNet has no dense form.*VGG16"):
        dense.mosaic_model(model)


def test_a_layer_without_dense_form_is_named():
    def padded(pixels):
        for _ in range(5):
            pixels = layers.Conv2D(4, 3, strides=2, padding="same")(pixels)
        return pixels

    with pytest.raises(ValueError, match=r"layer 'conv2d.*' \(Conv2D\) convolves with padding"):
        dense.dense_network(make_classifier(padded), 8)


def test_jax_gives_the_same(repository):
    code = """
import numpy as np
import test_dense as t
model = t.make_classifier(t.vgg_like)
mosaic = t.make_image(128, 128)
mosaics = t.dense.mosaic_model(model)
found = t.dense.dense_network(model, 16).predict_on_batch(mosaic)
assert found.shape == (1, 5, 5, t.CLASSES), found.shape
np.testing.assert_allclose(found[:, ::4, ::4], mosaics.predict_on_batch(mosaic), atol=1e-6)
print(t.keras.backend.backend())
"""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "tests")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "jax"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VGG16", "DenseNet201", "ResNet50"])
def test_the_real_networks(name):
    keras.utils.set_random_seed(7)
    construct = getattr(keras.applications, name)
    base = construct(include_top=False, weights=None, input_shape=(None, None, BANDS), name=name)
    model = classifier_of(base)
    window = make_image(64, 64)
    mosaic = make_image(192, 128)
    expected = answers(model, window)
    expected_mosaic = answers(dense.mosaic_model(model), mosaic)
    for stride in dense.OUTPUT_STRIDES:
        dense_model = dense.dense_network(model, stride)
        np.testing.assert_allclose(answers(dense_model, window)[:, 0, 0], expected, atol=5e-7)
        found = answers(dense_model, mosaic)[:, :: 64 // stride, :: 64 // stride]
        np.testing.assert_allclose(found, expected_mosaic, atol=1e-6)
