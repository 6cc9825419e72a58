import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import image_functions
from image_functions import (
    BAND_COMBINATIONS,
    BANDS_MS,
    BANDS_RGB,
    EUROSAT_STATISTICS,
    augment_patches,
    categorical_label_from_full_file_name,
    pooled_statistics,
    preprocessing_image_ms,
    preprocessing_image_rgb,
    read_patch,
    scale_to_rgb8,
    simple_image_generator,
)


def made_patches(count=6, bands=3, dtype=np.uint8, size=64):
    rng = np.random.default_rng(1)
    return rng.integers(1, np.iinfo(dtype).max, (count, size, size, bands), dtype)


# --- bands ---


def test_band_order_is_that_of_eurosat_files():
    assert BANDS_MS[8:] == ("B09", "B10", "B11", "B12", "B8A")
    assert [BANDS_MS.index(band) for band in BANDS_RGB] == [3, 2, 1]
    assert len(BAND_COMBINATIONS["L2A"]) == 12
    assert EUROSAT_STATISTICS["mean"][BANDS_MS.index("B10")] == pytest.approx(12, abs=1)
    assert set(image_functions.WAVELENGTHS) == set(BANDS_MS)


def test_importing_is_quick_and_leaves_keras_out(repository):
    code = (
        "import sys, image_functions; "
        "assert not {'keras', 'tensorflow', 'cv2', 'skimage'} & set(sys.modules)"
    )
    start = time.process_time()
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=repository, check=True)
    assert time.process_time() - start < 1


# --- reading ---


@pytest.mark.parametrize("planar", ["contig", "separate", "pages"])
def test_read_patch_gives_bands_last_whatever_the_interleaving(tmp_path, planar):
    patch = made_patches(1, 13, np.uint16)[0]
    path = tmp_path / "patch.tif"
    if planar == "pages":
        tifffile.imwrite(path, patch.transpose(2, 0, 1), photometric="minisblack")
    else:
        pixels = patch if planar == "contig" else patch.transpose(2, 0, 1)
        tifffile.imwrite(path, pixels, planarconfig=planar, photometric="minisblack")
    read = read_patch(path)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, patch)


@pytest.mark.parametrize("compression", ["lzw", "deflate"])
def test_read_patch_reads_compressed_tiff_of_one_band(tmp_path, compression):
    patch = made_patches(1, 1, np.uint16)[0]
    tifffile.imwrite(tmp_path / "patch.TIF", patch[:, :, 0], compression=compression)
    np.testing.assert_array_equal(read_patch(tmp_path / "patch.TIF"), patch)


def test_read_patch_turns_big_endian_and_signed_tiff_into_native_uint16(tmp_path):
    patch = made_patches(1, 13, np.uint16)[0] // 4
    tifffile.imwrite(tmp_path / "a.tif", patch, byteorder=">", planarconfig="contig")
    tifffile.imwrite(tmp_path / "b.tif", patch.astype(np.int16), planarconfig="contig")
    for name in ("a.tif", "b.tif"):
        read = read_patch(tmp_path / name)
        assert read.dtype == np.uint16 and read.dtype.isnative
        np.testing.assert_array_equal(read, patch)


def test_read_patch_reads_png_and_jpeg_as_red_green_blue(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "a.png")
    Image.fromarray(red).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_array_equal(read_patch(tmp_path / "a.png"), red)
    assert np.abs(read_patch(tmp_path / "a.jpg").astype(int) - red).max() <= 2


def test_read_patch_names_the_file_and_the_fault(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg: no such file"):
        read_patch(tmp_path / "gone.jpg")
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(ValueError, match=r"text\.jpg: cannot be read as an image"):
        read_patch(tmp_path / "text.jpg")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(ValueError, match=r"empty\.tif: cannot be read as an image"):
        read_patch(tmp_path / "empty.tif")
    tifffile.imwrite(tmp_path / "float.tif", np.full((64, 64), 0.5, np.float32))
    with pytest.raises(ValueError, match=r"float32 and no whole numbers.*-scale 0 1 0 10000 IN"):
        read_patch(tmp_path / "float.tif")
    tifffile.imwrite(tmp_path / "negative.tif", np.full((64, 64), -1, np.int16))
    with pytest.raises(ValueError, match=r"do not lie in 0\.\.65535"):
        read_patch(tmp_path / "negative.tif")


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "lzw.tif", "pages.tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_read_patch_refuses_truncated_files(tmp_path, kind, share):
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    if kind.endswith("tif"):
        patch = made_patches(1, 13, np.uint16)[0]
        compression = "lzw" if kind == "lzw.tif" else None
        planar = None if kind == "pages.tif" else "contig"
        patch = patch.transpose(2, 0, 1) if planar is None else patch
        options = {"photometric": "minisblack", "planarconfig": planar}
        tifffile.imwrite(whole, patch, compression=compression, **options)
    else:
        Image.fromarray(made_patches(1)[0]).save(whole)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"cut.*cannot be read"):
        read_patch(cut)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused_but_break_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    kind = data.draw(st.sampled_from(["jpg", "png", "tif"]))
    path = folder / f"patch.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, made_patches(1, 13, np.uint16, 16)[0], compression="deflate")
    else:
        Image.fromarray(made_patches(1, size=16)[0]).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_patch(path).ndim == 3
    except ValueError as error:
        assert path.name in str(error)


def test_a_tiff_that_claims_to_be_huge_takes_no_memory(tmp_path):
    path = tmp_path / "patch.tif"
    tifffile.imwrite(path, np.ones((16, 16), np.uint16), compression="deflate", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(805306381)
    with pytest.raises(ValueError, match=r"patch\.tif.*claims to hold \(16, 805306381\) values"):
        read_patch(path)


# --- scaling and normalisation ---


def test_scale_to_rgb8_by_hand():
    dn = np.array([0, 1, 1375, 2749, 2750, 2751, 65535], np.uint16)
    # 1 + 254 * dn / 2750 is 1.09, 128, 254.91, 255
    np.testing.assert_array_equal(scale_to_rgb8(dn), [0, 1, 128, 255, 255, 255, 255])
    np.testing.assert_array_equal(scale_to_rgb8([-5, 70000]), [0, 255])
    with pytest.raises(ValueError, match="whole DN"):
        scale_to_rgb8(np.array([1.5]))


def test_scale_to_rgb8_equals_gdal_translate(tmp_path):
    if shutil.which("gdal_translate") is None:
        pytest.skip("gdal_translate is not installed")
    dn = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    tifffile.imwrite(tmp_path / "dn.tif", dn)
    command = ["gdal_translate", "-q", "-ot", "Byte", "-scale", "0", "2750", "1", "255"]
    subprocess.run([*command, tmp_path / "dn.tif", tmp_path / "rgb8.tif"], check=True)
    theirs = tifffile.imread(tmp_path / "rgb8.tif").ravel()
    ours = scale_to_rgb8(dn).ravel()
    np.testing.assert_array_equal(ours[1:], theirs[1:])
    assert ours[0] == 0


@pytest.mark.shared_data
def test_scaled_ms_patch_is_the_published_jpeg(shared_data, tmp_path):
    import io
    import zipfile

    name = "AnnualCrop/AnnualCrop_1227"
    with zipfile.ZipFile(shared_data / "eurosat/eurosat_ms_sample.zip") as archive:
        (tmp_path / "ms.tif").write_bytes(archive.read(f"EuroSAT_MS/{name}.tif"))
    published = None
    for part in (1, 2):
        with zipfile.ZipFile(shared_data / f"eurosat/eurosat_rgb_part{part}.zip") as archive:
            if f"EuroSAT_RGB/{name}.jpg" in archive.namelist():
                jpeg = archive.read(f"EuroSAT_RGB/{name}.jpg")
                published = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    bands = [BANDS_MS.index(band) for band in BANDS_RGB]
    ours = scale_to_rgb8(read_patch(tmp_path / "ms.tif")[:, :, bands]).astype(int)
    difference = np.abs(ours - published)
    assert difference.mean() < 1.5  # what JPEG takes away
    assert np.abs((ours - published).mean(axis=(0, 1))).max() < 0.6


@pytest.mark.parametrize("network", ["VGG16", "ResNet50", "DenseNet201"])
def test_preprocessing_image_rgb_is_that_of_the_pretrained_network(network):
    import keras

    module = {"VGG16": "vgg16", "ResNet50": "resnet50", "DenseNet201": "densenet"}[network]
    image = made_patches(1)[0]
    untouched = image.copy()
    expected = getattr(keras.applications, module).preprocess_input(image.astype(np.float32))
    ours = preprocessing_image_rgb(image, network)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(image, untouched)


def test_preprocessing_image_ms_by_hand():
    image = np.full((2, 2, 2), [1000, 300], np.uint16)
    out = preprocessing_image_ms(image, [900, 500], [50, 100])
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[0, 0], [2, -2])
    with pytest.raises(ValueError, match=r"no such network.*Fully supported: VGG16"):
        preprocessing_image_rgb(image, "LeNet")


# --- labels ---


def test_labels_come_from_the_folder_or_the_name():
    classes = {"Forest": 0, "SeaLake": 1}
    files = ["a/SeaLake/Forest_1.jpg", "b/Forest_2.tif"]
    labels = categorical_label_from_full_file_name(files, classes)
    np.testing.assert_array_equal(labels, [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"x/River_1\.jpg.*Forest, SeaLake"):
        categorical_label_from_full_file_name(["x/River_1.jpg"], classes)


# --- augmentation ---


def always(rng_class=np.random.Generator):
    """Random numbers that flip every patch."""

    class Always:
        def random(self, shape):
            return np.zeros(shape)

        def uniform(self, low, high, count):
            return np.full(count, high, float)

    return Always()


def test_horizontal_flip_mirrors_left_and_right():
    patch = np.zeros((1, 64, 64, 1), np.uint8)
    patch[0, 5, 0] = 200  # row 5, leftmost column
    flipped = augment_patches(patch, always(), horizontal_flip=True)
    assert flipped[0, 5, 63] == 200 and flipped.sum() == 200
    flipped = augment_patches(patch, always(), vertical_flip=True)
    assert flipped[0, 58, 0] == 200 and flipped.sum() == 200


def test_flips_hit_half_of_the_patches_and_leave_the_input_alone():
    patches = made_patches(400, 1, np.uint16, size=4)
    untouched = patches.copy()
    flipped = augment_patches(patches, np.random.default_rng(0), horizontal_flip=True)
    same = (flipped == patches).all(axis=(1, 2, 3))
    mirrored = (flipped == patches[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 150 < same.sum() < 250
    np.testing.assert_array_equal(patches, untouched)


def test_symmetries_are_the_eight_of_the_square():
    patches = np.repeat(made_patches(1, 2, np.uint16, size=5), 800, axis=0)
    found = augment_patches(patches, np.random.default_rng(0), symmetries=True)
    first = patches[0]
    eight = [
        np.rot90(image, turns) for image in (first, first.swapaxes(0, 1)) for turns in range(4)
    ]
    counts = [(found == one).all(axis=(1, 2, 3)).sum() for one in eight]
    assert sum(counts) == 800
    assert min(counts) > 60
    with pytest.raises(ValueError, match="square"):
        augment_patches(patches[:, :3], np.random.default_rng(0), symmetries=True)


@pytest.mark.parametrize("degrees", [30, -77, 90, 180])
@pytest.mark.parametrize(("bands", "dtype"), [(3, np.uint8), (13, np.uint16), (5, np.uint16)])
def test_rotation_is_that_of_scikit_image(degrees, bands, dtype):
    from skimage.transform import rotate

    patch = made_patches(1, bands, dtype)

    class Fixed:
        random = staticmethod(np.ones)
        uniform = staticmethod(lambda low, high, count: np.full(count, float(degrees)))

    ours = augment_patches(patch, Fixed(), rotation_range=180)
    theirs = rotate(patch[0], degrees, mode="symmetric", preserve_range=True)
    assert ours.dtype == dtype
    step = 1 + np.iinfo(dtype).max // 255  # OpenCV and scikit-image round positions differently
    assert np.abs(ours[0] - theirs).mean() < step / 4
    assert np.quantile(np.abs(ours[0] - theirs), 0.999) <= step


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 14),
    st.sampled_from([np.uint8, np.uint16]),
    st.floats(1, 360),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_rotations_keep_the_range_of_each_patch_and_band(
    count, bands, dtype, angle, symmetries, seed
):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 100, (count, 1, 1, bands))
    high = low + rng.integers(1, 150, (count, 1, 1, bands))
    patches = rng.integers(low, high, (count, 64, 64, bands)).astype(dtype)
    turned = augment_patches(patches, rng, True, True, angle, symmetries)
    assert turned.shape == patches.shape and turned.dtype == dtype
    assert (turned >= patches.min(axis=(1, 2), keepdims=True)).all()
    assert (turned <= patches.max(axis=(1, 2), keepdims=True)).all()


def test_brightness_and_contrast_by_hand():
    patches = np.zeros((1, 2, 2, 1), np.uint16)
    patches[0, :, :, 0] = [[0, 1000], [2000, 3000]]  # mean 1500
    brighter = augment_patches(patches, always_light(), brightness_range=0.1)
    np.testing.assert_array_equal(brighter[0, :, :, 0], [[0, 1100], [2200, 3300]])
    starker = augment_patches(patches, always_light(), contrast_range=0.5)
    np.testing.assert_array_equal(starker[0, :, :, 0], [[0, 750], [2250, 3750]])
    full = np.full((1, 2, 2, 1), 65535, np.uint16)
    assert augment_patches(full, always_light(), brightness_range=0.5).min() == 65535


def always_light():
    class Highest:
        random = staticmethod(np.ones)
        uniform = staticmethod(lambda low, high, shape: np.full(shape, high))

    return Highest()


# --- batches ---


def epoch_of(dataset):
    return [dataset[index] for index in range(len(dataset))]


def numbered(count, bands=1):
    """Patches whose pixels all hold the number of their patch."""
    return np.broadcast_to(
        np.arange(count, dtype=np.uint16)[:, None, None, None], (count, 64, 64, bands)
    ).copy()


def test_each_patch_comes_once_an_epoch_and_the_last_batch_is_smaller():
    labels = np.arange(10) % 3
    dataset = simple_image_generator(numbered(10), labels=labels, batch_size=4, seed=1)
    assert len(dataset) == 3
    batches = epoch_of(dataset)
    assert [len(patches) for patches, _ in batches] == [4, 4, 2]
    order = np.concatenate([patches[:, 0, 0, 0] for patches, _ in batches])
    assert sorted(order) == list(range(10))
    assert order.tolist() != list(range(10))
    given_labels = np.concatenate([batch_labels for _, batch_labels in batches])
    np.testing.assert_array_equal(given_labels, np.eye(3, dtype=np.float32)[labels[order]])
    assert batches[0][0].dtype == np.uint16
    with pytest.raises(IndexError):
        dataset[3]


def test_epochs_differ_and_can_be_resumed():
    arguments = {
        "labels": np.arange(20) % 2,
        "batch_size": 8,
        "rotation_range": 180,
        "horizontal_flip": True,
    }
    patches = made_patches(20, 13, np.uint16)
    dataset = simple_image_generator(patches, **arguments)
    epochs = []
    for _ in range(3):
        epochs.append(epoch_of(dataset))
        dataset.on_epoch_end()
    assert dataset.epoch == 3
    resumed = simple_image_generator(patches, **arguments)
    resumed.epoch = 2
    backwards = [resumed[index] for index in (2, 1, 0)][::-1]
    for (first, first_labels), (second, second_labels) in zip(epochs[2], backwards, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first_labels, second_labels)
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])
    other_seed = simple_image_generator(patches, **arguments, seed=43)
    assert not np.array_equal(other_seed[0][0], epochs[0][0][0])


@pytest.mark.parametrize("workers", [0, 2])
def test_keras_gets_the_same_batches_whatever_the_workers(workers):
    import keras

    patches, labels = numbered(11), np.arange(11) % 2
    dataset = simple_image_generator(patches, labels=labels, batch_size=4, workers=workers)
    expected = []
    for epoch in range(2):
        dataset.epoch = epoch
        expected.extend(float(batch.mean()) for batch, _ in epoch_of(dataset))
    dataset.epoch = 0
    model, seen = recording_model(keras)
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    assert dataset.epoch == 2
    assert seen == pytest.approx(expected)
    dataset.epoch = 0
    seen.clear()
    model.fit(dataset, epochs=2, shuffle=False, verbose=0)
    assert seen == pytest.approx(expected)


def recording_model(keras):
    """Return a model, and the mean pixel of each batch that it is trained on."""
    seen = []

    class Recording(keras.Sequential):
        def train_step(self, *arguments):
            data = arguments[-1]
            seen.append(float(np.mean(np.asarray(data[0]))))
            return super().train_step(*arguments)

    layers = [keras.Input((64, 64, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = Recording(layers)
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    return model, seen


def test_files_are_read_in_their_order_without_shuffling(tmp_path):
    files = []
    for number, name in enumerate(["Forest", "River", "Forest"]):
        path = tmp_path / name / f"{name}_{number}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.full((64, 64, 13), number, np.uint16), planarconfig="contig")
        files.append(path)
    classes = {"Forest": 0, "River": 1}
    dataset = simple_image_generator(files, classes, batch_size=2, shuffle=False)
    batches = epoch_of(dataset)
    assert [patches[:, 0, 0, 0].tolist() for patches, _ in batches] == [[0, 1], [2]]
    np.testing.assert_array_equal(batches[0][1], [[1, 0], [0, 1]])
    tifffile.imwrite(files[1], np.zeros((64, 64, 3), np.uint16), photometric="rgb")
    with pytest.raises(ValueError, match=r"River_1\.tif.*all patches must be alike"):
        dataset[0]


def test_sample_weights_go_along_with_their_patches():
    weights = np.arange(6) / 10
    dataset = simple_image_generator(
        numbered(6), labels=np.zeros(6, int), sample_weights=weights, batch_size=6
    )
    patches, _, given_weights = dataset[0]
    np.testing.assert_allclose(given_weights, weights[patches[:, 0, 0, 0]], rtol=1e-6)


def test_mosaic_lays_patches_out_with_their_labels():
    count = 10
    dataset = simple_image_generator(
        numbered(count, 2),
        labels=np.arange(count),
        sample_weights=np.arange(count),
        batch_size=8,
        mosaic=2,
        seed=3,
    )
    order = dataset.order()
    whole, last = epoch_of(dataset)
    images, labels, weights = whole
    assert images.shape == (2, 128, 128, 2)
    assert labels.shape == (2, 2, 2, count)
    assert weights.shape == (2, 2, 2)
    centres = images[:, 32::64, 32::64, 0]
    np.testing.assert_array_equal(centres.ravel(), order[:8])
    np.testing.assert_array_equal(labels.argmax(axis=-1), centres)
    np.testing.assert_array_equal(weights, centres)
    # Ten patches are two mosaics and two patches; the first of the epoch complete the third.
    np.testing.assert_array_equal(
        last[0][0, ::64, ::64, 0].ravel(), np.concatenate([order[8:], order[:2]])
    )


def test_mixup_blends_patches_labels_and_weights_alike():
    count = 8
    dataset = simple_image_generator(
        numbered(count),
        labels=np.arange(count),
        sample_weights=np.arange(count),
        batch_size=count,
        mixup=0.4,
    )
    patches, labels, weights = dataset[0]
    assert patches.dtype == labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(patches[:, 0, 0, 0], labels @ np.arange(count), rtol=1e-5)
    np.testing.assert_allclose(patches[:, 0, 0, 0], weights, rtol=1e-5)
    assert ((labels > 0).sum(axis=1) == 2).any()


def test_generator_refuses_what_does_not_fit():
    patches = numbered(4)
    with pytest.raises(ValueError, match="class_indices with a list of files"):
        simple_image_generator(patches)
    with pytest.raises(ValueError, match="4 patches, but 3 labels"):
        simple_image_generator(patches, labels=[0, 1, 0])
    with pytest.raises(ValueError, match="multiple of 4"):
        simple_image_generator(patches, labels=[0, 1, 0, 1], batch_size=6, mosaic=2)
    with pytest.raises(ValueError, match="no patches"):
        simple_image_generator(patches[:0], labels=[])
    with pytest.raises(ValueError, match="sample_weights"):
        simple_image_generator(patches, labels=[0, 1, 0, 1], sample_weights=[1])


def test_labels_may_be_shares_and_classes_may_be_absent():
    shares = np.array([[0.2, 0.8], [1, 0]])
    dataset = simple_image_generator(numbered(2), labels=shares, shuffle=False)
    np.testing.assert_allclose(dataset[0][1], shares, rtol=1e-6)
    classes = {"a": 0, "b": 1, "c": 2}
    dataset = simple_image_generator(numbered(2), classes, labels=[0, 1], shuffle=False)
    assert dataset[0][1].shape == (2, 3)


# --- statistics ---


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_pooled_statistics_equal_numpy(count, bands, dtype, seed, one_by_one):
    rng = np.random.default_rng(seed)
    highest = rng.integers(1, np.iinfo(dtype).max)
    patches = rng.integers(0, highest, (count, 5, 4, bands), endpoint=True).astype(dtype)
    names = [f"b{band}" for band in range(bands)]
    values = pooled_statistics(iter(patches) if one_by_one else patches, names)
    pixels = patches.reshape(-1, bands).astype(np.float64)
    np.testing.assert_allclose(values["mean"], pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(values["std"], pixels.std(axis=0), rtol=1e-9, atol=1e-9)
    assert values["min"] == pixels.min(axis=0).tolist()
    assert values["max"] == pixels.max(axis=0).tolist()
    assert list(values["percentiles"]) == ["0.1", "1", "50", "99", "99.9"]
    for percent, found in values["percentiles"].items():
        expected = np.percentile(pixels, float(percent), axis=0)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
    assert values["count"] == len(pixels)
    assert values["units"] == ("rgb8" if dtype == np.uint8 else "DN")


def test_pooled_statistics_refuse_other_bands_and_nothing():
    with pytest.raises(ValueError, match="of 2 bands, got uint8 of 3 bands"):
        pooled_statistics(made_patches(), ["a", "b"])
    with pytest.raises(ValueError, match="no patches"):
        pooled_statistics([], ["a"])


def test_usable_cores():
    assert 1 <= image_functions.usable_cores() <= (os.cpu_count() or 1)
