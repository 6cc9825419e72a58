"""What lies at a path: layouts of products, metadata, and what is refused."""

import re
import zipfile

import numpy as np
import pytest
from make_products import IDS, TIME, make_band_folder, make_safe, write_image, zip_safe

from image_functions import BANDS_MS, BANDS_RGB
from landuse.rasters import reading, writing
from landuse.scenes import finding

TINY = {"size": 96}


def write_stack(path, count=13, names=None, dtype=np.uint16):
    pixels = np.full((96, 96, count), 100, dtype)
    grid = (600_000, 10, 0, 4_800_000, 0, -10)
    writing.write_geotiff(path, pixels, grid, "EPSG:32632", band_names=names)
    return path


def test_a_compact_product(tmp_path):
    root = make_safe(tmp_path, **TINY)
    found = finding.find_product(root)
    assert found.name == root.name.removesuffix(".SAFE")
    assert (found.kind, found.level, found.baseline, found.tile) == (
        "SAFE",
        "L1C",
        "05.09",
        "32TPP",
    )
    assert found.sensing_time == "2018-02-11T10:21:41.024Z"
    assert set(found.bands) == set(IDS)
    assert found.bands["B8A"].path.endswith("_B8A.jp2")
    assert found.offsets == dict.fromkeys(IDS, -1000)
    assert found.quantification == 10_000


@pytest.mark.parametrize(
    "inner", ["MTD_MSIL1C.xml", "GRANULE/*/MTD_TL.xml", "GRANULE/*", "GRANULE/*/IMG_DATA", "."]
)
def test_a_product_by_its_metadata_or_the_folder_around(tmp_path, inner):
    root = make_safe(tmp_path, **TINY)
    path = tmp_path if inner == "." else next(root.glob(inner))
    found = finding.find_product(path)
    assert found.name == root.name.removesuffix(".SAFE")
    assert set(found.bands) == set(IDS)
    assert found.offsets == dict.fromkeys(IDS, -1000)


def test_a_zip_is_read_in_place(tmp_path):
    root = make_safe(tmp_path / "a b [c]", **TINY)
    packed = zip_safe(root, tmp_path / "a b [c]" / "any name.zip")
    before = sorted(tmp_path.rglob("*"))
    found, unpacked = finding.find_product(packed), finding.find_product(root)
    assert (found.name, found.offsets, set(found.bands)) == (
        unpacked.name,
        unpacked.offsets,
        set(unpacked.bands),
    )
    with (
        reading.Raster(found.bands["B8A"].path) as one,
        reading.Raster(unpacked.bands["B8A"].path) as other,
    ):
        np.testing.assert_array_equal(one.read_all(), other.read_all())
    assert sorted(tmp_path.rglob("*")) == before


def test_offsets_belong_to_bands_by_the_order_of_a_product(tmp_path):
    root = make_safe(tmp_path, offsets={band: -i for i, band in enumerate(IDS)}, **TINY)
    offsets = finding.find_product(root).offsets
    # band_id 8 is B8A, 9 is B09
    assert (offsets["B08"], offsets["B8A"], offsets["B09"], offsets["B12"]) == (-7, -8, -9, -12)


def test_no_offset_list_is_no_offset_whatever_the_name_says(tmp_path):
    found = finding.find_product(make_safe(tmp_path, offset=None, **TINY))
    assert found.offsets == dict.fromkeys(IDS, 0)
    assert (found.radiometry, found.messages) == ("", ())


@pytest.mark.parametrize(("baseline", "offset"), [("05.09", -1000), ("02.04", 0)])
def test_without_metadata_the_name_decides(tmp_path, baseline, offset):
    root = make_safe(tmp_path, baseline=baseline, **TINY)
    (root / "MTD_MSIL1C.xml").unlink()
    found = finding.find_product(root)
    assert found.offsets == dict.fromkeys(IDS, offset)
    assert found.radiometry == (
        f"no metadata: radiometric offset {offset} by the baseline in its name"
    )
    assert (found.level, found.baseline) == ("L1C", baseline)


def test_an_l2a_product_gives_the_finest_file_of_each_band(tmp_path):
    found = finding.find_product(make_safe(tmp_path, "L2A", quantification=20_000, **TINY))
    assert found.level == "L2A"
    assert set(found.bands) == set(IDS) - {"B10"}
    sizes = {band: file.path[-8:] for band, file in found.bands.items()}
    assert (sizes["B02"], sizes["B05"], sizes["B01"]) == ("_10m.jp2", "_20m.jp2", "_60m.jp2")
    assert found.offsets["B12"] == -1000
    assert found.quantification == 20_000


def test_an_old_product_of_several_granules(tmp_path):
    root = make_safe(
        tmp_path, old=True, tiles=("32TPP", "32TQP"), baseline="02.04", offset=None, **TINY
    )
    with pytest.raises(ValueError, match=r"holds 2 granules.*--granule.*: 32TPP, 32TQP"):
        finding.find_product(root)
    with pytest.raises(ValueError, match=r"no granule '33UUP'; it has: 32TPP, 32TQP"):
        finding.find_product(root, granule="33UUP")
    found = finding.find_product(root, granule="32TQP")
    assert found.name == root.name.removesuffix(".SAFE") + "_T32TQP"
    assert found.tile == "32TQP"
    assert all("T32TQP" in file.path for file in found.bands.values())
    assert set(found.bands) == set(IDS)
    # a granule's own metadata names it
    inner = next(root.glob("GRANULE/*T32TPP*/*.xml"))
    assert finding.find_product(inner).tile == "32TPP"


def test_a_missing_band_is_named_with_its_file(tmp_path):
    root = make_safe(tmp_path, **TINY)
    next(root.rglob("*_B05.jp2")).unlink()
    found = finding.find_product(root)
    assert "B05" not in found.bands
    assert found.expected["B05"] == f"T32TPP_{TIME}_B05.jp2"


def test_a_folder_of_bands(tmp_path):
    folder = make_band_folder(tmp_path / "bands", ["B02", "B03", "B8A"], **TINY)
    found = finding.find_product(folder)
    assert (found.kind, found.name, found.tile) == ("folder", "bands", "32TPP")
    assert set(found.bands) == {"B02", "B03", "B8A"}
    assert found.offsets == {}
    named = f"S2B_MSIL2A_{TIME}_N0400_R122_T32TPP_{TIME}"
    found = finding.find_product(folder.rename(tmp_path / named))
    assert (found.level, found.offsets["B02"]) == ("L2A", -1000)


def test_a_folder_with_bands_of_two_images_is_refused(tmp_path):
    make_band_folder(tmp_path, ["B02"], prefix="one", **TINY)
    make_band_folder(tmp_path, ["B02"], prefix="two", **TINY)
    with pytest.raises(ValueError, match="bands of 2 images"):
        finding.find_product(tmp_path)


def test_a_geotiff_with_band_names(tmp_path):
    names = [band for band in IDS if band != "B09"]
    found = finding.find_product(write_stack(tmp_path / "a.tif", 12, names))
    assert {band: file.index for band, file in found.bands.items()} == {
        band: index for index, band in enumerate(names)
    }
    assert (found.kind, found.name, found.messages) == ("raster", "a", ())


def test_a_geotiff_without_band_names_where_the_count_fits(tmp_path):
    found = finding.find_product(write_stack(tmp_path / "a.tif"))
    assert [file.index for file in map(found.bands.get, BANDS_MS)] == list(range(13))
    assert "EuroSAT order" in found.messages[0]
    found = finding.find_product(write_stack(tmp_path / "b.tif", 3), BANDS_RGB)
    assert "B04 B03 B02 (the model's order)" in found.messages[0]
    with pytest.raises(ValueError, match=r"c\.tif: has 5 bands without names.*wants 3"):
        finding.find_product(write_stack(tmp_path / "c.tif", 5), BANDS_RGB)


def test_a_geotiff_with_a_name_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="two bands by the same name"):
        finding.find_product(write_stack(tmp_path / "a.tif", 2, ["B2", "B02"]))


def test_an_8_bit_rgb_image_and_a_tci(tmp_path):
    found = finding.find_product(write_stack(tmp_path / "a.tif", 3, dtype=np.uint8), BANDS_RGB)
    assert found.picture
    assert {band: file.index for band, file in found.bands.items()} == {
        "B04": 0,
        "B03": 1,
        "B02": 2,
    }
    for name in ("T32TPP_20180211T102141_TCI.tif", "T32TPP_20180211T102141_TCI_10m.tif"):
        with pytest.raises(ValueError, match=r"true colour image \(TCI\).*scaled otherwise"):
            finding.find_product(write_stack(tmp_path / name, 3, dtype=np.uint8), BANDS_RGB)


def test_a_single_band_is_refused(tmp_path):
    write_image(tmp_path / "T32TPP_B02.tif", np.ones((96, 96), np.uint16), 10, "GTiff")
    with pytest.raises(ValueError, match="is a single band"):
        finding.find_product(tmp_path / "T32TPP_B02.tif")


def test_what_is_no_product(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        finding.find_product(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"is no Sentinel-2 product: expected an L1C or L2A"):
        finding.find_product(tmp_path)
    (tmp_path / "a.xml").write_text("<a/>")
    with pytest.raises(ValueError, match=r"a\.xml: is no metadata file"):
        finding.find_product(tmp_path / "a.xml")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("photo.jpg", "")
    with pytest.raises(ValueError, match=r"a\.zip: is a zip without a Sentinel-2 product"):
        finding.find_product(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"PK\3\4 broken")
    with pytest.raises(OSError, match=r"b\.zip: is no complete zip"):
        finding.find_product(tmp_path / "b.zip")


def test_a_truncated_zip(tmp_path):
    packed = zip_safe(make_safe(tmp_path, **TINY))
    packed.write_bytes(packed.read_bytes()[:-5000])
    with pytest.raises(OSError, match="is no complete zip"):
        finding.find_product(packed)


def test_a_zip_of_two_products_and_a_product_without_images(tmp_path):
    one = make_safe(tmp_path / "1", **TINY)
    packed = zip_safe(one, tmp_path / "two.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("other.SAFE/MTD_MSIL1C.xml", "<a/>")
    with pytest.raises(ValueError, match="holds 2 products"):
        finding.find_product(packed)
    for file in one.rglob("*.jp2"):
        file.unlink()
    with pytest.raises(ValueError, match="holds no band files"):
        finding.find_product(one)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("<QUANTIFICATION_VALUE", "<", "no valid product metadata"),
        ('band_id="3"', 'band_id="13"', "unknown band_id '13'"),
        (">-1000<", ">minus<", "offset of B01 is 'minus', expected a number"),
        (">-1000<", ">nan<", "offset of B01 is 'nan', expected a number"),
        (">10000<", ">0<", "quantification value is 0"),
    ],
)
def test_damaged_metadata(tmp_path, old, new, text):
    root = make_safe(tmp_path, **TINY)
    xml = root / "MTD_MSIL1C.xml"
    xml.write_text(xml.read_text().replace(old, new))
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        finding.find_product(root)
    assert "MTD_MSIL1C.xml" in str(error.value)


def test_metadata_with_entities_is_refused(tmp_path):
    root = make_safe(tmp_path, **TINY)
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    (root / "MTD_MSIL1C.xml").write_text(bomb)
    with pytest.raises(ValueError, match="no valid product metadata"):
        finding.find_product(root)


def test_metadata_cannot_lead_out_of_the_product(tmp_path):
    root = make_safe(tmp_path, **TINY)
    next(root.rglob("*_B05.jp2")).rename(tmp_path / "outside_B05.jp2")
    xml = root / "MTD_MSIL1C.xml"
    xml.write_text(xml.read_text().replace(f"T32TPP_{TIME}_B05<", "../../../../../outside_B05<"))
    assert "B05" not in finding.find_product(root).bands
