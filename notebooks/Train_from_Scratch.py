# %% [markdown]
# # Train a network from scratch
#
# This notebook runs script 05, [`05_train_ms_from_scratch.py`](../05_train_ms_from_scratch.py): a network
# that knows nothing learns to tell ten classes of land use from patches of 13 bands. We
#
# - get patches and split them into a training and a validation part,
# - go through the recipe, part by part, and look at each,
# - look at how the learning went, and at what is still confused.
#
# Everything is done by the scripts of this repository. A script is a module with constants: we set
# them and call its `main()`. The `main()` of script 05 is cut into the parts that it is numbered by,
# which are the eight steps of the talk that this repository follows: stop after each, and look.

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

from landuse import command_line, files
from landuse.networks import model_files
from landuse.patches import patch_pictures, split_folders

# %% [markdown]
# ## The constants of script 05
#
# These are its defaults; each is used by its name further down.

# %%
# cut 05_train_ms_from_scratch: constants

# %% [markdown]
# ## What to train
#
# The built-in sample needs no download, and a small network learns it in minutes without a GPU. For the
# real thing change one constant, `DATASET = "EuroSAT_MS"`. With a GPU, take a larger network too.

# %% tags=["parameters"]
DATASET = "sample"  # or "EuroSAT_MS": 27,000 real patches; they are downloaded once (2.1 GB)
NETWORK = "ResNet9"  # small and quick; or "VGG16", "DenseNet201", "ResNet50"
EPOCHS = 12  # how often each training patch is shown
BATCH_SIZE = 32  # patches per step
PATH_TO_DATA = "data"  # patches lie here, or are put here
PATH_TO_RUNS = "runs"  # models go there
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %% [markdown]
# ## Scripts 00 and 01: patches, and the split
#
# A network is always right about patches that it knows by heart. So it is measured on others: three
# in ten patches of each class are held back for validation.

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.DATASET = DATASET
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()

# %%
folder = Path(PATH_TO_DATA) / DATASET
split = importlib.import_module("01_split_data_to_train_and_validation")
split.PATH_TO_ALL_IMAGES = str(folder / "EuroSAT_MS" if DATASET == "sample" else folder)
split.PATH_TO_SPLIT_DATASETS = str(
    folder / "split_MS" if DATASET == "sample" else Path(PATH_TO_DATA) / "split_MS"
)
split.main()

# %% [markdown]
# ## Script 05: the recipe
#
# Where the split lies, and where the run goes. If you stop somewhere and start again, the run goes on
# after its last finished epoch.

# %%
PATH_TO_SPLIT_DATASETS = split.PATH_TO_SPLIT_DATASETS
PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_{{network}}_{DATASET}"

# %%
# cut 05_train_ms_from_scratch: start

# %%
# cut 05_train_ms_from_scratch: 1

# %%
# cut 05_train_ms_from_scratch: 2

# %% [markdown]
# The whole model: pixels of 13 bands go in, the probabilities of the classes come out.

# %%
model.summary()

# %%
# cut 05_train_ms_from_scratch: 3

# %% [markdown]
# What the network will see of the first batch: above as the patches are, below as they are changed.
# In the next epoch they are changed in other ways, and in the first half of the epochs it sees them
# at 32 px, which is faster.

# %%
count, order = 8, train.order(0)
figure, panels = plt.subplots(2, count, figsize=(10, 2.7), dpi=72, layout="constrained")
for column, axes in enumerate(panels.T):
    for row, patch in enumerate((data.train.patches[order[column]], train[0][0][column])):
        axes[row].imshow(patch_pictures.patch_in_colours(patch.astype(np.uint16), data.band_names))
        axes[row].axis("off")

# %%
# cut 05_train_ms_from_scratch: 4

# %%
# cut 05_train_ms_from_scratch: 5

# %% [markdown]
# All of it learns:

# %%
count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
print(f"{count:,} of {model.count_params():,} numbers learn")

# %% [markdown]
# `accuracy` and `loss` are those of the training patches (augmented, small at first), `val_accuracy`
# and `val_loss` those of the validation patches, always of 64 px. So the two are far apart in the
# beginning. After each epoch all is saved.

# %%
# cut 05_train_ms_from_scratch: 6

# %% [markdown]
# At its end, the best model is measured on the validation part, and a report is written.

# %%
# cut 05_train_ms_from_scratch: end

# %% [markdown]
# ## Learning curves
#
# Both curves should rise and stay together. When the training goes on rising and the validation
# does not, the network learns its patches by heart: more patches or more augmentation help. When
# both are low, more epochs or a larger network help.

# %%
folder = run.folder
display(Image(folder / "learning_curves.png", width=800))

# %% [markdown]
# ## What the model knows about itself
#
# The model file carries all that a map needs: the classes and bands in their order, the unit of the
# pixels, the statistics of the training patches. The normalisation is its first layer, so it takes
# raw pixels.

# %%
record = model_files.read_record(folder / "model.keras")
for name in ("network", "class_names", "band_names", "units", "patch_size"):
    print(f"{name}: {record[name]}")

# %% [markdown]
# ## What is right, and what is confused
#
# The report on the validation part lies in the run folder.
# (Script 07, [`07_evaluate_model.py`](../07_evaluate_model.py), writes the same for any model and any
# folder of labelled patches.) Each row of the confusion matrix is a true class. Right answers stand on
# the diagonal.

# %%
display(Image(folder / "confusion_matrix.png", width=700))

# %% [markdown]
# These are the patches about which the network was most sure and wrong. Often one understands it.

# %%
display(Image(folder / "worst_confusions.png", width=700))

# %% [markdown]
# Is the network as sure as it is right? Where the bars end below the line, it is too sure.

# %%
display(Image(folder / "reliability.png", width=400))

# %% [markdown]
# The numbers, with intervals that hold 95 % of what chance does:

# %%
report = files.read_json(folder / "report.json")
for name in ("accuracy", "balanced_accuracy", "macro_f1", "kappa"):
    value = report[name]
    print(f"{name:18} {value['value']:.3f}   ({value['low']:.3f} to {value['high']:.3f})")

# %% [markdown]
# ## Go on
#
# [Classify_a_scene](Classify_a_scene.ipynb) makes a map with this model.
# [Transfer_learning](Transfer_learning.ipynb) starts from a network that has learned before.
# Mind that neighbouring patches of EuroSAT look alike: a random split flatters. `SPLIT = "geographic"`
# in script 01 cuts by place.
