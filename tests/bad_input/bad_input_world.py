"""A folder of good and bad files for the table of bad input; everything small, made in seconds."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
from make_products import IDS, make_band_folder, make_safe, write_image
from osgeo import ogr
from PIL import Image

from image_functions import BANDS_MS, BANDS_RGB
from landuse.outputs import geotiffs, land_use_map
from landuse.patches import class_folders, split_folders, splits
from landuse.rasters import reference_systems, vectors, writing

GEOTRANSFORM = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
CLASSES = ("Forest", "River")
WEB_SERVICE = """<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png
</ServerUrl></Service><DataWindow><SizeX>640</SizeX><SizeY>640</SizeY></DataWindow></GDAL_WMS>"""
ENTITIES = "".join(f'<!ENTITY b{i} "{f"&b{i - 1};" * 10}">' for i in range(1, 10))
ENTITY_BOMB = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b0 "ha">{ENTITIES}]><a>&b9;</a>'


def make_world(folder: Path) -> None:
    """Write all that the rows of the table name."""
    write_images(folder)
    write_splits(folder)
    write_lists(folder)
    write_scenes(folder)
    write_products(folder)
    write_models(folder)
    write_maps(folder)
    write_labels(folder)
    write_dated_maps(folder)
    write_bigearthnet(folder / "ben")
    write_things_in_the_way(folder)


def write_tif(path, rows=64, columns=64, bands=13, dtype=np.uint16, value=None):
    rng = np.random.default_rng(len(path.name))
    pixels = rng.integers(300, 3000, (rows, columns, bands)) if value is None else value
    array = np.broadcast_to(pixels, (rows, columns, bands)).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    writing.write_geotiff(path, array, GEOTRANSFORM, "EPSG:32632", nodata=0)


def write_jpg(path, size=64, mode="RGB"):
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (size, size, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def write_images(folder):
    for name in CLASSES:
        for number in range(6):
            write_tif(folder / "images" / name / f"{name}_{number}.tif")
            write_jpg(folder / "photos" / name / f"{name}_{number}.jpg")
    (folder / "empty").mkdir()
    (folder / "empty_classes" / "Forest").mkdir(parents=True)
    (folder / "empty_classes" / "River").mkdir()
    shutil.copytree(folder / "images" / "Forest", folder / "one_class" / "Forest")
    shutil.copytree(folder / "images" / "Forest", folder / "flat")
    (folder / "letter.txt").write_text("dear")


def write_splits(folder):
    """Good splits, and copies of them with a fault each."""
    for name, source in (("split_ms", "images"), ("split_rgb", "photos")):
        split = splits.split_random(class_folders.find_images(folder / source), 0.4)
        settings = {"PATH_TO_ALL_IMAGES": source, "SPLIT": "random", "SEED": 42}
        settings |= {"FRACTION_VALIDATION": 0.4, "FRACTION_TEST": 0.0}
        split_folders.make_split_folder(folder / name, split, settings)
    for kind, suffix in (("ms", "tif"), ("rgb", "jpg")):
        faulty = folder / f"split_{kind}_cut"
        shutil.copytree(folder / f"split_{kind}", faulty)
        cut(sorted(faulty.glob(f"train/River/*.{suffix}"))[0], 0.6)
    copies = ("no_train", "no_validation", "other_class", "other_size", "other_bands", "all_cut")
    for name in copies:
        shutil.copytree(folder / "split_ms", folder / f"split_{name}")
    shutil.rmtree(folder / "split_no_train" / "train")
    shutil.rmtree(folder / "split_no_validation" / "validation")
    unknown = folder / "split_other_class" / "validation"
    (unknown / "River").rename(unknown / "Volcano")
    write_tif(folder / "split_other_size" / "train" / "Forest" / "large.tif", rows=65)
    write_tif(folder / "split_other_bands" / "train" / "Forest" / "four.tif", bands=4)
    for path in (folder / "split_all_cut" / "train").rglob("*.tif"):
        cut(path)
    shutil.copytree(folder / "split_ms", folder / "split_statistics_in_the_way")
    (folder / "split_statistics_in_the_way" / "statistics.json").mkdir()
    shutil.copytree(folder / "split_ms", folder / "split_with_a_letter")
    (folder / "split_with_a_letter" / "letter.txt").write_text("dear")
    shutil.copytree(folder / "images", folder / "not_a_split")


def write_lists(folder):
    contents = {
        "overlapping": {"a-train.txt": "Forest_1\nRiver_1", "a-val.txt": "Forest_1"},
        "no_val": {"a-train.txt": "Forest_1\nRiver_1"},
        "twice": {"a-train.txt": "Forest_1", "b-train.txt": "Forest_2", "a-val.txt": "River_1"},
        "of_others": {"a-train.txt": "Desert_1\r\n", "a-val.txt": "Desert_2\r\n"},
    }
    for name, lists in contents.items():
        for file, text in lists.items():
            path = folder / "lists" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (folder / "lists" / "binary").mkdir()
    (folder / "lists" / "binary" / "a-train.txt").write_bytes(b"\xff\xfe\x00")


def write_scenes(folder):
    scenes = folder / "scenes"
    write_tif(scenes / "scene.tif", 80, 90)
    write_tif(scenes / "second.tif", 80, 90)
    (scenes / "list.txt").write_text("scene.tif\n# another\nmissing.tif\n")
    write_tif(folder / "products" / "scene.tif", 80, 90, value=60000)
    write_tif(scenes / "patch.tif")
    write_tif(scenes / "small.tif", 63, 200)
    write_tif(scenes / "nodata.tif", 80, 80, value=0)
    write_tif(scenes / "four.tif", 80, 80, bands=4)
    four = np.full((80, 90, 4), 900, np.uint16)
    names = ["B02", "B03", "B04", "B08"]
    writing.write_geotiff(
        scenes / "named_four.tif", four, GEOTRANSFORM, "EPSG:32632", band_names=names
    )
    write_tif(scenes / "T32TPP_TCI.tif", 80, 80, bands=3, dtype=np.uint8, value=90)
    write_tif(scenes / "photo.tif", 80, 80, bands=3, dtype=np.uint8, value=90)
    write_tif(scenes / "bright.tif", 80, 80, value=60000 + np.arange(80).reshape(80, 1, 1))
    write_tif(scenes / "cut.tif", 80, 80)
    cut(scenes / "cut.tif", 0.7)
    (scenes / "noise.tif").write_bytes(os.urandom(4000))
    (scenes / "web.tif").write_text(WEB_SERVICE)
    (scenes / "entities.vrt").write_text(ENTITY_BOMB.replace("a>", "VRTDataset>"))
    (scenes / "zero.tif").touch()
    write_jpg(scenes / "pisa.png", 80)
    vectors.polygonize(
        scenes / "area_of_mine.gpkg",
        np.zeros((4, 4), np.uint8),
        (600000.0, 200.0, 0.0, 4850000.0, 0.0, -200.0),
        "EPSG:32632",
        ["mine"],
    )
    (scenes / "area.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    far = {"type": "Polygon", "coordinates": [[[9, 0], [9.1, 0], [9, 0.1], [9, 0]]]}
    (scenes / "far.geojson").write_text(json.dumps(far))


def write_products(folder):
    good = make_safe(folder / "products", size=96)
    copies = {"missing": "", "jp2_cut": "", "no_granule": "", "bomb": "", "bad_offset": ""}
    for name in copies:
        copies[name] = shutil.copytree(good, folder / "products" / name / good.name)
    next(copies["missing"].rglob("*_B05.jp2")).unlink()
    cut(next(copies["jp2_cut"].rglob("*_B03.jp2")))
    shutil.rmtree(copies["no_granule"] / "GRANULE")
    (copies["bomb"] / "MTD_MSIL1C.xml").write_text(ENTITY_BOMB)
    xml = copies["bad_offset"] / "MTD_MSIL1C.xml"
    xml.write_text(xml.read_text().replace(">-1000<", ">lots<"))
    make_safe(folder / "products" / "l2a", "L2A", size=96)
    make_safe(folder / "products" / "old", old=True, tiles=("32TPP", "32TQP"), size=96)
    with zipfile.ZipFile(folder / "products" / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", "")
    (folder / "products" / "cut.zip").write_bytes(b"PK\3\4 broken")
    bands = make_band_folder(folder / "products" / "two_zones", IDS, size=96)
    path = next(bands.glob("*_B04.tif"))
    path.unlink()
    write_image(path, np.full((96, 96), 900, np.uint16), 10, "GTiff", epsg=32633)


RECORD = {
    "format": 1,
    "class_names": list(CLASSES),
    "band_names": list(BANDS_MS),
    "units": "DN",
    "patch_size": 64,
    "statistics": {
        "band_names": list(BANDS_MS),
        "units": "DN",
        "percentiles": {
            "0.1": [300] * 13,
            "1": [330] * 13,
            "50": [1600] * 13,
            "99": [2900] * 13,
            "99.9": [3000] * 13,
        },
    },
    "network": "MobileNet",
    "weights": None,
    "dense": False,
    "processing_level": "L1C",
}


def write_model(path, members=("config.json", "metadata.json", "model.weights.h5"), **record):
    """Write what passes for a model until Keras looks at it, which none of the rows needs."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "{}")
        if record is not None:
            archive.writestr("landuse.json", json.dumps({**RECORD, **record}))


def write_models(folder):
    models = folder / "models"
    write_model(models / "model.keras")
    write_model(models / "rgb.keras", band_names=list(BANDS_RGB), units="rgb8")
    write_model(models / "dense.keras", dense=True)
    write_model(models / "pixels.keras", task="pixels")
    write_model(models / "labels.keras", task="labels", patch_size=120)
    write_model(models / "newer.keras", format=9)
    write_model(models / "no_classes.keras", class_names=None)
    write_model(models / "units.keras", units="reflectance")
    write_model(models / "numbers.keras", class_names=[1, 2])
    write_model(models / "band_twice.keras", band_names=["B02", "B02"])
    statistics = {**RECORD["statistics"], "percentiles": {"1": [300] * 13}}
    write_model(models / "no_percentiles.keras", statistics=statistics)
    write_model(models / "no_weights.keras", members=("config.json", "metadata.json"))
    write_model(models / "other_classes.keras", class_names=["Ice", "Sand"])
    with zipfile.ZipFile(models / "foreign.keras", "w") as archive:
        for member in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(member, "{}")
    (models / "text.keras").write_text("weights")
    shutil.copy(models / "model.keras", models / "cut.keras")
    cut(models / "cut.keras")
    (models / "folder.keras").mkdir()
    (models / "weights.h5").write_text("no HDF5")


def write_maps(folder):
    """A label map of 10 x 11 cells on the scene, and references that do not fit it."""
    maps, cells = folder / "maps", (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)
    labels = np.repeat(np.array([0, 1], np.uint8), 55).reshape(10, 11)
    maps.mkdir()
    for name, values in (("map", labels), ("empty", np.full_like(labels, 255))):
        facts = {"stride": 8}
        made = land_use_map.LandUseMap(values, cells, "EPSG:32632", CLASSES, facts=facts)
        geotiffs.write_label_map(maps / f"{name}_label.tif", made)
    facts = {"stride": 1, "method": "pixels"}
    made = land_use_map.LandUseMap(labels, cells, "EPSG:32632", CLASSES, facts=facts)
    geotiffs.write_label_map(maps / "pixels_label.tif", made)
    far = (*cells[:3], 1000000.0, *cells[4:])
    writing.write_geotiff(maps / "nameless.tif", labels, cells, "EPSG:32632")
    writing.write_geotiff(maps / "far_classes.tif", labels, far, "EPSG:32632")
    rgb = np.full((80, 90, 3), 900, np.uint16)
    rgb[40:] = 1000
    names = ["B04", "B03", "B02"]
    writing.write_geotiff(maps / "far.tif", rgb, far, "EPSG:32632", band_names=names)
    x, y = 600100, 4849900
    for name, lines in (
        ("volcanoes", [f"{x},{y},Volcano"] * 2),
        ("outside", [f"{x},9000,Forest"] * 2),
        ("turned", [f"{y},{x},Forest"] * 2),
        ("hole", [f"{x},{y},Forest", f"{x},,River"]),
    ):
        (maps / f"{name}.csv").write_text("\n".join(["x,y,class", *lines]))
    (maps / "table.csv").write_text("reference,class\nVolcano,Ice\n")
    (maps / "drawn").mkdir()
    (maps / "drawn" / "design.json").write_text('{"seed": 1}')
    (maps / "broken.gpkg").write_text("dear")
    (maps / "broken.osm.pbf").write_text("dear")
    (maps / "labels.json").write_text('{"format": "landuse labels 1", "labels": 3}')
    (maps / "web.vrt").write_text("<VRTDataset")


def write_labels(folder):
    """Labelled points and polygons on the scene of 80 x 90 px, and others with a fault each."""
    labels = folder / "labels"
    labels.mkdir()
    (x, y), far = (600320, 4849600), 9000000  # the windows lie on the scene
    for name, lines in (
        ("good", [f"{x},{y},Forest", f"{x + 330},{y},River"]),
        ("one_class", [f"{x},{y},Forest"]),
        ("one_here", [f"{x},{y},Forest", f"{x},{far},River"]),
        ("spellings", [f"{x},{y},Forest", f"{x},{y},forest"]),
        ("turned", [f"{y},{x},Forest", f"{y},{x},River"]),
    ):
        (labels / f"{name}.csv").write_text("\n".join(["x,y,class", *lines, ""]))
    for name, crs, place, size in (
        ("far", "EPSG:32632", (x, far), 300),
        ("overlapping", "EPSG:32632", (x - 300, y - 300), 600),
        ("small", "EPSG:32632", (x - 10, y - 10), 20),
    ):
        write_squares(labels / f"{name}.gpkg", crs, place, size)
    write_squares(labels / "degrees.shp", None, (10.24, 43.79), 0.01)


def write_squares(path, crs, place, size):
    """Write a square twice, of two classes."""
    driver = ogr.GetDriverByName("GPKG" if path.suffix == ".gpkg" else "ESRI Shapefile")
    source = driver.CreateDataSource(str(path))
    reference = reference_systems.spatial_reference(crs) if crs else None
    plain = path.suffix != ".gpkg" or vectors.sqlite_has_trees()
    options = [] if plain else ["SPATIAL_INDEX=NO"]
    layer = source.CreateLayer(path.stem, reference, ogr.wkbPolygon, options)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    x, y = place
    corners = np.array([(x, y), (x + size, y), (x + size, y + size), (x, y + size)])
    for name in CLASSES:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("class", name)
        feature.SetGeometry(ogr.CreateGeometryFromWkb(vectors.polygon_from_rings([corners])))
        layer.CreateFeature(feature)
    source.FlushCache()


def write_dated_maps(folder):
    """Maps of two dates that fit, and others that do not fit the first."""
    dated = folder / "dated"
    dated.mkdir()
    write_dated_map(dated, "early", "2017-08-01T10:00:00")
    write_dated_map(dated, "late", "2018-08-01T10:00:00", value=1)
    write_dated_map(dated, "again", "2017-08-01T10:00:00", PRODUCT_NAME="early")
    write_dated_map(dated, "other_classes", names=("Forest", "Desert"))
    write_dated_map(dated, "degrees", crs="EPSG:4326", place=(10.0, 1e-3, 0.0, 44.0, 0.0, -1e-3))
    write_dated_map(dated, "stride", place=(600000.0, 160.0, 0.0, 4850000.0, 0.0, -160.0))
    write_dated_map(dated, "far", place=(700000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0))
    write_dated_map(dated, "label_only", every=False)
    write_dated_map(dated, "nodata", value=255)
    write_dated_map(dated, "cut")
    cut(dated / "cut_label.tif", 0.3)
    write_dated_map(dated, "cut_values")
    cut(dated / "cut_values_probability.tif", 0.3)
    write_dated_map(dated, "alone")
    (dated / "alone_probability.tif").unlink()
    write_dated_map(dated, "other_grid")
    write_dated_map(dated, "shifted", place=(600800.0, 80.0, 0.0, 4850000.0, 0.0, -80.0))
    shutil.copy(dated / "shifted_probability.tif", dated / "other_grid_probability.tif")
    write_dated_map(dated, "settings")
    (dated / "settings_settings.json").write_text('{"settings": ')
    labels = np.zeros((10, 11), np.uint8)
    place = (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)
    tags = {"CHANGE_0": "none"}
    writing.write_geotiff(dated / "change.tif", labels, place, "EPSG:32632", metadata=tags)
    names = {"CLASS_0": "Forest", "CLASS_1": "River"}
    writing.write_geotiff(dated / "nowhere_label.tif", labels, None, "", metadata=names)


def write_dated_map(
    folder,
    name,
    time=None,
    names=CLASSES,
    crs="EPSG:32632",
    place=(600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0),
    every=True,
    value=0,
    **facts,
):
    """Write a map of 10 x 11 cells, nearly all of the first class, as script 06 does."""
    labels = np.full((10, 11), value, np.uint8)
    labels[0] = 255 if value == 255 else 1
    both = np.stack([np.where(labels == 0, 80, 20), np.where(labels == 0, 20, 80)])
    both = np.where(labels == 255, 255, both).astype(np.uint8)
    probabilities = both.max(axis=0)
    facts = {"product_name": name, "stride": 8, **{k.lower(): v for k, v in facts.items()}}
    facts |= {"sensing_time": time} if time else {}
    made = land_use_map.LandUseMap(
        labels, place, crs, names, probabilities, both if every else None, facts=facts
    )
    geotiffs.write_label_map(folder / f"{name}_label.tif", made)
    geotiffs.write_probability_map(folder / f"{name}_probability.tif", made)


def write_bigearthnet(folder):
    """Patches of v1 of true colours, with a fault each but for the first, and a tile of v2."""
    faults = {"v1": "T33UUP", "volcano": "T33UUP", "unlabelled": "T33UUP", "cut": "T3{}UUP"}
    for fault, tile in faults.items():
        for number in range(2):
            name = f"S2A_MSIL2A_20170613T101031_{number}_0"
            for band in BANDS_RGB:
                write_tif(folder / fault / name / f"{name}_{band}.tif", 120, 120, 1)
            labels = ["Volcano" if fault == "volcano" else "Pastures"]
            facts = {"labels": labels, "tile_source": f"S2A_{tile.format(number)}_x"}
            if fault != "unlabelled":
                path = folder / fault / name / f"{name}_labels_metadata.json"
                path.write_text(json.dumps(facts))
    cut(folder / "cut" / name / f"{name}_B03.tif")
    (folder / "v2" / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP").mkdir(parents=True)


def write_things_in_the_way(folder):
    """Folders that a step would write to, with what is not its own."""
    (folder / "run_of_others").mkdir()
    (folder / "run_of_others" / "letter.txt").write_text("dear")
    (folder / "damaged_run").mkdir()
    (folder / "damaged_run" / "settings.json").write_text("{}")
    (folder / "damaged_run" / "state.npz").write_text("no state")
    (folder / "report").mkdir()
    (folder / "data_of_others" / "sample").mkdir(parents=True)
    (folder / "data_of_others" / "sample" / "scene.tif").write_text("mine")
    (folder / "data_incomplete" / "EuroSAT_RGB" / "Forest").mkdir(parents=True)
    (folder / "data_wrong_zip").mkdir()
    (folder / "data_wrong_zip" / "EuroSAT_RGB.zip").write_text("an error page")
    partial = folder / "out" / "mine_label.tif.partial"
    partial.mkdir(parents=True)
    (partial / "letter.txt").write_text("dear")
    (folder / "out" / "taken.tif").mkdir()
