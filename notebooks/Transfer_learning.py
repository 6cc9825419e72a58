# %% [markdown]
# # Transfer learning
#
# A network that has learned much learns the next thing faster. This notebook runs script 02,
# [`02_train_rgb_finetuning.py`](../02_train_rgb_finetuning.py): it takes a network with what it has
# learned, puts a new top on it, and goes on with few patches. We
#
# - put aside a handful of patches of five classes,
# - take the network that comes along, which learned from real land
#   ([its card](../models/eurosat_rgb.md)),
# - fine-tune it on the few, by the eight steps of the talk that this repository follows,
# - compare with the same network that learns them from nothing.
#
# That is just what you would do with a few patches of your own classes.

# %%
# In Colab, run these lines first (remove the #). This was not tried in Colab.
# # !git clone https://github.com/OWNER/REPOSITORY landuse-repository  # put its address here
# # %cd landuse-repository
# # !apt-get install -q -y libgdal-dev
# # !pip install -q -r requirements.txt "gdal[numpy]==$(gdal-config --version).*"

# %%
import contextlib
import importlib
import os
import shutil
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
from IPython.display import Image, display

import image_functions
from landuse import command_line, files
from landuse.evaluation import report_figures
from landuse.patches import class_folders, split_folders

# %% [markdown]
# ## The constants of script 02
#
# These are its defaults; each is used by its name further down.

# %%
# cut 02_train_rgb_finetuning: constants

# %% [markdown]
# ## What to train
#
# The patches are of the built-in sample: a made landscape, which no network has seen before. With
# `WEIGHTS = "imagenet"`, Keras downloads weights that were learned on a million photographs; take those
# for `DATASET = "EuroSAT_RGB"`, because the network that comes along knows its patches already. The path
# of any `model.keras` of yours is fine, too.

# %% tags=["parameters"]
DATASET = "sample"  # or "EuroSAT_RGB": 27,000 real patches; they are downloaded once (95 MB)
WEIGHTS = "eurosat_rgb"  # the model that comes along; or "imagenet", or the path of a model.keras
NETWORK = "MobileNetV2"  # that of WEIGHTS; with "imagenet" also "DenseNet201", "ResNet50", "VGG16"
CLASSES = ["AnnualCrop", "Forest", "Highway", "PermanentCrop", "Residential"]
FEW = 20  # patches to train with, of each class; four times as many are to validate
EPOCHS_TOP = 8  # of fine-tuning: only the new top learns
EPOCHS = 12  # of fine-tuning: all but the first block learns
BATCH_SIZE = 20  # patches per step
PATH_TO_DATA = "data"  # patches lie here, or are put here
PATH_TO_RUNS = "runs"  # models go there
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %% [markdown]
# ## A few patches
#
# Script 00 gets the patches. Then we copy some of them to a folder for each class, as one would put
# together data of one's own.

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.DATASET = DATASET
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()

# %%
folder = Path(PATH_TO_DATA) / DATASET
images = class_folders.find_images(folder / "EuroSAT_RGB" if DATASET == "sample" else folder)
work = Path(PATH_TO_DATA) / f"notebook_transfer_{DATASET}"
for name in CLASSES:
    (work / "patches" / name).mkdir(parents=True, exist_ok=True)
    for file in images[name][: 5 * FEW]:
        shutil.copy(file, work / "patches" / name)

# %% [markdown]
# Script 01 splits them. Only one in five is for training.

# %%
split = importlib.import_module("01_split_data_to_train_and_validation")
split.PATH_TO_ALL_IMAGES = str(work / "patches")
split.PATH_TO_SPLIT_DATASETS = str(work / "split")
split.FRACTION_VALIDATION = 0.8
split.main()

# %% [markdown]
# Half of what the network will see of the made landscape:

# %%
few = class_folders.find_images(work / "split" / "train")
figure, panels = plt.subplots(len(few), 10, figsize=(10, 5.4), dpi=72, layout="constrained")
for row, (name, members) in zip(panels, few.items()):
    for axes, file in zip(row, members):
        axes.imshow(image_functions.read_patch(file))
    row[0].text(-8, 32, name, ha="right", va="center", fontsize=10)
for axes in panels.flat:
    axes.axis("off")

# %% [markdown]
# ## Script 02: the recipe
#
# First the network is frozen and only the new top learns: its weights are random, and what they send
# back would spoil what the network knows. Then all but the first block is set free and learns on,
# slowly. The first block sees edges and colours, which are the same everywhere. Normalisation layers
# keep their averages all the time.

# %%
PATH_TO_SPLIT_DATASETS = str(work / "split")
PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_transfer_{NETWORK}_{DATASET}"

# %%
# cut 02_train_rgb_finetuning: start

# %%
# cut 02_train_rgb_finetuning: 1

# %%
# cut 02_train_rgb_finetuning: 2

# %%
model.summary()

# %%
# cut 02_train_rgb_finetuning: 3

# %% [markdown]
# The first batch as the network will see it: the patches above, turned and mirrored.

# %%
figure, panels = plt.subplots(1, 10, figsize=(10, 1.2), dpi=72, layout="constrained")
for axes, patch in zip(panels, train[0][0]):
    axes.imshow(patch.astype(np.uint8))
    axes.axis("off")

# %%
# cut 02_train_rgb_finetuning: 4

# %%
# cut 02_train_rgb_finetuning: 5

# %% [markdown]
# What learns now is the new top alone:

# %%
print([weight.path for weight in model.trainable_weights])

# %%
# cut 02_train_rgb_finetuning: 6

# %% [markdown]
# How far the top alone comes:

# %%
report_figures.draw_learning_curves(run.state.history)

# %%
# cut 02_train_rgb_finetuning: 7

# %%
free = [layer.name for layer in learned.base.layers if layer.trainable and layer.weights]
print(f"{len(free)} layers of the network learn now, the first is {free[0]}")

# %%
# cut 02_train_rgb_finetuning: 8

# %%
# cut 02_train_rgb_finetuning: end

# %% [markdown]
# The dotted line in the learning curves is where the network was set free.

# %%
report_figures.draw_learning_curves(f"{PATH_TO_RUN}/history.csv")

# %% [markdown]
# ## From nothing, for comparison
#
# The same network, the same few patches, as many epochs, but random weights, by script 03.

# %%
from_scratch = importlib.import_module("03_train_rgb_from_scratch")
from_scratch.NETWORK = NETWORK
from_scratch.BATCH_SIZE = BATCH_SIZE
from_scratch.PATH_TO_SPLIT_DATASETS = PATH_TO_SPLIT_DATASETS
from_scratch.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_transfer_nothing_{NETWORK}_{DATASET}"
from_scratch.EPOCHS = EPOCHS_TOP + EPOCHS
from_scratch.main()

# %%
figure, axes = plt.subplots(figsize=(7, 3.6), dpi=80, layout="constrained")
folders = {"fine-tuned": PATH_TO_RUN, "from scratch": from_scratch.PATH_TO_RUN}
for name, folder in folders.items():
    accuracy = 100 * report_figures.history_columns(f"{folder}/history.csv")["val_accuracy"]
    axes.plot(np.arange(1, 1 + len(accuracy)), accuracy, marker="o", markersize=3.5, label=name)
axes.set(xlabel="epoch", ylabel="validation accuracy in %", ylim=(0, 101))
axes.axhline(100 / len(few), color="0.6", linestyle=":", label="guessing")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False);
# %%
for name, folder in folders.items():
    value = files.read_json(f"{folder}/report.json")["accuracy"]
    low, middle, high = (100 * value[key] for key in ("low", "value", "high"))
    print(f"{name:13} {middle:.1f} % of the validation patches are right ({low:.1f} to {high:.1f})")

# %% [markdown]
# The numbers in brackets hold 95 % of what chance does to so many patches. One training is one draw:
# with another seed both would come out a little different.
#
# The network that knows real land is far ahead from the second epoch on, although it never saw this made
# landscape. What counts is what it has learned: in an earlier version of this page, one that had seen a few
# hundred made patches of five other classes did worse than one that began with nothing. On real
# patches of 13 bands, 144 to train with, one that had learned from 17,108 real RGB patches reached
# 92.6 % where learning from nothing reached 60.6 %
# ([`benchmarks/transfer.py`](../benchmarks/transfer.py)). So compare, as we did here, before you trust
# either.
#
# ## What is confused
#
# Each row is a true class of the fine-tuned network's validation patches.

# %%
display(Image(f"{PATH_TO_RUN}/confusion_matrix.png", width=480))

# %% [markdown]
# ## Go on
#
# Script 04 does the same with 13 bands: [`04_train_ms_finetuning.py`](../04_train_ms_finetuning.py) mixes
# them to three, [the alternative](../04_train_ms_finetuning_alternative.py) makes the first layer of
# the network take all of them. [Classify_a_scene](Classify_a_scene.ipynb) makes a map.
