"""Which band of Sentinel-2 a description, an item of metadata or a file's name means."""

import pytest

from landuse import band_file_names, band_names, band_words


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("B02", "B02"),
        ("B2", "B02"),
        ("b8a", "B8A"),
        ("Band 12", "B12"),
        ("B4, central wavelength 665 nm", "B04"),
        ("B08 (10 m)", "B08"),
        ("T32TPP_20180211T102141_B8A", "B8A"),
        ("20180211_B2", "B02"),
        ("x_B02_10m", "B02"),
        ("B2_median", "B02"),
        ("NIR 2 (band 8A) - 20m", "B8A"),
        ("Band 5 - Vegetation red edge 1 - 20m", "B05"),
        ("Blue", "B02"),
        ("GREEN", "B03"),
        ("red, 665 nm", "B04"),
        ("median_red_10m", "B04"),
        ("nir", "B08"),
        ("nir08", "B8A"),
        ("Red edge 1", "B05"),
        ("rededge3", "B07"),
        ("swir16", "B11"),
        ("SWIR22", "B12"),
        ("Coastal Aerosol", "B01"),
        ("B13", None),
        ("B3A", None),
        ("B123", None),
        ("rededge", None),  # one of three
        ("red list", None),
        ("S2B_20180211", None),
        ("B8/B4", None),
        ("NDVI", None),
        ("B2_stdDev", None),
        ("QA60", None),
        ("Water vapor (WVP)", None),
        ("SR_B4", None),  # Landsat's, which is another band
        ("", None),
    ],
)
def test_descriptions(text, band):
    assert band_words.band_of_description(text) == band


@pytest.mark.parametrize(
    "texts",
    [
        ("Band 1", "Band 2", "Band 3"),
        ("Band_1", "Band_2"),
        ("b1", "b2", "b3", "b4"),
        ("stack_1", "stack_2"),
        ("1", "2", "3"),
        ("Band 1: 443 nm", "Band 2: 490 nm"),
        ("Layer_1 (:Band_1)", "Layer_2 (:Band_2)", "Layer_3 (:Band_3)"),
        ("Band 1 of 2", "Band 2 of 2"),
        ("S2 stack [1]", "S2 stack [2]"),
        ("Band_1_10m", "Band_2_10m"),
        ("S2_B04_1", "S2_B04_2"),
        ("Band 1",),
        tuple(f"B{number}" for number in range(1, 14)),
    ],
)
def test_counts_are_no_names(texts):
    naming = band_names.name_bands(texts, "a.tif")
    assert not naming.known
    assert naming.counts == texts


@pytest.mark.parametrize(
    ("texts", "bands"),
    [
        (("B01", "B02", "B03"), ("B01", "B02", "B03")),
        (("b01", "b02"), ("B01", "B02")),
        (("Band 2", "Band 3", "Band 4"), ("B02", "B03", "B04")),
        (("B4", "B3", "B2"), ("B04", "B03", "B02")),
        (("Band 1 (Red)", "Band 2 (Green)"), ("B04", "B03")),
        (("B2", "B3", "QA60"), ("B02", "B03", "")),
        (("B1_median", "B2_median", "B3_median"), ("B01", "B02", "B03")),
        (("B1",), ("B01",)),
    ],
)
def test_names_that_look_like_counts(texts, bands):
    assert band_names.name_bands(texts, "a.tif").bands == bands


def test_what_may_be_names_and_may_count_is_asked():
    with pytest.raises(ValueError, match=r"a\.tif: calls its bands 'B1', 'B2', 'B3', 'B4', which "):
        band_names.name_bands(("B1", "B2", "B3", "B4"), "a.tif")


def test_contradictions_are_quoted():
    with pytest.raises(ValueError, match=r"a\.tif: .*'Blue \(B4\)' names two bands, B04 and B02"):
        band_names.name_bands(("Blue (B4)", "B3"), "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif: describes two bands by the same name: 'B2', 'b"):
        band_names.name_bands(("B2", "blue"), "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif: describes a band as 'B3', its metadata as B04"):
        band_names.name_bands(("B3",), "a.tif", [{"BANDNAME": "B4"}])


def test_names_in_metadata():
    metadata = [{"BANDNAME": "B4"}, {"common_name": "green"}, {"STATISTICS_MAXIMUM": "2"}]
    naming = band_names.name_bands(("Band 1", "Band 2", ""), "a.tif", metadata)
    assert naming.bands == ("B04", "B03", "")


def test_descriptions_that_nobody_understands_are_quoted():
    naming = band_names.name_bands(("first", "second"), "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif: calls its bands 'first', 'second', which are "):
        band_names.check_understood(naming, "a.tif")


def test_the_users_own_order():
    assert band_names.check_order(["B2", "red", "-"], 3, "a.tif") == ["B02", "B04", ""]
    with pytest.raises(ValueError, match=r"a\.tif: has 4 bands, and BAND_NAMES names 2"):
        band_names.check_order(["B2", "B3"], 4, "a.tif")
    with pytest.raises(ValueError, match="BAND_NAMES: 'B13' is no band of Sentinel-2"):
        band_names.check_order(["B13"], 1, "a.tif")
    with pytest.raises(ValueError, match="BAND_NAMES names B02 twice"):
        band_names.check_order(["B2", "blue"], 2, "a.tif")


@pytest.mark.parametrize(
    ("file", "band", "metres", "image"),
    [
        ("T32TPP_20180211T102141_B8A.jp2", "B8A", 0, "T32TPP_20180211T102141"),
        ("T32TPP_20230823T100559_B02_10m.tif", "B02", 10, "T32TPP_20230823T100559"),
        ("download.B2.tif", "B02", 0, "download"),
        ("2023-06-14_Sentinel-2_L1C_B02_(Raw).tiff", "B02", 0, "2023-06-14_Sentinel-2_L1C__(Raw)"),
        ("SENTINEL2A_20170407_L2A_T31TDJ_D_V1-4_FRE_B2.tif", "B02", 0, None),
        ("B02_20230823.tif", "B02", 0, "20230823"),
        ("blue.tif", "B02", 0, ""),
        ("x_nir08_20m.tif", "B8A", 20, "x"),
    ],
)
def test_names_of_files(file, band, metres, image):
    (found,), others = band_file_names.read_file_names([file])
    assert (found.band, found.metres, others) == (band, metres, [])
    assert image in (found.image, None)


@pytest.mark.parametrize(
    "file",
    ["visual.tif", "scl.tif", "LC08_L1TP_192030_B4.TIF", "MSK_DETFOO_B02.jp2", "B2_minus_B3.tif"],
)
def test_files_that_are_no_bands(file):
    assert band_file_names.read_file_names([file]) == ([], [file])


def test_what_all_files_share_names_no_band():
    bands, _ = band_file_names.read_file_names(["area_B1_B02.tif", "area_B1_B03.tif"])
    assert [file.band for file in bands] == ["B02", "B03"]
