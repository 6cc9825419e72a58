# %% [markdown]
# # More than one class
#
# The other notebooks give a window of 640 m one class. Here are the two ways past that:
#
# 1. [`11_train_segmentation.py`](../11_train_segmentation.py): a class for **every pixel**, so that a
#    road is a line,
# 2. [`10_train_multilabel.py`](../10_train_multilabel.py): **several labels** for a patch of 1.2 km, as
#    in BigEarthNet.
#
# Both learn from made land, because its truth is known: what they reach here says that the way works,
# and nothing about real places.

# %%
# In Colab, run these lines first (remove the #). This was not tried in Colab.
# # !git clone https://github.com/OWNER/REPOSITORY landuse-repository  # put its address here
# # %cd landuse-repository
# # !apt-get install -q -y libgdal-dev
# # !pip install -q -r requirements.txt pyarrow "gdal[numpy]==$(gdal-config --version).*"

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

from landuse import files, sensors
from landuse.mapping import several_labels
from landuse.multilabel import ben_listing, patch_store
from landuse.networks import model_files
from landuse.outputs import class_colours, map_layers
from landuse.rasters import reading

# %% tags=["parameters"]
EPOCHS_PIXELS = 10  # passes of script 11
TILES = 120  # drawn in each of them
EPOCHS_LABELS = 12  # passes of script 10
MADE = 250  # patches with several labels, 25 from each made scene
BATCH_SIZE = 16  # of these per step
STRIDE = 16  # px from one cell of the probability map to the next
PATH_TO_DATA = "data"  # scenes and patches lie here, or are put here
PATH_TO_RUNS = "runs"  # models lie here
PATH_TO_MAPS = "maps"  # maps go there
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()
SAMPLE = Path(PATH_TO_DATA) / "sample"
Path(PATH_TO_RUNS).mkdir(exist_ok=True)
Path(PATH_TO_MAPS).mkdir(exist_ok=True)

# %% [markdown]
# ## A class for every pixel
#
# Training data are scenes, and beside each a raster that says what every pixel is. An encoder, one of
# the networks of the other scripts, is followed by a decoder that brings its answers back to the pixels.

# %%
pixels_script = importlib.import_module("11_train_segmentation")
scenes = [str(SAMPLE / "pixel_maps" / f"scene_{number}.tif") for number in (1, 2, 3)]
pixels_script.PATH_TO_SCENES = scenes
pixels_script.PATH_TO_LABELS = [scene.replace(".tif", "_truth.tif") for scene in scenes]
pixels_script.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_pixels"
pixels_script.EPOCHS = EPOCHS_PIXELS
pixels_script.TILES = TILES
pixels_script.main()

# %% [markdown]
# Script 06 maps with its model, another place. `STRIDE` does not count: each pixel has its own class.

# %%
classify = importlib.import_module("06_classify_image")
classify.PATH_TO_IMAGE = str(SAMPLE / "scene.tif")
classify.PATH_TO_MODEL = f"{pixels_script.PATH_TO_RUN}/model.keras"
classify.PATH_TO_LABEL_IMAGE = f"{PATH_TO_MAPS}/pixels_label.tif"
classify.REPLACE = True
classify.main()

# %%
labels, about_map = reading.read_raster(classify.PATH_TO_LABEL_IMAGE)
truth, about_truth = reading.read_raster(SAMPLE / "scene_pixel_truth.tif")
scene, _ = reading.read_raster(SAMPLE / "scene.tif")
names = model_files.read_record(classify.PATH_TO_MODEL)["class_names"]
names_of_truth = [about_truth.metadata[f"CLASS_{index}"] for index in range(10)]
colours = class_colours.colours_of(names)
order = np.full(256, 255, np.uint8)
order[:10] = [names.index(name) for name in names_of_truth]
figure, axes = plt.subplots(1, 3, figsize=(14, 5), layout="constrained")
axes[0].imshow(map_layers.natural_colour(scene[..., [3, 2, 1]]))
axes[1].imshow(map_layers.paint(order[truth], colours))
axes[2].imshow(map_layers.paint(labels, colours))
for panel, title in zip(axes, ("scene", "truth of each pixel", "map"), strict=True):
    panel.set_title(title)
    panel.set_axis_off()
plt.show()
print(f"right: {100 * np.mean(labels == order[truth]):.1f} % of the pixels of a place never seen")

# %% [markdown]
# ## Several labels a patch
#
# BigEarthNet's patches are 120x120 px, in twelve files each, and most show several classes. These here
# are made, in the same layout; with the real ones in `PATH_TO_PATCHES`, leave `MADE` at 0.

# %%
labels_script = importlib.import_module("10_train_multilabel")
labels_script.PATH_TO_PATCHES = f"{PATH_TO_DATA}/notebook_bigearthnet_{MADE}"
labels_script.MADE = MADE
labels_script.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_labels"
labels_script.EPOCHS = EPOCHS_LABELS
labels_script.BATCH_SIZE = BATCH_SIZE
labels_script.main()

# %% [markdown]
# Four patches, as they were packed: all twelve bands at 10 m, and their labels.

# %%
listing = ben_listing.list_patches(labels_script.PATH_TO_PATCHES)
store = patch_store.open_store(listing, sensors.chosen_bands("L2A"))
chosen = np.linspace(0, len(store) - 1, 4).astype(int)
rgb = [patch_store.BANDS.index(band) for band in sensors.BANDS_RGB]
figure, axes = plt.subplots(1, 4, figsize=(14, 4.4), layout="constrained")
for panel, position, patch in zip(axes, chosen, store[chosen], strict=True):
    panel.imshow(map_layers.natural_colour(patch[..., rgb]))
    found = np.array(listing.class_names)[listing.labels[position]]
    panel.set_title("\n".join(name[:34] for name in found), fontsize=9)
    panel.set_axis_off()
plt.show()

# %% [markdown]
# How right it is on the patches that were kept back, for each class that is there, and which share of
# them has it. The threshold is the one with the highest F1 on the validation part.

# %%
report = files.read_json(Path(labels_script.PATH_TO_RUN) / "report.json")
print(f"{'class':50} {'patches':>7} {'F1':>6} {'threshold':>9}")
for name, row in report["per_class"].items():
    if row["patches"]:
        print(f"{name:50} {row['patches']:7} {row['f1']:6.2f} {row['threshold']:9.2f}")
guess = report["guessing"]
print(
    f"macro F1 {report['macro_f1']['value']:.3f}; the same labels for all patches reach "
    f"{guess['macro_f1']:.3f}"
)

# %% [markdown]
# Script 06 gives each cell the probability of every class in the 1.2 km around it.

# %%
classify.PATH_TO_MODEL = f"{labels_script.PATH_TO_RUN}/model.keras"
classify.PATH_TO_LABEL_IMAGE = f"{PATH_TO_MAPS}/labels_label.tif"
classify.STRIDE = STRIDE
classify.main()

# %%
probabilities, about = reading.read_raster(f"{PATH_TO_MAPS}/labels_probability.tif")
record = model_files.read_record(classify.PATH_TO_MODEL)
thresholds = several_labels.thresholds_of(record)
shown = [name for name, row in report["per_class"].items() if row["patches"]][:8]
figure, axes = plt.subplots(2, 4, figsize=(14, 7), layout="constrained", squeeze=False)
for panel, name in zip(axes.flat, shown, strict=False):
    index = list(about.band_names).index(name)
    image = panel.imshow(probabilities[..., index], vmin=0, vmax=100, cmap="viridis")
    panel.set_title(f"{name[:30]}\n(label from {100 * thresholds[index]:.0f} % on)", fontsize=9)
for panel in axes.flat:
    panel.set_axis_off()
figure.colorbar(image, ax=axes, label="probability, %", shrink=0.6)
plt.show()
