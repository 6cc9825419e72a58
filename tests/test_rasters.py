"""Reading, upsampling and writing of rasters and vectors."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tifffile
from make_products import write_image
from osgeo import gdal

from landuse.rasters import reading, reference_systems, resampling, vectors, writing

GRID = (600_000.0, 10.0, 0.0, 4_800_000.0, 0.0, -10.0)


def write(path, array=None, **options):
    array = np.arange(12, dtype=np.uint16).reshape(3, 4) if array is None else array
    writing.write_geotiff(path, array, GRID, "EPSG:32632", **options)
    return path


def test_what_is_written_is_read(tmp_path):
    array = np.arange(3 * 4 * 2, dtype=np.uint16).reshape(3, 4, 2)
    path = write(
        tmp_path / "a.tif", array, nodata=0, band_names=["B02", "B8A"], metadata={"MODEL": "m"}
    )
    read, info = reading.read_raster(path)
    np.testing.assert_array_equal(read, array)
    assert (info.rows, info.columns, info.bands, info.dtype) == (3, 4, 2, np.uint16)
    assert info.geotransform == GRID
    assert info.nodata == 0
    assert info.band_names == ("B02", "B8A")
    assert info.metadata["MODEL"] == "m"
    assert reference_systems.same_crs(info.crs, "EPSG:32632")
    assert reference_systems.crs_name(info.crs) == "WGS 84 / UTM zone 32N"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool"])
def test_values_of_every_type_survive(tmp_path, dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    read, _ = reading.read_raster(write(tmp_path / "a.tif", array))
    np.testing.assert_array_equal(read, array)


def test_gdalinfo_agrees(tmp_path):
    path = write(tmp_path / "a.tif")
    info = gdal.Info(str(path), format="json")
    info = info if isinstance(info, dict) else json.loads(info)
    assert info["size"] == [4, 3]
    assert info["cornerCoordinates"]["lowerRight"] == [600_040.0, 4_799_970.0]


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_names_and_colours_of_classes(tmp_path, driver):
    labels = np.array([[0, 1], [1, 255]], np.uint8)
    path = write(
        tmp_path / "labels.tif",
        labels,
        nodata=255,
        category_names=["Forest", "River"],
        colours={0: (0, 100, 0), 1: (0, 0, 200)},
        driver=driver,
    )
    info = reading.read_info(path)
    assert info.category_names == ("Forest", "River")
    assert info.colours[1] == (0, 0, 200)
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_a_replaced_file_does_not_keep_the_names_of_the_old_one(tmp_path):
    labels = np.zeros((2, 2), np.uint8)
    write(tmp_path / "a.tif", labels, category_names=["Forest"])
    write(tmp_path / "a.tif", labels)
    assert reading.read_info(tmp_path / "a.tif").category_names == ()


def test_wrong_number_of_band_names(tmp_path):
    with pytest.raises(ValueError, match="1 band names for 2 bands"):
        write(tmp_path / "a.tif", np.zeros((2, 2, 2), np.uint8), band_names=["B02"])


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    code = textwrap.dedent(f"""
        import resource, signal, sys
        import numpy as np
        from landuse.rasters import writing
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        noise = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
        for driver in ("GTiff", "COG"):
            try:
                writing.write_geotiff(
                    r"{tmp_path}/a.tif", noise, {GRID}, "EPSG:32632", driver=driver
                )
            except OSError as error:
                print(error)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("a.tif" in line and "full" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_image(tmp_path):
    (tmp_path / "a.tif").write_text("no image")
    with pytest.raises(OSError, match=r"a\.tif: cannot be read as an image"):
        reading.read_raster(tmp_path / "a.tif")
    with pytest.raises(FileNotFoundError, match="no such file"):
        reading.read_raster(tmp_path / "b.tif")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        reading.read_raster(tmp_path)


def test_a_truncated_geotiff(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    path = write(tmp_path / "a.tif", noise)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(OSError, match=r"a\.tif: cannot be read"):
        reading.read_raster(path)


def test_a_truncated_jpeg_2000(tmp_path):
    path = tmp_path / "a.jp2"
    noise = np.random.default_rng(0).integers(1, 5000, (200, 200)).astype(np.uint16)
    write_image(path, noise, 10)
    np.testing.assert_array_equal(reading.read_raster(path)[0], noise)
    whole = path.read_bytes()
    for kept in (0.98, 0.5, 0.1):
        path.write_bytes(whole[: int(kept * len(whole))])
        with pytest.raises(OSError, match=r"a\.jp2: is truncated"):
            reading.read_raster(path)


def test_a_web_service_in_disguise_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text(
        "<GDAL_WMS><Service name='TMS'><ServerUrl>http://localhost:9/</ServerUrl></Service>"
        "</GDAL_WMS>"
    )
    with pytest.raises(OSError, match="cannot be read as an image"):
        reading.read_raster(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="only files on this machine"):
        reading.read_raster("/vsicurl/http://localhost:9/a.tif")


def vrt(path, source, relative=1):
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="3"><VRTRasterBand dataType="UInt16" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def test_a_vrt_of_local_files_is_read(tmp_path):
    write(tmp_path / "a.tif")
    read, _ = reading.read_raster(vrt(tmp_path / "b.vrt", "a.tif"))
    np.testing.assert_array_equal(read, np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    "source", ["/vsicurl/http://localhost:9/a.tif", "http://localhost:9/a.tif", "WMS:a", "b.tif"]
)
def test_a_vrt_of_anything_else_is_refused(tmp_path, source):
    (tmp_path / "b.tif").write_text("<GDAL_WMS></GDAL_WMS>")
    with pytest.raises((ValueError, OSError), match=r"a\.vrt|b\.tif|WMS:a"):
        reading.read_raster(vrt(tmp_path / "a.vrt", source))
    # under another name it is the same
    with pytest.raises((ValueError, OSError), match=r"c\.jp2|b\.tif|WMS:a"):
        reading.read_raster(vrt(tmp_path / "c.jp2", source))


@pytest.mark.parametrize(
    "source",
    [
        "<sourcefilename>/vsicurl/http://localhost:9/a.tif</sourcefilename>",
        "<SourceFilename xmlns='urn:a'>/vsicurl/http://localhost:9/a.tif</SourceFilename>",
        "<SourceFilename>b<b/>.tif</SourceFilename>",
    ],
)
def test_a_vrt_cannot_hide_what_it_refers_to(tmp_path, source):
    path = vrt(tmp_path / "a.vrt", "a.tif")
    text = path.read_text()
    old = '<SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
    path.write_text(text.replace(old, source))
    with pytest.raises(ValueError, match=r"a\.vrt: refers to"):
        reading.read_raster(path)
    path.write_text(text.replace("<SimpleSource>", "<SimpleSource SourceFilename='http://a'>"))
    with pytest.raises(ValueError, match=r"a\.vrt: refers to"):
        reading.read_raster(path)


def test_a_vrt_with_entities_is_refused(tmp_path):
    path = tmp_path / "a.vrt"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><VRTDataset>&b;</VRTDataset>')
    with pytest.raises(ValueError, match=r"a\.vrt: is no valid VRT"):
        reading.read_raster(path)


def test_the_centre_of_a_patch(tmp_path):
    # 500 km east of false origin is the central meridian, 9 degrees in zone 32
    grid = (500_000 - 320, 10, 0, 320, 0, -10)
    writing.write_geotiff(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), grid, "EPSG:32632")
    longitude, latitude = reference_systems.centre_longitude_latitude(tmp_path / "a.tif")
    assert (longitude, latitude) == pytest.approx((9, 0), abs=1e-9)
    writing.write_geotiff(tmp_path / "b.tif", np.zeros((64, 64), np.uint8), None, "")
    with pytest.raises(ValueError, match=r"b\.tif: has no georeference"):
        reference_systems.centre_longitude_latitude(tmp_path / "b.tif")


# ---- upsampling


def gdal_cubic_spline(pixels, ratio):
    memory = gdal.GetDriverByName("MEM").Create("", pixels.shape[1], pixels.shape[0], 1, 2)
    memory.GetRasterBand(1).WriteArray(pixels)
    memory.GetRasterBand(1).SetNoDataValue(0)
    return memory.GetRasterBand(1).ReadAsArray(
        buf_xsize=pixels.shape[1] * ratio,
        buf_ysize=pixels.shape[0] * ratio,
        resample_alg=gdal.GRIORA_CubicSpline,
    )


@pytest.mark.parametrize("ratio", [2, 6])
def test_upsampling_is_that_of_gdal(ratio):
    pixels = np.random.default_rng(0).integers(1, 5000, (20, 30)).astype(np.uint16)
    ours = resampling.upsample(np.pad(pixels, 2), ratio)
    difference = ours.astype(int) - gdal_cubic_spline(pixels, ratio)
    # GDAL sums in float32
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


def test_upsampling_leaves_nodata_out():
    pixels = np.full((10, 10), 1000, np.uint16)
    pixels[3:5, 4] = 0
    fine = resampling.upsample(np.pad(pixels, 2), 6)
    expected = pixels.repeat(6, 0).repeat(6, 1)
    np.testing.assert_array_equal(fine, expected)


def test_a_constant_may_be_added_before_or_after():
    pixels = np.random.default_rng(0).integers(1, 5000, (12, 12)).astype(np.uint16)
    before = resampling.upsample(np.pad(pixels + np.uint16(1000), 2), 6)
    np.testing.assert_array_equal(before, resampling.upsample(np.pad(pixels, 2), 6) + 1000)


@pytest.mark.parametrize("ratio", [1, 2, 3, 6])
def test_windows_equal_the_whole(tmp_path, ratio):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4000, (40, 50)).astype(np.uint16)
    pixels[rng.random(pixels.shape) < 0.1] = 0
    rows, columns = 40 * ratio, 50 * ratio
    with reading.Raster(write(tmp_path / "a.tif", pixels)) as raster:
        whole = raster.read_upsampled(0, 0, 0, rows, columns, ratio)
        for _ in range(100):
            row, column = rng.integers(0, rows), rng.integers(0, columns)
            height = rng.integers(1, rows - row + 1)
            width = rng.integers(1, columns - column + 1)
            part = raster.read_upsampled(0, row, column, height, width, ratio)
            np.testing.assert_array_equal(part, whole[row : row + height, column : column + width])


def test_numbers_of_other_types_become_dn():
    values = np.array([np.nan, 0, 0.2, 1234.5, -9999, -30, 70_000, 7], np.float32)
    np.testing.assert_array_equal(
        resampling.as_dn(values, nodata=7), [0, 0, 1, 1235, 0, 1, 65535, 0]
    )
    kept = np.array([0, 1, 65535], np.uint16)
    np.testing.assert_array_equal(resampling.as_dn(kept, nodata=65535), [0, 1, 0])
    assert resampling.as_dn(kept, nodata=None) is kept


# ---- vectors


def test_polygons_of_classes(tmp_path):
    labels = np.array([[0, 0, 1], [0, 255, 1]], np.uint8)
    path = tmp_path / "a.gpkg"
    assert vectors.polygonize(path, labels, GRID, "EPSG:32632", ["Forest", "River"]) == 2
    source = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    found = {
        feature.GetField("class_name"): feature.GetField("hectares")
        for feature in source.GetLayer(0)
    }
    # 3 and 2 cells of 100 square metres
    assert found == {"Forest": pytest.approx(0.03), "River": pytest.approx(0.02)}
    assert [item.name for item in tmp_path.iterdir()] == ["a.gpkg"]


def geojson(path, *rings):
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [r]}}
        for r in rings
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_polygons_in_degrees_are_reprojected(tmp_path):
    # around the central meridian of zone 32, just north of the equator
    ring = [[9, 0], [9.01, 0], [9.01, 0.01], [9, 0.01], [9, 0]]
    polygons = vectors.read_polygons(geojson(tmp_path / "a.geojson", ring), "EPSG:32632")
    left, bottom, right, top = vectors.polygon_bounds(polygons)
    assert (left, bottom) == pytest.approx((500_000, 0), abs=0.1)
    assert (right, top) == pytest.approx((501_112.8, 1105.3), abs=2)
    grid = (499_900, 100, 0, 1200, 0, -100)
    inside = vectors.rasterize(polygons, grid, "EPSG:32632", 12, 14)
    assert not inside[:, 0].any()
    assert inside[1:, 1:12].all()
    assert not inside[:, 12:].any()


def test_what_is_no_area_of_interest(tmp_path):
    (tmp_path / "a.geojson").write_text("{")
    with pytest.raises(OSError, match=r"a\.geojson: cannot be read as a vector file"):
        vectors.read_polygons(tmp_path / "a.geojson", "EPSG:32632")
    point = {"type": "Point", "coordinates": [9, 0]}
    (tmp_path / "b.geojson").write_text(json.dumps(point))
    with pytest.raises(ValueError, match=r"b\.geojson: holds no polygon"):
        vectors.read_polygons(tmp_path / "b.geojson", "EPSG:32632")
    with pytest.raises(FileNotFoundError, match="no such file"):
        vectors.read_polygons(tmp_path / "c.geojson", "EPSG:32632")
    with pytest.raises(ValueError, match="no coordinate reference system"):
        reference_systems.same_crs("EPSG:zone 32", "EPSG:32632")


def test_a_damaged_georeference_is_an_error_of_input(tmp_path):
    # found by damaging files at random: the citation's text is said to be there and is not
    keys = (1, 1, 0, 2, 1024, 0, 1, 1, 1026, 34737, 22, 0)
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 6e5, 48e5, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", np.ones((64, 64), np.uint16), extratags=tags)
    with pytest.raises(OSError, match=r"a\.tif: its description is damaged: .*GTCitationGeoKey"):
        reading.read_info(tmp_path / "a.tif")


def test_polygons_can_be_written_where_tensorflow_was_loaded_first(tmp_path):
    pytest.importorskip("tensorflow")
    code = """
        import sys, tensorflow, numpy as np
        sys.path.insert(0, sys.argv[1])
        from landuse.rasters import vectors
        labels = np.array([[0, 1], [255, 1]], np.uint8)
        place = 6e5, 10.0, 0.0, 48e5, 0.0, -10.0
        print(vectors.polygonize(sys.argv[2], labels, place, "EPSG:32632", ["Lake", "Field"]))
        print(len(vectors.read_polygons(sys.argv[2], "EPSG:32632")))
    """
    root = Path(reading.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(code), root, tmp_path / "a.gpkg"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["2", "2"], done.stderr
