"""BigEarthNet read and packed: layouts, classes, parts, and pixels as GDAL has them."""

import json
import tarfile

import numpy as np
import pytest
from osgeo import gdal

from landuse import files
from landuse.multilabel import ben_listing, ben_metadata, corine, patch_store
from landuse.rasters import writing
from landuse.sample import made_bigearthnet, textures

parquet = pytest.importorskip("pyarrow.parquet")
import pyarrow  # noqa: E402

GEOTRANSFORM = (600000.0, 10.0, 0.0, 5400000.0, 0.0, -10.0)
NAMES = [f"S2A_MSIL2A_201706{day}T101031_{day}_{n}" for day in (11, 12, 13) for n in (1, 2)]


def write_v1(folder, name, labels, tile="T33UUP", value=None, bands=patch_store.BANDS):
    """A patch of v1 of few bands, whose pixels rise with the band's number."""
    (folder / name).mkdir(parents=True)
    for number, band in enumerate(bands):
        side = 120 // patch_store.RATIOS[band]
        pixels = np.full((side, side), 100 * (number + 1) if value is None else value, np.uint16)
        path = folder / name / f"{name}_{band}.tif"
        writing.write_geotiff(path, pixels, GEOTRANSFORM, "EPSG:32633")
    facts = {"labels": labels, "tile_source": f"S2A_MSIL1C_20170613T101031_N0205_R022_{tile}_x"}
    (folder / name / f"{name}_labels_metadata.json").write_text(json.dumps(facts))


@pytest.fixture
def v1(tmp_path):
    """Six patches of three tiles, of two bands only."""
    folder = tmp_path / "BigEarthNet-v1.0"
    labels = [["Pastures"], ["Airports", "Vineyards"], ["Airports"]] * 2
    for number, (name, classes) in enumerate(zip(NAMES, labels, strict=True)):
        tile = ("T31UAA", "T32UAA", "T33UAA")[number // 2]
        write_v1(folder, name, classes, tile, value=10 + number, bands=("B02", "B11"))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Made patches of two scenes, as v2 is laid out."""
    folder = tmp_path_factory.mktemp("made") / "BigEarthNet-S2"
    return made_bigearthnet.write_made_patches(folder, 27, seed=1)


def test_there_are_43_classes_and_19():
    assert len(corine.class_names(43)) == len(set(corine.class_names(43))) == 43
    assert len(corine.class_names(19)) == 19
    assert corine.class_names(19)[:3] == [
        "Urban fabric",
        "Industrial or commercial units",
        "Arable land",
    ]
    assert corine.class_names(19)[-1] == "Marine waters"
    dropped = [name for name, of_19 in corine.mapping().items() if not of_19]
    assert len(dropped) == 11
    assert {"Airports", "Bare rock", "Intertidal flats"} < set(dropped)
    with pytest.raises(ValueError, match="CLASSES = 20: expected 43 or 19"):
        corine.class_names(20)


def test_classes_become_a_row():
    row = corine.as_row(["Rice fields", "Vineyards", "Airports"], 19, "p")
    assert np.array(corine.class_names(19))[row].tolist() == ["Arable land", "Permanent crops"]
    row = corine.as_row(["Airports"], 43, "p")
    assert np.array(corine.class_names(43))[row].tolist() == ["Airports"]
    with pytest.raises(ValueError, match=r"p: 'Volcano' is no class of BigEarthNet$"):
        corine.as_row(["Volcano"], 19, "p")
    with pytest.raises(ValueError, match="which do not tell the 43"):
        corine.as_row(["Urban fabric"], 43, "p")


def test_the_made_classes_are_called_as_the_table_says():
    assert set(made_bigearthnet.LABELS) == set(textures.CLASS_NAMES)
    for of_43, of_19 in made_bigearthnet.LABELS.values():
        assert corine.mapping()[of_43] == of_19


def test_tiles_are_dealt_whole_and_patches_without_a_class_left_out(v1, capsys):
    found = ben_listing.list_patches(
        v1, split="tile", fraction_validation=0.3, fraction_test=0.3, seed=3
    )
    assert found.version == 1
    assert found.names == [NAMES[0], NAMES[1], NAMES[3], NAMES[4]]  # the others: only airports
    assert "2 patches have none of the 19 classes" in capsys.readouterr().out
    by_tile = dict(zip(found.tiles, found.parts.tolist(), strict=True))
    assert [by_tile[tile] for tile in found.tiles] == found.parts.tolist()
    assert sorted(by_tile.values()) == [0, 1, 2]
    of_43 = ben_listing.list_patches(v1, class_count=43, split="tile")
    assert of_43.labels.sum() == 8 and len(of_43.names) == 6


def test_published_parts_and_lists_of_clouds_are_followed(v1, capsys):
    lists = v1 / "splits"
    lists.mkdir()
    for name, members in (("train", NAMES[:2]), ("val", NAMES[2:4]), ("test", NAMES[4:5])):
        (lists / f"{name}.csv").write_text("".join(f"{m},S1_{m}\n" for m in members))
    (lists / "patches_with_seasonal_snow.csv").write_text(f"{NAMES[0]}\n")
    found = ben_listing.list_patches(v1, class_count=43)
    assert found.names == NAMES[1:5]
    assert found.parts.tolist() == [0, 1, 1, 2]
    assert "1 patches are in no published part" in capsys.readouterr().out
    snow = ben_listing.list_patches(v1, class_count=43, leave_out_snow_and_clouds=False)
    assert snow.names == NAMES[:5]
    some = ben_listing.list_patches(v1, class_count=43, fraction_patches=0.5)
    assert some.parts.tolist() == [0, 1, 2]
    (lists / "test.csv").write_text(f"{NAMES[2]}\n")
    with pytest.raises(ValueError, match=f"test.csv: {NAMES[2]} is also in val.csv"):
        ben_listing.list_patches(v1)


def test_metadata_of_v2_tell_the_parts_of_v1(v1, tmp_path):
    rows = [
        {"patch_id": f"x{n}", "labels": [], "split": split, "country": c, "s2v1_name": NAMES[n]}
        for n, (split, c) in enumerate([("train", "Austria"), ("validation", "Ireland")])
    ]
    path = tmp_path / "metadata.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    found = ben_listing.list_patches(v1, class_count=43)
    assert found.names == NAMES[:2]
    assert found.parts.tolist() == [0, 1]
    assert found.countries == ["Austria", "Ireland"]


def test_labels_of_v1_are_read_once(v1):
    memory = v1 / ".cache" / "labels.json"
    first = ben_metadata.read_v1_labels(v1, NAMES, 43, memory)
    (v1 / NAMES[0] / f"{NAMES[0]}_labels_metadata.json").unlink()
    again = ben_metadata.read_v1_labels(v1, NAMES, 43, memory)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    with pytest.raises(FileNotFoundError, match="it tells the classes of the patch"):
        ben_metadata.read_v1_labels(v1, NAMES[:2], 43, memory)


def test_a_folder_that_is_something_else_is_told(tmp_path, v1):
    with pytest.raises(FileNotFoundError, match="no is no folder; MADE = 500"):
        ben_listing.list_patches(tmp_path / "no")
    with pytest.raises(ValueError, match="holds neither folders of patches"):
        ben_listing.list_patches(tmp_path)
    with pytest.raises(FileNotFoundError, match="SPLIT = 'published' needs lists"):
        ben_listing.list_patches(v1)
    with pytest.raises(ValueError, match="SPLIT = 'country': the countries of BigEarthNet v1"):
        ben_listing.list_patches(v1, split="country")


def test_metadata_that_are_none_are_told(made, tmp_path):
    path = tmp_path / "metadata.parquet"
    path.write_text("no parquet")
    with pytest.raises(ValueError, match=r"metadata\.parquet: cannot be read as Parquet"):
        ben_listing.list_patches(made, metadata=str(path))
    parquet.write_table(pyarrow.table({"patch_id": ["a"], "labels": [["Pastures"]]}), path)
    with pytest.raises(ValueError, match="has no column split, country"):
        ben_listing.list_patches(made, metadata=str(path))
    rows = [{"patch_id": "a", "labels": [], "split": "train", "country": "Austria"}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    with pytest.raises(ValueError, match="tells of none of the 27 patches"):
        ben_listing.list_patches(made, metadata=str(path))
    with pytest.raises(ValueError, match="CLASSES = 43: BigEarthNet v2 tells 19 classes"):
        ben_listing.list_patches(made, class_count=43)
    with pytest.raises(FileNotFoundError, match="LEAVE_OUT_SNOW_AND_CLOUDS = False needs"):
        ben_listing.list_patches(made, leave_out_snow_and_clouds=False)


def test_made_patches_are_laid_out_as_v2_and_their_labels_are_what_they_show(made):
    found = ben_listing.list_patches(made)
    assert found.version == 2 and len(found.names) == 27
    assert set(found.parts.tolist()) == {0, 1}  # the first two scenes
    assert found.countries[0] == "Austria"
    store = patch_store.open_store(found, patch_store.BANDS)
    assert store.shape == (27, 120, 120, 12)
    water = found.labels[:, found.class_names.index("Marine waters")]
    dark = np.array([np.mean(patch[..., 10] < 250) for patch in store[:]])  # B12
    assert dark[water].min() > dark[~water].max() or dark[water].mean() > 5 * dark[~water].mean()
    again = made_bigearthnet.write_made_patches(made, 27, seed=1)
    assert again == made
    with pytest.raises(FileExistsError, match="count was 27, is 28"):
        made_bigearthnet.write_made_patches(made, 28, seed=1)
    with pytest.raises(FileExistsError, match="holds no made patches"):
        made_bigearthnet.write_made_patches(made.parent, 27)


def test_made_patches_of_v1_have_json_and_lists(tmp_path):
    folder = made_bigearthnet.write_made_patches(tmp_path / "v1", 2, version=1)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("S2A"))
    assert len(names) == 2
    assert len(list((folder / names[0]).glob("*.tif"))) == 12
    facts = files.read_json(folder / names[0] / f"{names[0]}_labels_metadata.json")
    assert set(facts["labels"]) <= set(corine.class_names(43)) and facts["labels"]
    assert (folder / "splits" / "train.csv").read_text().split() == names


def listing_of(folder):
    return ben_listing.list_patches(folder, class_count=43, split="tile")


def test_a_store_gives_the_pixels_of_its_patches(v1, monkeypatch):
    monkeypatch.setattr(patch_store, "SHARD", 4)
    store = patch_store.open_store(listing_of(v1), ("B11", "B02"))
    assert store.shape == (6, 120, 120, 2) and store.dtype == np.uint16
    assert store[:].mean((1, 2)).tolist() == [[10 + n] * 2 for n in range(6)]
    chosen = np.array([5, 0, 3, 3])
    assert store[chosen][:, 0, 0, 0].tolist() == [15, 10, 13, 13]
    part = patch_store.Part(store, np.array([4, 1]))
    assert part.shape == (2, 120, 120, 2)
    assert part[np.array([1, 0])][:, 0, 0, 0].tolist() == [11, 14]
    shards = sorted(store.folder.glob("shard_*.npy"))
    assert [len(np.load(path)) for path in shards] == [4, 2]


def test_a_store_is_built_once_and_goes_on_where_it_was(v1, monkeypatch):
    monkeypatch.setattr(patch_store, "SHARD", 2)
    read, seen = patch_store.read_patch, []

    def note(folder, bands):
        seen.append(folder.name)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return read(folder, bands)

    monkeypatch.setattr(patch_store, "read_patch", note)
    monkeypatch.setattr(patch_store.devices, "usable_cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        patch_store.open_store(listing_of(v1), ("B02",))
    assert len(seen) >= 4
    del seen[:]
    seen.append("no interruption at the fourth")
    monkeypatch.setattr(patch_store, "read_patch", lambda *a: (seen.append(a[0].name), read(*a))[1])
    store = patch_store.open_store(listing_of(v1), ("B02",))
    assert seen[1:] == NAMES[2:]  # the first shard was done
    patch_store.open_store(listing_of(v1), ("B02",))
    assert len(seen) == 5
    assert store[:][:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("harm", ["changed", "cut", "removed"])
def test_a_damaged_shard_is_made_again(v1, harm, monkeypatch):
    monkeypatch.setattr(patch_store, "SHARD", 3)
    store = patch_store.open_store(listing_of(v1), ("B02",))
    path = sorted(store.folder.glob("shard_*.npy"))[1]
    data = bytearray(path.read_bytes())
    if harm == "changed":
        data[-1000] ^= 1
    path.write_bytes(data if harm == "changed" else data[:-5000])
    if harm == "removed":
        path.unlink()
    else:
        assert harm == "changed" or path.stat().st_size < len(data)
    again = patch_store.open_store(listing_of(v1), ("B02",))
    assert again[:][:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 15]


def test_bad_patches_are_told_and_tried_again(v1):
    path = v1 / NAMES[2] / f"{NAMES[2]}_B02.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    other = v1 / NAMES[4] / f"{NAMES[4]}_B02.tif"
    writing.write_geotiff(other, np.ones((60, 60), np.uint16), GEOTRANSFORM, "EPSG:32633")
    store = patch_store.open_store(listing_of(v1), ("B02",))
    assert sorted(store.bad) == [2, 4]
    assert "is uint16 of 60x60 px, expected uint16 of 120x120" in store.bad[4]
    path.write_bytes(whole)
    store = patch_store.open_store(listing_of(v1), ("B02",))
    assert sorted(store.bad) == [4]
    assert store[2:3].mean() == 12


def test_what_cannot_be_packed_is_told(v1, monkeypatch):
    with pytest.raises(ValueError, match="are of Level 2A and have no B10"):
        patch_store.open_store(listing_of(v1), ("B02", "B10"))
    (v1 / "file").write_text("in the way")
    with pytest.raises(OSError, match="set PATH_TO_STORE"):
        patch_store.open_store(listing_of(v1), ("B02",), v1 / "file")

    class Usage:
        free = 1000

    monkeypatch.setattr(patch_store.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(OSError, match=r"take 0\.0 GB, and 0\.0 GB are free"):
        patch_store.open_store(listing_of(v1), ("B02",))


@pytest.fixture
def real_patches(shared_data, tmp_path):
    with tarfile.open(shared_data / "bigearthnet" / "BigEarthNet-S2-Example.tar.bz2") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "BigEarthNet-S2-Example"


@pytest.mark.shared_data
def test_real_patches_are_as_gdal_and_their_json_say(real_patches, shared_data):
    found = ben_listing.list_patches(
        real_patches,
        class_count=43,
        metadata=str(shared_data / "bigearthnet" / "metadata.parquet"),
        split="country",
    )
    assert len(found.names) == 5  # the sixth has snow
    store = patch_store.open_store(found, patch_store.BANDS)
    for position, name in enumerate(found.names):
        home = real_patches / name
        told = files.read_json(home / f"{name}_labels_metadata.json")
        row = found.labels[position]
        assert set(np.array(found.class_names)[row]) == set(told["labels"])
        assert f"_{found.tiles[position]}_" in told["tile_source"]
        patch = store[position : position + 1][0]
        for number, band in enumerate(patch_store.BANDS):
            dataset = gdal.Open(str(home / f"{name}_{band}.tif"))
            fine = gdal.Warp(
                "", dataset, format="MEM", width=120, height=120, resampleAlg="cubicspline"
            ).ReadAsArray()
            np.testing.assert_array_equal(patch[..., number], fine)


@pytest.mark.shared_data
def test_the_19_classes_of_real_patches_are_those_that_v2_tells(real_patches, shared_data):
    metadata = shared_data / "bigearthnet" / "metadata.parquet"
    rows = {row["s2v1_name"]: row for row in ben_metadata.read_metadata(metadata)}
    assert len(rows) == 480_038
    assert {label for row in rows.values() for label in row["labels"]} == set(
        corine.class_names(19)
    )
    found = ben_listing.list_patches(real_patches, metadata=str(metadata), split="country")
    for name, row, part, country in zip(
        found.names, found.labels, found.parts, found.countries, strict=True
    ):
        told = rows[name]
        assert set(np.array(found.class_names)[row]) == set(told["labels"])
        assert country == told["country"]
        assert part in (0, 1, 2)
