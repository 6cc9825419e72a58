# %% [markdown]
# # Patches of Sentinel-2
#
# Before a network learns, we look at what it learns from: small square pieces of satellite images,
# *patches*, each with the name of a class. This notebook shows
#
# 1. patches of each class, and what they look like to the satellite in all 13 bands,
# 2. how true colours are made from the numbers of the satellite,
# 3. what augmentation does to a patch,
# 4. how batches of patches come to the network,
# 5. the statistics that the network's first layer normalises by.
#
# All functions come from [`image_functions.py`](../image_functions.py) and the folder
# [`landuse`](../landuse). Nothing is defined here again, so what you see is what the training does.

# %%
# In Colab, run these lines first (remove the #). This was not tried in Colab.
# # !git clone https://github.com/OWNER/REPOSITORY landuse-repository  # put its address here
# # %cd landuse-repository
# # !apt-get install -q -y libgdal-dev
# # !pip install -q -r requirements.txt "gdal[numpy]==$(gdal-config --version).*"

# %%
import importlib
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is quiet

# The repository: above this notebook, wherever Jupyter was started.
start = Path(os.environ.get("JPY_SESSION_NAME", "notebook")).resolve()
ROOT = next(folder for folder in start.parents if (folder / "image_functions.py").is_file())
os.chdir(ROOT)
sys.path.append(str(ROOT))  # at its end: the standard library's statistics comes first

import matplotlib.pyplot as plt
import numpy as np

import image_functions
from landuse.patches import class_folders

# %% [markdown]
# ## What to look at
#
# The built-in sample is a made landscape. It needs no download. One constant switches to the real
# thing.

# %% tags=["parameters"]
DATASET = "sample"  # or "EuroSAT_MS": 27,000 real patches; they are downloaded once (2.1 GB)
PATH_TO_DATA = "data"  # it lies here, or is put here
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.DATASET = DATASET
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()

# %%
folder = Path(PATH_TO_DATA) / DATASET
images = class_folders.find_images(folder / "EuroSAT_MS" if DATASET == "sample" else folder)
for number, (name, files) in enumerate(images.items()):
    print(f"{number}  {name:22} {len(files):6,} patches, such as {files[0].name}")

# %% [markdown]
# ## One patch
#
# A patch has 64 rows, 64 columns and 13 bands. A pixel is 10 m wide, so a patch shows 640 m by
# 640 m of land. Its numbers are *digital numbers* (DN): 10,000 means that all light came back.

# %%
patch = image_functions.read_patch(images["River"][0])
print(patch.shape, patch.dtype, f"{patch.min()} to {patch.max()} DN")

# %% [markdown]
# Each band looks at another colour of light, and most of them at colours that we cannot see. Mind
# the order: in EuroSAT files **B8A comes last**. In a Sentinel-2 product it comes after B08. That
# is the most frequent mistake with these data, so the scripts find bands by their names.

# %%
figure, panels = plt.subplots(2, 7, figsize=(11, 3.6), dpi=80, layout="constrained")
for axes, name, band in zip(panels.flat, image_functions.BANDS_MS, np.moveaxis(patch, -1, 0)):
    axes.imshow(band, cmap="gray")
    axes.set_title(f"{name}, {image_functions.WAVELENGTHS[name]} nm", fontsize=9)
for axes in panels.flat:
    axes.axis("off")

# %% [markdown]
# ## Ten classes
#
# To show a patch as a picture, three of its bands become red, green and blue. With B04, B03 and B02
# we see what our eyes would see. `scale_to_rgb8` brings DN 0 to 2750 to 1 to 255, just as the
# pictures of EuroSAT were made.

# %%
red_green_blue = [image_functions.BANDS_MS.index(name) for name in image_functions.BANDS_RGB]
figure, panels = plt.subplots(len(images), 8, figsize=(9, 11), dpi=72, layout="constrained")
for row, (name, files) in zip(panels, images.items()):
    for axes, file in zip(row, files[:8]):
        pixels = image_functions.read_patch(file)[..., red_green_blue]
        axes.imshow(image_functions.scale_to_rgb8(pixels))
    row[0].text(-8, 32, name, ha="right", va="center", fontsize=10)
for axes in panels.flat:
    axes.axis("off")

# %% [markdown]
# ## Spectra
#
# How bright is a class in each band? The bands are sorted by wavelength here. Plants are dark in
# red (665 nm) and bright from 740 nm on. Water swallows nearly all infrared light. Roofs and
# streets do neither. B10 (1375 nm) is nearly black everywhere: the air swallows that light, which is
# why clouds high up show in it.

# %%
names = sorted(image_functions.BANDS_MS, key=image_functions.WAVELENGTHS.get)
wavelengths = [image_functions.WAVELENGTHS[name] for name in names]
order = [image_functions.BANDS_MS.index(name) for name in names]
figure, panels = plt.subplots(2, 5, figsize=(11, 4.6), dpi=80, layout="constrained", sharey=True)
for axes, (name, files) in zip(panels.flat, images.items()):
    means = np.array([image_functions.read_patch(file).mean(axis=(0, 1)) for file in files[:100]])
    low, middle, high = np.percentile(means[:, order] / 10_000, (10, 50, 90), axis=0)
    axes.fill_between(wavelengths, low, high, alpha=0.25, linewidth=0)
    axes.plot(wavelengths, middle, marker="o", markersize=3)
    axes.set_title(name, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
figure.supxlabel("wavelength in nm", fontsize=10)
figure.supylabel("reflectance", fontsize=10);

# %% [markdown]
# The line is the patch in the middle, the band around it holds 80 % of the patches. Some classes
# can be told by their spectrum alone. Others overlap: a river and a road through fields are mostly
# fields. There the network has to look at shapes.
#
# ## Other combinations of bands
#
# Bands that we cannot see may also be shown, as red, green and blue. Here are the three combinations
# of the EuroSAT paper. A model can be trained on each (`BANDS = "SWIR"`).

# %%
combinations = {
    "RGB": "true colours",
    "CI": "colour infrared: plants are red",
    "SWIR": "short-wave infrared: moist is dark",
}
figure, panels = plt.subplots(3, 5, figsize=(9, 5.8), dpi=72, layout="constrained")
some = [images[name][1] for name in ("AnnualCrop", "Forest", "Industrial", "Residential", "River")]
for row, (combination, meaning) in zip(panels, combinations.items()):
    bands = image_functions.BAND_COMBINATIONS[combination]
    positions = [image_functions.BANDS_MS.index(name) for name in bands]
    pixels = np.array([image_functions.read_patch(file)[..., positions] for file in some])
    low, high = np.percentile(pixels, (1, 99), axis=(0, 1, 2))
    for axes, picture in zip(row, np.clip((pixels - low) / (high - low), 0, 1)):
        axes.imshow(picture)
        axes.axis("off")
    row[0].set_title(f"{', '.join(bands)}: {meaning}", fontsize=10, loc="left")

# %% [markdown]
# ## Augmentation
#
# A field is the same field when it is turned. So each time a patch is shown to the network, it is
# changed a little, and the network sees thousands of patches more than there are. `augment_patches`
# does that with whole arrays of patches: it mirrors them, turns them by any angle, changes their light.
# When a patch is turned, its mirror image comes in from beyond the border.

# %%
patches = image_functions.read_patch(images["Highway"][2])[np.newaxis]
changes = {
    "as it is": {},
    "horizontal_flip": {"horizontal_flip": True},
    "vertical_flip": {"vertical_flip": True},
    "rotation_range = 180": {"rotation_range": 180},
    "symmetries": {"symmetries": True},
    "brightness_range = 0.3": {"brightness_range": 0.3},
    "contrast_range = 0.5": {"contrast_range": 0.5},
}
figure, panels = plt.subplots(len(changes), 7, figsize=(8, 8.4), dpi=72, layout="constrained")
for row, (name, options) in zip(panels, changes.items()):
    for seed, axes in enumerate(row):
        rng = np.random.default_rng(seed)
        changed = image_functions.augment_patches(patches, rng, **options)
        axes.imshow(image_functions.scale_to_rgb8(changed[0][..., red_green_blue]))
        axes.axis("off")
    row[0].text(-8, 32, name, ha="right", va="center", fontsize=9)

# %% [markdown]
# `symmetries` takes the eight ways in which a square can be laid on itself. No pixel is interpolated
# then, so nothing is lost. The training scripts use it by default. Each column is another draw of the
# same random numbers.
#
# ## Batches
#
# `simple_image_generator` gives patches and labels in batches. An epoch shows each patch once. The
# order and the changes depend on the seed, the epoch and the number of the batch alone, so a run can
# be repeated and resumed. The pixels are raw: the normalisation is a layer of the model.

# %%
class_indices = {name: number for number, name in enumerate(images)}
files = [file for members in images.values() for file in members[:40]]
batches = image_functions.simple_image_generator(
    files, class_indices, batch_size=16, rotation_range=45, horizontal_flip=True, seed=1
)
patches, labels = batches[0]
print(f"{len(files)} patches in {len(batches)} batches; the first has {patches.shape} {patches.dtype}")
print("labels", labels.shape, labels.dtype)

# %%
figure, panels = plt.subplots(2, 8, figsize=(10, 3.1), dpi=72, layout="constrained")
for axes, pixels, label in zip(panels.flat, patches, labels):
    axes.imshow(image_functions.scale_to_rgb8(np.asarray(pixels)[..., red_green_blue]))
    axes.set_title(list(images)[label.argmax()], fontsize=8)
    axes.axis("off")

# %% [markdown]
# ## Statistics
#
# Networks learn best from numbers around 0. So the first layer subtracts the mean of each band and
# divides by its standard deviation, both taken over all pixels of the training patches. (The mean of
# the patches' own deviations is something else, and two to four times too small.) Here are the
# numbers of these patches beside those of all 27,000 patches of EuroSAT.

# %%
everything = [file for members in images.values() for file in members]
statistics = image_functions.pooled_statistics(
    (image_functions.read_patch(file) for file in everything), image_functions.BANDS_MS
)
published = image_functions.EUROSAT_STATISTICS
print("band      mean       std     EuroSAT: mean       std")
for row in zip(*(s[key] for s in (statistics, published) for key in ("mean", "std"))):
    name = image_functions.BANDS_MS[statistics["mean"].index(row[0])]
    print(f"{name:4} {row[0]:9.1f} {row[1]:9.1f} {row[2]:17.1f} {row[3]:9.1f}")

# %% [markdown]
# The array that the network sees behind that layer:

# %%
standardised = image_functions.preprocessing_image_ms(
    patches, statistics["mean"], statistics["std"]
)
print(f"mean {standardised.mean():.2f}, standard deviation {standardised.std():.2f}")

# %% [markdown]
# ## Go on
#
# [Train_from_Scratch](Train_from_Scratch.ipynb) trains a network on these patches.
