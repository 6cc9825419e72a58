# %% [markdown]
# # Classify a scene
#
# Now the trained network makes a map. This notebook runs script 06,
# [`06_classify_image.py`](../06_classify_image.py), and looks at what comes out:
#
# 1. the scene, and the map over it,
# 2. how sure the network is, and where it is not,
# 3. how much of each class there is,
# 4. for the built-in sample, where the truth is known: how much is right.

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
from matplotlib.patches import Patch

import image_functions
from landuse.evaluation import map_accuracy
from landuse.outputs import class_colours, map_layers
from landuse.patches import class_folders
from landuse.rasters import reading, reference_systems
from landuse.scenes import opening, thinning

# %% [markdown]
# ## What to map
#
# The built-in scene needs no download. For a real one, put the path of a Sentinel-2 product (a `.SAFE`
# folder or a `.SAFE.zip`) into `PATH_TO_SCENE`, and take a model that was trained on real patches.

# %% tags=["parameters"]
DATASET = "sample"  # or "EuroSAT_MS": 27,000 real patches; they are downloaded once (2.1 GB)
NETWORK = "ResNet9"  # DATASET, NETWORK, EPOCHS and BATCH_SIZE: as in Train_from_Scratch
EPOCHS = 12
BATCH_SIZE = 32
PATH_TO_SCENE = None  # a product or a GeoTIFF; None: the scene of the sample
STRIDE = 8  # px from one cell of the map to the next: 8 gives one for each 80 m
PATH_TO_DATA = "data"  # patches lie here, or are put here
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
for name in {"sample", DATASET}:
    get_data.DATASET = name
    get_data.main()

# %%
folder = Path(PATH_TO_DATA) / DATASET
split = importlib.import_module("01_split_data_to_train_and_validation")
split.PATH_TO_ALL_IMAGES = str(folder / "EuroSAT_MS" if DATASET == "sample" else folder)
split.PATH_TO_SPLIT_DATASETS = str(
    folder / "split_MS" if DATASET == "sample" else Path(PATH_TO_DATA) / "split_MS"
)
split.main()

train = importlib.import_module("05_train_ms_from_scratch")
train.PATH_TO_SPLIT_DATASETS = split.PATH_TO_SPLIT_DATASETS
train.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_{{network}}_{DATASET}"
train.NETWORK = NETWORK
train.EPOCHS = EPOCHS
train.BATCH_SIZE = BATCH_SIZE
train.main()

# %% [markdown]
# ## A single patch
#
# Given an image of exactly 64x64 px, script 06 names its class. The numbers are how sure the network is
# among the classes that it knows.

# %%
classify = importlib.import_module("06_classify_image")
classify.PATH_TO_MODEL = f"{PATH_TO_RUNS}/notebook_{NETWORK}_{DATASET}/model.keras"
validation = class_folders.find_images(f"{split.PATH_TO_SPLIT_DATASETS}/validation")
classify.PATH_TO_IMAGE = [str(validation[name][0]) for name in ("Forest", "River")]
classify.main()

# %% [markdown]
# ## The scene
#
# Script 06 opens products, GeoTIFFs and folders of bands. It finds the bands by their names, and knows
# the offset that newer products carry. Here we open the scene ourselves to look at it.

# %%
scene_path = Path(PATH_TO_SCENE or Path(PATH_TO_DATA) / "sample" / "scene.tif")
with opening.open_scene(scene_path, image_functions.BANDS_RGB) as scene:
    print(scene.name, f"{scene.rows} x {scene.columns} px,", reference_systems.crs_name(scene.crs))
    step = -(-max(scene.rows, scene.columns) // 700)  # thinned, if it is large
    dn = thinning.read_thinned(scene.read, (0, 0, scene.rows, scene.columns), step)
picture = map_layers.natural_colour(dn)

# %%
figure, axes = plt.subplots(figsize=(7, 7), dpi=80, layout="constrained")
axes.imshow(picture)
axes.axis("off");

# %% [markdown]
# ## Script 06: the map
#
# Each cell of the map gets the class of the 64x64 window around it. At the edge of the scene, its
# mirror image stands in for what lies beyond.

# %%
Path(PATH_TO_MAPS).mkdir(parents=True, exist_ok=True)
classify.PATH_TO_IMAGE = str(scene_path)
classify.PATH_TO_LABEL_IMAGE = f"{PATH_TO_MAPS}/notebook_{{product}}_label.tif"
classify.PATH_TO_PROB_IMAGE = f"{PATH_TO_MAPS}/notebook_{{product}}_probability.tif"
classify.STRIDE = STRIDE
classify.main()

# %%
labels, about_labels = reading.read_raster(classify.PATH_TO_LABEL_IMAGE.format(product=scene.name))
percent, _ = reading.read_raster(classify.PATH_TO_PROB_IMAGE.format(product=scene.name))
class_names = list(validation)
colours = np.array([*class_colours.colours_of(class_names), *[(255, 255, 255)] * 256], np.uint8)[:256]
print(f"the map has {labels.shape[0]} x {labels.shape[1]} cells of {about_labels.geotransform[1]:g} m")

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 6.6), dpi=80, layout="constrained")
extent = (0, picture.shape[1], picture.shape[0], 0)
for axes, opacity in zip(panels, (1.0, 0.45)):
    axes.imshow(picture, extent=extent)
    axes.imshow(colours[labels], extent=extent, alpha=opacity)
    axes.axis("off")
legend = [
    Patch(facecolor=colour / 255, edgecolor="0.5", label=f"{number} {name}")
    for number, (name, colour) in enumerate(zip(class_names, colours))
]
figure.legend(handles=legend, ncols=5, loc="outside lower center", frameon=False);

# %% [markdown]
# Left the map, right the map over the scene. Borders are round, and narrow things are wide: a window
# is 640 m wide, and the network was asked what *fills* it.
#
# Beside the map lies a page to look around in, `maps/notebook_scene.html`: open it in a browser. In
# QGIS, the map has its names and colours.
#
# ## How sure is the network?
#
# Light is sure, dark is not. Along borders, two classes share a window, and the network has to choose.
# A high probability is no proof: it only weighs the classes that the network knows.

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 5), dpi=80, layout="constrained", width_ratios=(1.25, 1))
shown = panels[0].imshow(np.ma.masked_equal(percent, 255), cmap="viridis", vmin=0, vmax=100)
panels[0].axis("off")
figure.colorbar(shown, ax=panels[0], label="probability of the class, %")
panels[1].hist(percent[percent != 255], bins=20, range=(0, 100))
panels[1].set(xlabel="probability of the class, %", ylabel="cells of the map")
panels[1].spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## How much of each class?

# %%
with open(f"{PATH_TO_MAPS}/notebook_{scene.name}_areas.csv", newline="") as file:
    for row in csv.reader(file):
        print("  ".join(f"{value:>22}" for value in row))

# %% [markdown]
# ## Is it right?
#
# For the built-in scene the truth is known for each pixel. The right answer for a window is the class
# that covers most of it. Where one class fills at least 80 % of the window, the network should nearly
# always be right; elsewhere there is no really right answer. (For a real scene there is no truth here:
# look at the map, and compare it with what you know of the place.)

# %%
if PATH_TO_SCENE is None:
    truth, _ = reading.read_raster(scene_path.with_name("scene_truth.tif"))
    majority, share = map_accuracy.window_majority(truth, STRIDE)
    filled, overall = map_accuracy.accuracy(labels, truth, STRIDE)
    print(f"{100 * filled:.1f} % right where one class fills the window, {100 * overall:.1f} % overall")

    figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), dpi=72, layout="constrained")
    wrong = np.where((labels == majority)[..., np.newaxis], 235, (200, 30, 30)).astype(np.uint8)
    titles = ("truth, window by window", "map", "red: the map is wrong")
    for axes, title, values in zip(panels, titles, (colours[majority], colours[labels], wrong)):
        axes.imshow(values)
        axes.set_title(title, loc="left", fontsize=10)
        axes.axis("off")

# %% [markdown]
# ## Go on
#
# The [README](../README.md) tells how to get a Sentinel-2 product, and how to read its map.
