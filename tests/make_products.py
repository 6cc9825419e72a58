"""Small Sentinel-2 products in the real layout, for tests.

The pixels are smooth random fields, made per band at its own resolution, so that a test can
make them again with `made_band` and compare.
"""

import zipfile
from pathlib import Path

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()

RESOLUTIONS = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10,
    "B8A": 20, "B09": 60, "B10": 60, "B11": 20, "B12": 20,
}  # fmt: skip
IDS = tuple(RESOLUTIONS)  # order of band_id in a product
LEFT, TOP = 609_840.0, 4_845_600.0
TIME = "20180211T102141"


def made_band(band: str, size: int = 384) -> np.ndarray:
    """Return the made DN of a band at its own resolution, (rows, columns) uint16, from 200 on."""
    side = size * 10 // RESOLUTIONS[band]
    rng = np.random.default_rng(IDS.index(band))
    fields = rng.integers(0, 2000, (side // 8 + 1, side // 8 + 1)).repeat(8, 0).repeat(8, 1)
    return (200 + fields[:side, :side] + rng.integers(0, 100, (side, side))).astype(np.uint16)


def write_image(path, pixels, resolution, driver="JP2OpenJPEG", epsg=32632, left=LEFT):
    """Write (rows, columns) or (bands, rows, columns) as a georeferenced image."""
    stack = pixels if pixels.ndim == 3 else pixels[None]
    code = gdal.GDT_Byte if stack.dtype == np.uint8 else gdal.GDT_UInt16
    bands, rows, columns = stack.shape
    memory = gdal.GetDriverByName("MEM").Create("", columns, rows, bands, code)
    memory.SetGeoTransform((left, resolution, 0, TOP, 0, -resolution))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    memory.SetProjection(reference.ExportToWkt())
    for number, band in enumerate(stack, start=1):
        memory.GetRasterBand(number).WriteArray(band)
    options = ["QUALITY=100", "REVERSIBLE=YES"] if driver == "JP2OpenJPEG" else []
    path.parent.mkdir(parents=True, exist_ok=True)
    gdal.GetDriverByName(driver).CreateCopy(str(path), memory, 0, options).FlushCache()
    Path(f"{path}.aux.xml").unlink(missing_ok=True)


def _xml(level, baseline, quantification, offsets, images):
    l2a = level == "L2A"
    tag, one = (
        ("BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET")
        if l2a
        else ("Radiometric_Offset_List", "RADIO_ADD_OFFSET")
    )
    values = "".join(
        f'<{one} band_id="{IDS.index(band)}">{value}</{one}>'
        for band, value in (offsets or {}).items()
    )
    number = f'<QUANTIFICATION_VALUE unit="none">{quantification}</QUANTIFICATION_VALUE>'
    if l2a:
        number = (
            "<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE>"
            f"{quantification}</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>"
        )
    files = "".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in images)
    return (
        f'<?xml version="1.0"?><n1:User_Product xmlns:n1="https://psd-14/{level}.xsd">'
        f"<n1:General_Info><Product_Info><PROCESSING_LEVEL>Level-{level[1:]}</PROCESSING_LEVEL>"
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>"
        "<Datatake><DATATAKE_SENSING_START>2018-02-11T10:21:41.024Z</DATATAKE_SENSING_START>"
        f"</Datatake><Granule_List><Granule>{files}</Granule></Granule_List></Product_Info>"
        f"<Product_Image_Characteristics>{number}"
        f"{f'<{tag}>{values}</{tag}>' if values else ''}"
        "</Product_Image_Characteristics></n1:General_Info></n1:User_Product>"
    )


def _band_files(level, old, granule, tile, bands):
    """Return (band, resolution, path within the granule) of each image."""
    if level == "L2A":
        return [
            (band, resolution, f"IMG_DATA/R{resolution}m/T{tile}_{TIME}_{band}_{resolution}m.jp2")
            for band in bands
            for resolution in (10, 20, 60)
            if band != "B10" and resolution >= RESOLUTIONS[band]
        ]
    start = granule.removesuffix("_N02.04") if old else f"T{tile}_{TIME}"
    return [(band, RESOLUTIONS[band], f"IMG_DATA/{start}_{band}.jp2") for band in bands]


def make_safe(
    folder,
    level="L1C",
    baseline="05.09",
    offset=-1000,
    offsets=None,
    quantification=10000,
    tiles=("32TPP",),
    old=False,
    size=384,
    pixels=None,
    clouds=None,
    add=0,
    bands=IDS,
):
    """Write a product and return the path of its .SAFE folder.

    `offset` goes into the metadata for every band (None: no list), or `offsets` by band;
    `add` is added to every made DN; `pixels` gives the DN of some bands; `clouds` is an array
    for MSK_CLASSI (3, rows, columns at 60 m), SCL (rows, columns at 20 m), or a text for GML.
    """
    number = baseline.replace(".", "")
    name = f"S2B_MSIL{level[1:]}_{TIME}_N{number}_R122_T{tiles[0]}_{TIME}.SAFE"
    if old:
        name = f"S2A_OPER_PRD_MSIL1C_PDMC_20160605T000000_R122_V{TIME}_{TIME}.SAFE"
    root = Path(folder) / name
    names = []
    for tile in tiles:
        granule = f"L{level[1:]}_T{tile}_A004875_{TIME}"
        if old:
            granule = f"S2A_OPER_MSI_L1C_TL_EPA__{TIME}_A004875_T{tile}_N02.04"
        place = root / "GRANULE" / granule
        for band, resolution, file in _band_files(level, old, granule, tile, bands):
            values = (pixels or {}).get(band, made_band(band, size) + add)
            step = resolution // RESOLUTIONS[band]
            write_image(place / file, values[::step, ::step].astype(np.uint16), resolution)
            names.append(f"GRANULE/{granule}/{file.removesuffix('.jp2')}")
        xml = "MTD_TL.xml" if not old else f"S2A_OPER_MTD_L1C_TL_EPA__A004875_T{tile}.xml"
        (place / xml).write_text(
            "<Tile><SENSING_TIME>2018-02-11T10:21:41.024Z</SENSING_TIME></Tile>"
        )
        if isinstance(clouds, str):
            mask = place / "QI_DATA" / "MSK_CLOUDS_B00.gml"
            mask.parent.mkdir()
            mask.write_text(clouds)
        elif clouds is not None and level == "L2A":
            write_image(place / f"IMG_DATA/R20m/T{tile}_{TIME}_SCL_20m.jp2", clouds, 20)
        elif clouds is not None:
            write_image(place / "QI_DATA" / "MSK_CLASSI_B00.jp2", clouds, 60)
    by_band = offsets or (None if offset is None else dict.fromkeys(IDS, offset))
    xml = f"MTD_MSI{level}.xml" if not old else "S2A_OPER_MTD_SAFL1C_PDMC_20160605T000000.xml"
    (root / xml).write_text(_xml(level, baseline, quantification, by_band, names))
    return root


def make_full_size_safe(folder, size=10_980):
    """Write a whole L1C tile of 13 bands; bands of one resolution share one file (hard links)."""
    root = make_safe(folder, size=96)
    rng = np.random.default_rng(0)
    written = {}
    for band in IDS:
        place = next(root.rglob(f"*_{band}.jp2"))
        place.unlink()
        resolution = RESOLUTIONS[band]
        if resolution in written:
            place.hardlink_to(written[resolution])
            continue
        side = size * 10 // resolution
        fields = rng.integers(1100, 4000, (side // 30 + 1,) * 2, np.uint16)
        pixels = fields.repeat(30, 0).repeat(30, 1)[:side, :side]
        pixels += rng.integers(0, 60, pixels.shape, np.uint16)
        write_image(place, pixels, resolution)
        written[resolution] = place
    return root


def zip_safe(root, path=None, compression=zipfile.ZIP_DEFLATED):
    """Pack a product as it is handed out, `name.SAFE.zip` with the folder inside."""
    path = path or root.with_name(f"{root.name}.zip")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
    return path


def make_band_folder(
    folder, bands, driver="GTiff", size=384, prefix=f"T32TPP_{TIME}", pixels=None, epsg=32632
):
    """Write single-band files named as a product's and return the folder."""
    suffix = {"GTiff": "tif", "JP2OpenJPEG": "jp2"}[driver]
    for band in bands:
        values = (pixels or {}).get(band, made_band(band, size))
        write_image(
            Path(folder) / f"{prefix}_{band}.{suffix}", values, RESOLUTIONS[band], driver, epsg
        )
    return Path(folder)


def cloud_gml(*squares):
    """Return MSK_CLOUDS as GML; a square is (left, bottom, right, top)."""
    features = "".join(
        "<eop:MaskFeature><eop:maskType>OPAQUE</eop:maskType><eop:extentOf><gml:Polygon>"
        '<gml:exterior><gml:LinearRing><gml:posList srsDimension="2">'
        f"{west} {south} {east} {south} {east} {north} {west} {north} {west} {south}"
        "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></eop:extentOf>"
        "</eop:MaskFeature>"
        for west, south, east, north in squares
    )
    return (
        '<?xml version="1.0"?><eop:Mask xmlns:eop="http://www.opengis.net/eop/2.0" '
        'xmlns:gml="http://www.opengis.net/gml/3.2"><eop:maskMembers>'
        f"{features}</eop:maskMembers></eop:Mask>"
    )
