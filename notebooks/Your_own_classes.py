# %% [markdown]
# # Your own classes
#
# You have a scene and classes that nobody else has. This notebook goes the whole way:
#
# 1. polygons, drawn where you know what is there,
# 2. [`00_cut_patches.py`](../00_cut_patches.py): patches from them,
# 3. [`01_split_data_to_train_and_validation.py`](../01_split_data_to_train_and_validation.py), so that
#    neighbours are not parted,
# 4. [`03_train_baseline.py`](../03_train_baseline.py): the first model, and the yardstick,
# 5. [`02_train_rgb_finetuning.py`](../02_train_rgb_finetuning.py): a network that has learned before,
# 6. the map, how right it is ([`08_check_map.py`](../08_check_map.py)), and which windows to label next
#    ([`10_choose_windows.py`](../10_choose_windows.py)).
#
# The scene is the made one of the built-in sample, because its truth is known. With yours, draw the
# polygons in QGIS.

# %%
# In Colab, run these lines first (remove the #). This was not tried in Colab.
# # !git clone https://github.com/OWNER/REPOSITORY landuse-repository  # put its address here
# # %cd landuse-repository
# # !apt-get install -q -y libgdal-dev
# # !pip install -q -r requirements.txt "gdal[numpy]==$(gdal-config --version).*"

# %%
import csv
import importlib
import json
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
from matplotlib.patches import Patch, Rectangle

import image_functions
from landuse.outputs import class_colours, map_layers
from landuse.patches import class_folders
from landuse.rasters import point_files, reading

# %% tags=["parameters"]
EPOCHS_TOP = 10  # passes in which only the new top of the network learns
EPOCHS = 8  # passes in which most of it does
BATCH_SIZE = 8  # patches per step; there are few
STRIDE = 16  # px from one cell of the map to the next
POINTS = 100  # windows that are labelled to check the map
PATH_TO_DATA = "data"  # patches lie here, or are put here
PATH_TO_RUNS = "runs"  # models lie here
PATH_TO_MAPS = "maps"  # maps go there
SAMPLE_PATCHES_PER_CLASS = 200  # of the sample; another number needs another PATH_TO_DATA

# %%
get_data = importlib.import_module("00_get_data")  # a name with a number: no import statement
get_data.PATH_TO_DATA = PATH_TO_DATA
get_data.SAMPLE_PATCHES_PER_CLASS = SAMPLE_PATCHES_PER_CLASS
get_data.main()
scene_path = Path(PATH_TO_DATA) / "sample" / "scene.tif"
pixels, about_scene = reading.read_raster(scene_path)
picture = map_layers.natural_colour(pixels[..., [3, 2, 1]])
print(f"{pixels.shape[0]} x {pixels.shape[1]} px of {about_scene.geotransform[1]:g} m")

# %% [markdown]
# ## Polygons
#
# In QGIS: a new GeoPackage layer of polygons with a text attribute `class`. Draw inside what you know,
# not along its border, and in several places of each class. Here the corners are given in pixels
# (upper, left, lower, right) and written as GeoJSON.

# %%
drawn = {
    "Crops": [(0, 470, 180, 640)],
    "Grass": [(10, 130, 180, 250), (240, 470, 400, 640)],
    "Heath": [(240, 130, 400, 310), (450, 500, 640, 640)],
    "Industry": [(450, 330, 640, 470)],
    "Orchard": [(240, 330, 400, 460)],
    "Town": [(440, 120, 640, 310)],
    "Water": [(0, 0, 640, 110), (195, 330, 230, 640)],
    "Woods": [(0, 300, 185, 450)],
}
left, width, _, top, _, height = about_scene.geotransform
features = []
for name, rectangles in drawn.items():
    for first, west, last, east in rectangles:
        corners = [(first, west), (first, east), (last, east), (last, west), (first, west)]
        places = np.array([(left + column * width, top + row * height) for row, column in corners])
        ring = point_files.longitudes_latitudes(places, about_scene.crs).tolist()
        features.append(
            {
                "type": "Feature",
                "properties": {"class": name},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )
labels_path = Path(PATH_TO_DATA) / "notebook_polygons.geojson"
labels_path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))

class_names = sorted(drawn)
colours = np.array([*class_colours.colours_of(class_names), *[(255, 255, 255)] * 256], np.uint8)[:256]
figure, axes = plt.subplots(figsize=(6.6, 6.6), dpi=72, layout="constrained")
axes.imshow(picture)
for name, rectangles in drawn.items():
    colour = colours[class_names.index(name)] / 255
    for first, west, last, east in rectangles:
        frame = Rectangle((west, first), east - west, last - first, fill=False, edgecolor=colour, linewidth=3)
        axes.add_patch(frame)
        axes.text(west + 8, first + 26, name, color="white", backgroundcolor=colour, fontsize=9)
axes.axis("off");

# %% [markdown]
# ## Patches
#
# Windows of 64x64 px that lie in a polygon to one half at least, side by side, without nodata. The
# table `patches.csv` says where each came from.

# %%
cut = importlib.import_module("00_cut_patches")
cut.PATH_TO_IMAGE = str(scene_path)
cut.PATH_TO_LABELS = str(labels_path)
cut.PATH_TO_PATCHES = str(Path(PATH_TO_DATA) / "notebook_patches")
cut.DELETE_OLD_PATCHES = True
cut.main()

# %%
images = class_folders.find_images(cut.PATH_TO_PATCHES)
figure, panels = plt.subplots(1, len(images), figsize=(11, 1.7), dpi=80, layout="constrained")
for axes, (name, members) in zip(panels, images.items()):
    axes.imshow(image_functions.scale_to_rgb8(image_functions.read_patch(members[0]))[..., [3, 2, 1]])
    axes.set_title(name, fontsize=10)
    axes.axis("off")

# %% [markdown]
# ## A split that does not flatter
#
# Neighbouring patches look alike. Parted at random, the model would be asked what it has almost seen.
# `SPLIT = "places"` puts blocks of the ground into one part as a whole, and says how far the parts are
# apart. In a scene of 6 km that is not far: take several scenes if you have them.

# %%
split = importlib.import_module("01_split_data_to_train_and_validation")
split.PATH_TO_ALL_IMAGES = cut.PATH_TO_PATCHES
split.PATH_TO_SPLIT_DATASETS = str(Path(PATH_TO_DATA) / "notebook_split")
split.SPLIT = "places"
split.BLOCK_SIZE = 1300.0
split.DELETE_OLD_PATH_TO_SPLIT_DATASETS = True
split.main()

# %% [markdown]
# ## The yardstick
#
# With so few patches, begin with a linear classifier on fixed measurements. It takes seconds, and says
# what a network has to beat.

# %%
baseline = importlib.import_module("03_train_baseline")
baseline.PATH_TO_SPLIT_DATASETS = split.PATH_TO_SPLIT_DATASETS
baseline.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_own_baseline"
baseline.main()

# %% [markdown]
# ## A network that has learned before
#
# The model that comes with these scripts has learned on true-colour patches of EuroSAT. It gets a new
# top for the new classes. So the same windows are cut once more, as pictures; the split is the same,
# because the places are.

# %%
cut.FORMAT = "jpg"
cut.PATH_TO_PATCHES = str(Path(PATH_TO_DATA) / "notebook_patches_RGB")
cut.main()
split.PATH_TO_ALL_IMAGES = cut.PATH_TO_PATCHES
split.PATH_TO_SPLIT_DATASETS = str(Path(PATH_TO_DATA) / "notebook_split_RGB")
split.main()

# %%
tune = importlib.import_module("02_train_rgb_finetuning")
tune.PATH_TO_SPLIT_DATASETS = split.PATH_TO_SPLIT_DATASETS
tune.PATH_TO_RUN = f"{PATH_TO_RUNS}/notebook_own_finetuned"
tune.WEIGHTS = "models/eurosat_rgb.keras"
tune.EPOCHS_TOP = EPOCHS_TOP
tune.EPOCHS = EPOCHS
tune.BATCH_SIZE = BATCH_SIZE
tune.main()

# %% [markdown]
# ## Two maps

# %%
Path(PATH_TO_MAPS).mkdir(parents=True, exist_ok=True)
classify = importlib.import_module("06_classify_image")
classify.PATH_TO_IMAGE = str(scene_path)
classify.STRIDE = STRIDE
classify.ALL_PROBABILITIES = True
maps = {}
for name, run in (("baseline", baseline.PATH_TO_RUN), ("fine-tuned", tune.PATH_TO_RUN)):
    classify.PATH_TO_MODEL = f"{run}/model.keras"
    classify.PATH_TO_LABEL_IMAGE = f"{PATH_TO_MAPS}/notebook_own_{name}_label.tif"
    classify.PATH_TO_PROB_IMAGE = f"{PATH_TO_MAPS}/notebook_own_{name}_probability.tif"
    classify.main()
    maps[name] = reading.read_raster(classify.PATH_TO_LABEL_IMAGE)[0]

# %%
figure, panels = plt.subplots(1, 2, figsize=(10, 5.6), dpi=72, layout="constrained")
for axes, (name, labels) in zip(panels, maps.items()):
    axes.imshow(picture)
    axes.imshow(colours[labels], alpha=0.6, extent=(0, picture.shape[1], picture.shape[0], 0))
    axes.set_title(name, loc="left")
    axes.axis("off")
legend = [Patch(facecolor=colours[k] / 255, label=name) for k, name in enumerate(class_names)]
figure.legend(handles=legend, ncols=8, loc="outside lower center", frameon=False);

# %% [markdown]
# A road is no class here, so the map calls it something else. A model knows only what it was shown.
#
# ## How right is it?
#
# The validation patches lie in polygons that were chosen because they are clear. Script 08 draws
# windows at random from the map instead, and makes a page on which they are labelled.

# %%
check = importlib.import_module("08_check_map")
check.PATH_TO_MAP = f"{PATH_TO_MAPS}/notebook_own_baseline_label.tif"
check.PATH_TO_IMAGE = str(scene_path)
check.PATH_TO_CHECK = f"{PATH_TO_MAPS}/notebook_own_check"
check.SAMPLE_SIZE = POINTS
check.FLOOR = 8
check.main()

# %% [markdown]
# Open `label.html` in a browser to label them yourself. Here the known truth of the made scene answers
# in your place: the class that covers most of the window, and "?" where that is the road.

# %%
truth, _ = reading.read_raster(scene_path.with_name("scene_truth.tif"))
own_class = {
    "AnnualCrop": "Crops",
    "Forest": "Woods",
    "HerbaceousVegetation": "Heath",
    "Highway": "?",
    "Industrial": "Industry",
    "Pasture": "Grass",
    "PermanentCrop": "Orchard",
    "Residential": "Town",
    "River": "Water",
    "SeaLake": "Water",
}
answers = sorted(set(own_class.values()))
as_answer = np.array([answers.index(own_class[name]) for name in sorted(own_class)])
folder = Path(check.PATH_TO_CHECK)
with open(folder / "points.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
for row in rows:
    column, line = (float(row["x"]) - left) / width, (float(row["y"]) - top) / height
    upper, first = (max(round(place) - 32, 0) for place in (line, column))
    window = as_answer[truth[upper : upper + 64, first : first + 64]]
    row["class"] = answers[int(np.bincount(window.ravel()).argmax())]
with open(folder / "points_labelled.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)

check.REFERENCE = str(folder / "points_labelled.csv")
check.main()

# %%
plt.figure(figsize=(10, 6), dpi=80, layout="constrained")
plt.imshow(plt.imread(folder / "points_labelled" / "report.png"))
plt.axis("off");

# %% [markdown]
# ## What to label next
#
# The windows that the map is most in doubt of, in turn from each class and apart from each other. Their
# labels go to `00_cut_patches.py` beside the polygons, and so on, round by round.

# %%
choose = importlib.import_module("10_choose_windows")
choose.PATH_TO_MAP = check.PATH_TO_MAP
choose.PATH_TO_IMAGE = str(scene_path)
choose.PATH_TO_KNOWN = str(Path(PATH_TO_DATA) / "notebook_patches")
choose.PATH_TO_WINDOWS = f"{PATH_TO_MAPS}/notebook_own_next"
choose.WINDOWS = 12
choose.main()

# %%
chosen = json.loads((Path(choose.PATH_TO_WINDOWS) / "windows.json").read_text())["points"]
figure, axes = plt.subplots(figsize=(5.6, 5.6), dpi=72, layout="constrained")
axes.imshow(picture)
for x, y in chosen.values():
    corner = (x - left) / width - 32, (y - top) / height - 32
    axes.add_patch(Rectangle(corner, 64, 64, fill=False, edgecolor="yellow", linewidth=2))
axes.axis("off");

# %% [markdown]
# ## Go on
#
# With your own scene, replace the polygons by your file: `cut.PATH_TO_LABELS`. The
# [README](../README.md) tells the same way in commands.
