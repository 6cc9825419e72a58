# %% [markdown]
# # Check and compare maps
#
# How right is a map, and what has changed between two dates? This notebook maps the two scenes of the
# built-in sample and runs the scripts that answer both:
#
# 1. [`08_check_map.py`](../08_check_map.py) draws places at random, which are labelled without seeing the
#    map, and says from these how much of the map is right;
# 2. [`09_compare_maps.py`](../09_compare_maps.py) says what changed, and how much of that may be false.

# %%
# In Colab, run these lines first (remove the #). This was not tried in Colab.
# # !git clone https://github.com/OWNER/REPOSITORY landuse-repository  # put its address here
# # %cd landuse-repository
# # !apt-get install -q -y libgdal-dev
# # !pip install -q -r requirements.txt "gdal[numpy]==$(gdal-config --version).*"

# %%
import csv
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
from IPython.display import Image, Markdown, display

from landuse.changes import class_groups
from landuse.rasters import reading
from landuse.sample import textures

# %% tags=["parameters"]
NETWORK = "ResNet9"  # NETWORK, EPOCHS and BATCH_SIZE: as in Train_from_Scratch
EPOCHS = 12
BATCH_SIZE = 32
STRIDE = 8  # px from one cell of the maps to the next: 8 gives one for each 80 m
PATH_TO_DATA = "data"  # patches and scenes lie here, or are put here
PATH_TO_RUNS = "runs"  # models lie here
PATH_TO_MAPS = "maps"  # maps go there
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %% [markdown]
# ## The model
#
# If [Train_from_Scratch](Train_from_Scratch.ipynb) was run with the same constants, its model is there
# and script 05 says so at once. Otherwise it is trained now.

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()

split = importlib.import_module("01_split_data_to_train_and_validation")
split.PATH_TO_ALL_IMAGES = f"{PATH_TO_DATA}/sample/EuroSAT_MS"
split.PATH_TO_SPLIT_DATASETS = f"{PATH_TO_DATA}/sample/split_MS"
split.main()

train = importlib.import_module("05_train_ms_from_scratch")
train.PATH_TO_SPLIT_DATASETS = split.PATH_TO_SPLIT_DATASETS
train.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_{{network}}_sample"
train.NETWORK = NETWORK
train.EPOCHS = EPOCHS
train.BATCH_SIZE = BATCH_SIZE
train.main()

# %% [markdown]
# ## Script 06: a map of each date
#
# `scene_later.tif` is the same place in another season. The town has grown, a part of a forest was
# cleared, and the fields bear other crops. To compare maps, the probabilities of all classes are needed.

# %%
classify = importlib.import_module("06_classify_image")
sample = Path(PATH_TO_DATA) / "sample"
Path(PATH_TO_MAPS).mkdir(parents=True, exist_ok=True)
classify.PATH_TO_IMAGE = [str(sample / "scene.tif"), str(sample / "scene_later.tif")]
classify.PATH_TO_MODEL = f"{PATH_TO_RUNS}/notebook_{NETWORK}_sample/model.keras"
classify.PATH_TO_LABEL_IMAGE = f"{PATH_TO_MAPS}/notebook_{{product}}_label.tif"
classify.STRIDE = STRIDE
classify.ALL_PROBABILITIES = True
classify.main()

# %% [markdown]
# ## Script 08: how right is the map?
#
# A map says what it says everywhere; how often it is right can be told from a few hundred places, if
# these were drawn at random. Script 08 draws them: some of each class, the rarest ones too.

# %%
check = importlib.import_module("08_check_map")
check.PATH_TO_MAP = f"{PATH_TO_MAPS}/notebook_scene_label.tif"
check.PATH_TO_IMAGE = str(sample / "scene.tif")
check.main()

# %% [markdown]
# `label.html` shows the windows one by one in true colour and in infrared, without saying what the map
# says. A key names the class and goes on; what was labelled is kept in the browser, and `s` saves a file.
# With a scene of your own, that file is the reference below. The landscape of the sample was made, so here
# its truth can label the same windows: the class that covers most of each.

# %%
folder = Path(PATH_TO_MAPS) / "notebook_scene_check"
truth, info = reading.read_raster(sample / "scene_truth.tif")
left, width, _, top, _, height = info.geotransform
with (folder / "points.csv").open(newline="") as file:
    points = list(csv.DictReader(file))
for point in points:
    row, column = int((float(point["y"]) - top) / height), int((float(point["x"]) - left) / width)
    window = truth[max(row - 32, 0) : row + 32, max(column - 32, 0) : column + 32]
    point["class"] = textures.CLASS_NAMES[np.bincount(window.ravel()).argmax()]
with (folder / "points.csv").open("w", newline="") as file:
    writer = csv.DictWriter(file, points[0].keys())
    writer.writeheader()
    writer.writerows(points)

# %%
check.REFERENCE = str(folder / "points.csv")
check.main()
Image(filename=str(folder / "points" / "report.png"), width=1000)

# %% [markdown]
# Three things to read there:
#
# - **User's accuracy** is for whoever reads the map: how much of what it calls forest is forest.
#   **Producer's accuracy** is for whoever looks for forest: how much of it the map has found.
# - **Areas.** Counting the cells of a map counts its errors too. The sample knows how often each class is
#   taken for which other one, and takes that out; the interval says how well.
# - The lines are 95 % intervals. Four times as many labels halve them. A class of which every point was
#   right has an interval too: 25 points prove little.
#
# Here, the truth of every window is known: is the accuracy of all cells within the interval?

# %%
names = enumerate(textures.CLASS_NAMES)
(folder / "truth_classes.csv").write_text(
    "reference,class\n" + "".join(f"{number},{name}\n" for number, name in names)
)
check.REFERENCE = str(sample / "scene_truth.tif")
check.CLASS_TABLE = str(folder / "truth_classes.csv")
check.main()
check.REFERENCE = check.CLASS_TABLE = None

# %% [markdown]
# ## Script 09: what has changed?

# %%
compare = importlib.import_module("09_compare_maps")
compare.PATH_TO_BEFORE = f"{PATH_TO_MAPS}/notebook_scene_label.tif"
compare.PATH_TO_AFTER = f"{PATH_TO_MAPS}/notebook_scene_later_label.tif"
compare.PATH_TO_CHANGE = f"{PATH_TO_MAPS}/notebook_change.tif"
compare.main()

# %% [markdown]
# The labels of many more cells differ than have changed: along the borders of classes the network
# names a window now one way, now the other. So script 09 looks where the *pixels* changed least and counts
# how many labels differ there: that is the noise of the maps. A difference counts as change only where
# differences are much more frequent than that, and the last line says how much of the change is expected
# to be false all the same.
#
# Beside the map of change lies a page with both dates and a slider between them,
# `maps/notebook_change.html`. This is the picture:

# %%
Image(filename=f"{PATH_TO_MAPS}/notebook_change.png", width=1000)

# %% [markdown]
# And this is the table of its report, in hectares:

# %%
report = Path(f"{PATH_TO_MAPS}/notebook_change.md").read_text()
display(Markdown("\n".join(line for line in report.splitlines() if line.startswith("|"))))

# %% [markdown]
# ## Is the change right?
#
# For the made scenes the truth is known at both dates. Fields count as one group here, too: what grows
# on a field is no change of its use. A cell counts as changed when most of its own 80 m have changed.

# %%
grouped = class_groups.parse_groups(compare.GROUPS, textures.CLASS_NAMES)
before, after = (
    grouped.of_labels(reading.read_raster(sample / f"{name}_truth.tif")[0])
    for name in ("scene", "scene_later")
)
codes, _ = reading.read_raster(compare.PATH_TO_CHANGE)
found = (codes > 0) & (codes != 255)
changed = np.zeros([size * STRIDE for size in found.shape], bool)
changed[: before.shape[0], : before.shape[1]] = before != after
changed = changed.reshape(found.shape[0], STRIDE, found.shape[1], STRIDE).mean((1, 3)) > 0.5
hectares = (10 * STRIDE) ** 2 / 10_000
kinds = {
    "found": (found & changed, (40, 140, 60)),
    "missed": (changed & ~found, (40, 90, 200)),
    "false": (found & ~changed, (200, 40, 40)),
}
for name, (cells, _) in kinds.items():
    print(f"{name:7s} {cells.sum() * hectares:7.1f} ha")

# %%
figure, axes = plt.subplots(figsize=(5.5, 5.5), dpi=80, layout="constrained")
picture = np.full((*found.shape, 3), 235, np.uint8)
for cells, colour in kinds.values():
    picture[cells] = colour
axes.imshow(picture)
axes.set_title("green: found, blue: missed, red: false", loc="left", fontsize=10)
axes.axis("off")
plt.show()

# %% [markdown]
# Most of what is false lies at the rim of what is true: a window is 640 m wide, and what changed in a
# part of it turns the whole. For the same reason a change of less than about 20 ha, half a window, is
# seldom found: one house, or one field, is not.
