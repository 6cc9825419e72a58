"""A scene as the model wants it: bands by name, in the model's units, window by window.

Raw DN are resampled first and the radiometric offset is added afterwards. The weights of the
spline sum to one, so that the order would not matter, but for two things that are not linear:
0 is nodata and must not enter a sum, and DN' is clipped at 1. So nodata is left out while
resampling, and the clipping comes last.

A pixel is nodata where any of the bands that the model wants is 0: a network cannot judge a
pixel with a band missing, and at the edge of the swath the bands end at different columns. In
between, real Level-1C pixels are never 0 (the darkest are 1).
"""

import contextlib
import itertools
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from image_functions import PATCH_SIZE, scale_to_rgb8
from landuse import products, rasters
from landuse.products import Product

PIXEL_SIZE = 10.0  # metres; products are read on the grid of their 10 m bands
LARGEST_DN = 65535
NOT_GEOREFERENCED: rasters.Geotransform = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
# in MSK_CLASSI: opaque clouds, cirrus; in SCL: cloud shadow, cloud medium, cloud high, cirrus
CLOUD_BANDS = (0, 1)
CLOUD_CLASSES = (3, 8, 9, 10)

# of the check against the training data, in DN
OFFSET = 1000  # what products from baseline 04.00 on hold too much
NEAR_OFFSET = (850, 1600)  # by so much does the dark end of every band then lie too high
LARGEST_8_BIT = 262  # 255 after the round trip through rgb8
SMALLEST_RGB8 = 12  # DN 1, and thus a reflectance of 1.0, after the same
MANY_AT_FLOOR = 0.05  # share of pixels at DN 1, which visible bands never reach above the air
MOST_AT_FLOOR = 0.3  # that share is lower in 8-bit values
CLEARLY_BETTER = 0.5  # by so much must another order of bands fit better (sum of log ratios)
CLEARLY_BETTER_PAIR = 1.5  # the same for two bands exchanged, of which there are many
VEGETATION = 1.5  # there, near infrared is so many times brighter than B04 and B12 at least
ENOUGH_VEGETATION = 0.2  # share of the pixels that it takes to tell B04 from B12
USUALLY = 0.6  # share of pixels in which a band that is darker than another one should be brighter
VISIBLE = ("B01", "B02", "B03", "B04")
AFTER_B08 = ("B8A", "B09", "B10", "B11", "B12")  # in a product; in EuroSAT B8A comes last

Window = tuple[int, int, int, int]


def to_training_dn(dn: np.ndarray, offset: float, quantification: float) -> np.ndarray:
    """Return DN as EuroSAT has them: reflectance 1 is 10,000, no offset, 0 is nodata.

    DN' = max(round((DN + offset) * 10000 / quantification), 1) where DN > 0.

    Parameters
    ----------
    dn : ndarray
    offset : float
        What the product's metadata says to add.
    quantification : float
        DN of reflectance 1.

    Returns
    -------
    ndarray of the same shape, uint16
    """
    value = (dn.astype(np.float64) + offset) * (10_000 / quantification)
    value = np.clip(np.floor(value + 0.5), 1, LARGEST_DN)
    return np.where(dn > 0, value, 0).astype(np.uint16)


class _Band:
    """One band's file on the scene's grid, and a table of what its DN become."""

    def __init__(self, name: str, raster: rasters.Raster, index: int, ratio: int) -> None:
        self.name, self.raster, self.index, self.ratio = name, raster, index, ratio
        self.table: np.ndarray = np.arange(LARGEST_DN + 1).astype(np.uint16)

    def read(self, window: Window) -> np.ndarray:
        """Read a window (row, column, rows, columns) of the scene's grid."""
        return self.table[self.raster.read_upsampled(self.index, *window, self.ratio)]


class _Clouds:
    """A product's own cloud mask on the scene's grid."""

    def __init__(self, mask: products.CloudMask, geotransform: Any, crs: str) -> None:
        self.path, self._kind = mask.path, mask.kind
        self._geotransform, self._crs = geotransform, crs
        self.raster: rasters.Raster | None = None
        self._polygons: list[bytes] = []
        if mask.kind == "polygons":
            self._polygons = products.read_cloud_polygons(mask.path)
        else:
            self.raster = rasters.Raster(mask.path, allow_vrt=False)
            self.ratio = _ratio_to(geotransform[1], self.raster)

    def read(self, window: Window) -> np.ndarray:
        """Return where clouds are, bool."""
        if self.raster is None:
            row, column, rows, columns = window
            left, width, _, top, _, height = self._geotransform
            corner = (left + column * width, width, 0.0, top + row * height, 0.0, height)
            return rasters.rasterize(self._polygons, corner, self._crs, rows, columns)
        if self._kind == "scene":
            return np.isin(self.raster.read_repeated(0, *window, self.ratio), CLOUD_CLASSES)
        layers = [self.raster.read_repeated(band, *window, self.ratio) for band in CLOUD_BANDS]
        return np.logical_or(*layers)


def _on_disk(name: str) -> Path:
    """Return the file that GDAL's name of a file leads to: the zip for its member."""
    member = re.match(r"/vsizip/\{(.+)\}/", name)
    return Path(member[1] if member else name)


def _ground_messages(geotransform: Sequence[float], crs: str) -> list[str]:
    """Say where the pixels are not the 10 m on the ground that models are trained on."""
    if not crs:
        return ["no georeference: the map has none either"]
    unit = rasters.metres_per_unit(crs)
    if unit is None:
        return [
            "not in a projection in metres: pixels may not be 10 m wide, and areas are given in "
            "pixels and percent only"
        ]
    messages, width = [], geotransform[1] * unit
    if abs(width / PIXEL_SIZE - 1) > 0.2:
        messages.append(
            f"the pixels are {width:g} m wide, patches of Sentinel-2 have {PIXEL_SIZE:g} m"
        )
    if not rasters.in_metres(crs):
        messages.append("map units are not metres: areas are given in pixels and percent only")
    return messages


class Scene:
    """An open scene, and a context manager that closes it; `open_scene` makes it.

    Attributes
    ----------
    name : str
        Outputs are named after it.
    rows, columns : int
    geotransform : tuple of 6 floats
    crs : str
        WKT, "" where there is none.
    band_names : tuple of str
    units : {"DN", "rgb8"}
    dtype : numpy.dtype
        uint16 for "DN", uint8 for "rgb8".
    level, sensing_time : str or None
    product : dict
        What the product says of itself, for the metadata of a map.
    messages : tuple of str
        What was assumed, for the user to read.
    """

    def __init__(self, found: Product, bands: Sequence[_Band], units: str) -> None:
        finest = min(bands, key=lambda band: band.ratio)
        info, ratio = finest.raster.info, finest.ratio
        left, width, _, top, _, height = info.geotransform or NOT_GEOREFERENCED
        self.name = found.name
        self.rows, self.columns = info.rows * ratio, info.columns * ratio
        self.geotransform = (left, width / ratio, 0.0, top, 0.0, height / ratio)
        self.crs = info.crs
        self.band_names = tuple(band.name for band in bands)
        self.units = units
        self.dtype = np.dtype(np.uint8 if units == "rgb8" else np.uint16)
        self.level, self.sensing_time = found.level, found.sensing_time
        self.product: dict[str, Any] = {
            "name": found.name,
            "level": found.level,
            "baseline": found.baseline,
            "sensing_time": found.sensing_time,
            "tile": found.tile,
        }
        self.messages = (*found.messages, *_ground_messages(self.geotransform, self.crs))
        self._bands, self._picture = tuple(bands), found.picture
        self._clouds: _Clouds | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def files(self) -> list[Path]:
        """Return the files on disk that pixels and clouds come from; a zip for its members."""
        opened = [band.raster for band in self._bands]
        names = {name for raster in opened for name in raster.files()}
        if self._clouds is not None:
            names.add(self._clouds.path)
        return sorted({_on_disk(name) for name in names})

    def close(self) -> None:
        """Close the files."""
        for band in self._bands:
            band.raster.close()
        if self._clouds is not None and self._clouds.raster is not None:
            self._clouds.raster.close()

    def read(self, row: int, column: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window; it comes out the same whatever else is read.

        Parameters
        ----------
        row, column, rows, columns : int
            The window, which must lie inside the scene.

        Returns
        -------
        pixels : ndarray of shape (rows, columns, bands), uint16 DN or uint8 rgb8
            DN have the product's offset applied and start at 1; 0 is nodata. Pixels under
            clouds keep their values.
        valid : ndarray of shape (rows, columns), bool
            False where a band is nodata (in an 8-bit RGB image: all three), or under clouds.

        Raises
        ------
        ValueError
            If the window does not lie in the scene.
        OSError
            If a file is damaged.
        """
        inside = row >= 0 and column >= 0 and rows > 0 and columns > 0
        if not inside or row + rows > self.rows or column + columns > self.columns:
            raise ValueError(
                f"{self.name}: the window of {rows}x{columns} at {row}, {column} does not lie "
                f"in the scene of {self.rows}x{self.columns}"
            )
        window = (row, column, rows, columns)
        pixels = np.empty((rows, columns, len(self._bands)), self.dtype)
        with self._lock:
            for number, band in enumerate(self._bands):
                pixels[..., number] = band.read(window)
            clouds = self._clouds.read(window) if self._clouds is not None else False
        has_data = (pixels > 0).any(axis=2) if self._picture else pixels.all(axis=2)
        return pixels, has_data & ~np.asarray(clouds)

    def sample(self, count: int = 20_000, seed: int = 0) -> np.ndarray:
        """Draw valid pixels from windows spread over the scene.

        Parameters
        ----------
        count : int
            How many at most.
        seed : int

        Returns
        -------
        ndarray of shape (pixels, bands), in the scene's units
            Empty where nothing valid was met.
        """
        rng = np.random.default_rng(seed)
        found = np.empty((0, len(self._bands)), self.dtype)
        # a window costs the decoding of a whole tile of each band, so more of them only if needed
        for across in (3, 6):
            if len(found) < PATCH_SIZE**2:
                for row, column in _sample_windows(self.rows, self.columns, across, rng):
                    pixels, valid = self.read(row, column, PATCH_SIZE, PATCH_SIZE)
                    found = np.concatenate([found, pixels[valid]])
        return found[rng.permutation(len(found))[:count]]


def _sample_windows(
    rows: int, columns: int, across: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Place one window at random in every cell of a coarse grid over the scene."""
    places = []
    for i, j in np.ndindex(across, across):
        row = int((i + rng.random()) / across * (rows - PATCH_SIZE + 1))
        column = int((j + rng.random()) / across * (columns - PATCH_SIZE + 1))
        places.append((row, column))
    return places


def _check_has_bands(found: Product, band_names: Sequence[str], units: str) -> None:
    """Check that the product can give what the model wants; name what is missing."""
    if found.picture and units != "rgb8":
        raise ValueError(
            f"{found.path}: is an 8-bit RGB image, and the model needs DN of the bands "
            f"{', '.join(band_names)}; give the product itself, or use an RGB model"
        )
    missing = [band for band in band_names if band not in found.bands]
    if missing == ["B10"] and found.level == "L2A":
        raise ValueError(
            f"{found.path}: Level-2A products have no band B10, which this model needs: give the "
            "Level-1C product, or a model trained on the 12 bands without B10 "
            '(BAND_COMBINATIONS["L2A"])'
        )
    for band in missing:
        if band in found.expected:
            raise FileNotFoundError(
                f"{found.path}: the file of band {band} is missing: {found.expected[band]}; "
                "copy or download the product again"
            )
    if missing:
        raise ValueError(
            f"{found.path}: has no band {', '.join(missing)}; the model needs "
            f"{', '.join(band_names)}, found {', '.join(sorted(found.bands))}"
        )


def _ratio_to(size: float, raster: rasters.Raster) -> int:
    """Return how many pixels of the given size lie side by side in one of the raster's."""
    info = raster.info
    if info.geotransform is None:
        return 1
    ratio = info.geotransform[1] / size
    if abs(ratio - round(ratio)) > 1e-3 or round(ratio) < 1:
        raise ValueError(
            f"{info.path}: its pixels of {info.geotransform[1]:g} do not fit a grid of {size:g}"
        )
    return round(ratio)


def _finest_pixel(opened: Iterable[rasters.Raster]) -> float:
    widths = [raster.info.geotransform[1] for raster in opened if raster.info.geotransform]
    return min(widths, default=1.0)


def _check_north_up(info: rasters.RasterInfo) -> None:
    _, width, turn, _, tilt, height = info.geotransform or NOT_GEOREFERENCED
    if turn or tilt or width <= 0 or height >= 0:
        raise ValueError(f"{info.path}: is not north up; warp it first (gdalwarp)")


def _open_bands(
    found: Product, band_names: Sequence[str], stack: contextlib.ExitStack
) -> list[_Band]:
    """Open the files of the bands, each once."""
    opened: dict[str, rasters.Raster] = {}
    for name in band_names:
        path = found.bands[name].path
        if path not in opened:
            opened[path] = rasters.Raster(path, allow_vrt=found.kind == "raster")
            stack.callback(opened[path].close)
            _check_north_up(opened[path].info)
    size = PIXEL_SIZE if found.kind == "SAFE" else _finest_pixel(opened.values())
    bands = []
    for name in band_names:
        file = found.bands[name]
        bands.append(_Band(name, opened[file.path], file.index, _ratio_to(size, opened[file.path])))
    return bands


def _check_same_grid(bands: Sequence[_Band]) -> None:
    """Check that the bands lie on each other: projection, size, upper left corner."""
    first = min(bands, key=lambda band: band.ratio)
    one = first.raster.info
    rows, columns = one.rows * first.ratio, one.columns * first.ratio
    for band in bands:
        other = band.raster.info
        if not rasters.same_crs(one.crs, other.crs):
            raise ValueError(
                f"{other.path}: band {band.name} is in {rasters.crs_name(other.crs)}, but "
                f"{first.name} in {rasters.crs_name(one.crs)}; warp one to the other (gdalwarp)"
            )
        if (other.rows * band.ratio, other.columns * band.ratio) != (rows, columns):
            raise ValueError(
                f"{other.path}: band {band.name} covers {other.rows * band.ratio}x"
                f"{other.columns * band.ratio} pixels of the scene's grid, but {first.name} "
                f"{rows}x{columns}"
            )
        if not _same_corner(one.geotransform, other.geotransform):
            raise ValueError(
                f"{other.path}: band {band.name} starts at another corner than {first.name}"
            )


def _same_corner(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    if one is None or other is None:
        return one is other
    limit = abs(one[1]) * 1e-3
    return abs(one[0] - other[0]) <= limit and abs(one[3] - other[3]) <= limit


def _check_size(scene: Scene, path: str | Path) -> None:
    if (scene.rows, scene.columns) == (PATCH_SIZE, PATCH_SIZE):
        raise ValueError(f"{path}: is a patch of {PATCH_SIZE}x{PATCH_SIZE} pixels, not a scene")
    if min(scene.rows, scene.columns) < PATCH_SIZE:
        raise ValueError(
            f"{path}: is {scene.rows}x{scene.columns} pixels, a scene has at least {PATCH_SIZE} "
            "on each side"
        )


def _choose_offsets(
    found: Product, band_names: Sequence[str], radiometric_offset: str | float
) -> list[float]:
    """Return the offset of each band."""
    if isinstance(radiometric_offset, str) and radiometric_offset != "auto":
        raise ValueError(
            f'RADIOMETRIC_OFFSET is {radiometric_offset!r}, expected "auto" or a number'
        )
    if radiometric_offset != "auto":
        return [float(radiometric_offset)] * len(band_names)
    unknown = [name for name in band_names if found.offsets and name not in found.offsets]
    if unknown:
        raise ValueError(
            f"{found.path}: its metadata gives offsets, but none for {', '.join(unknown)}; "
            "set RADIOMETRIC_OFFSET"
        )
    return [found.offsets.get(name, 0.0) for name in band_names]


def _say_offset(found: Product, radiometric_offset: str | float) -> str:
    """Return the sentence on the radiometric offset, "" where there is nothing to say."""
    if radiometric_offset == "auto":
        return found.radiometry
    if found.picture:
        return "RADIOMETRIC_OFFSET is for DN, and not applied to an 8-bit image"
    return f"radiometric offset {float(radiometric_offset):g} DN (RADIOMETRIC_OFFSET) is applied"


def _set_tables(
    bands: Sequence[_Band], offsets: Sequence[float], found: Product, units: str
) -> None:
    """Give every band the table of what its DN become."""
    if found.picture:
        return
    dn = np.arange(LARGEST_DN + 1)
    for band, offset in zip(bands, offsets, strict=True):
        table = to_training_dn(dn, offset, found.quantification)
        band.table = scale_to_rgb8(table) if units == "rgb8" else table


def _open_clouds(found: Product, scene: Scene) -> _Clouds:
    """Open the product's cloud mask."""
    if found.cloud_mask is None:
        raise ValueError(
            f"{found.path}: has no cloud mask (MSK_CLASSI or MSK_CLOUDS in QI_DATA of L1C, SCL of "
            "L2A); set MASK_CLOUDS = False"
        )
    clouds = _Clouds(found.cloud_mask, scene.geotransform, scene.crs)
    if clouds.raster is not None:
        info, ratio = clouds.raster.info, clouds.ratio
        if (info.rows * ratio, info.columns * ratio) != (scene.rows, scene.columns):
            raise ValueError(f"{info.path}: the cloud mask covers another area than the bands")
    return clouds


def open_scene(
    path: str | Path,
    band_names: Sequence[str],
    units: str = "DN",
    radiometric_offset: str | float = "auto",
    mask_clouds: bool = False,
    granule: str | None = None,
) -> Scene:
    """Open a scene for reading in a model's bands and units.

    Parameters
    ----------
    path : str or Path
        An L1C or L2A product (folder, zip or MTD_*.xml), a folder of single-band files, or a
        multi-band raster.
    band_names : sequence of str
        The bands in the model's order.
    units : {"DN", "rgb8"}
        "rgb8" scales DN 0..2750 to 1..255, or takes an 8-bit RGB image as it is.
    radiometric_offset : "auto" or float
        What is added to every DN; "auto" takes it from the product's metadata, and without
        metadata from its name.
    mask_clouds : bool
        Count as not valid what the product's own mask calls cloud.
    granule : str, optional
        Which one (tile or name), in a product of several.

    Returns
    -------
    Scene
        A context manager.

    Raises
    ------
    OSError, ValueError
        With what is wrong and what to do.
    """
    if units not in ("DN", "rgb8"):
        raise ValueError(f'units are {units!r}, expected "DN" or "rgb8"')
    found = products.find_product(path, band_names, granule)
    _check_has_bands(found, band_names, units)
    offsets = _choose_offsets(found, band_names, radiometric_offset)
    with contextlib.ExitStack() as stack:
        bands = _open_bands(found, band_names, stack)
        _check_same_grid(bands)
        _set_tables(bands, offsets, found, units)
        scene = Scene(found, bands, units)
        _check_size(scene, path)
        if mask_clouds:
            scene._clouds = _open_clouds(found, scene)
        if said := _say_offset(found, radiometric_offset):
            scene.messages = (said, *scene.messages)
        offset_of = dict(zip(band_names, offsets, strict=True))
        scene.product |= {"offsets": offset_of, "quantification": found.quantification}
        stack.pop_all()  # from here on the scene closes its files
    return scene


# ---- does a scene look like what the model was trained on?


def _to_dn(values: np.ndarray, units: str) -> np.ndarray:
    """Return DN as float64; rgb8 values scaled back."""
    dn = values.astype(np.float64)
    return (dn - 1) * (2750 / 254) if units == "rgb8" else dn


def _known_orders(band_names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return orders that bands are mistaken for: by cause, the band that each name holds."""
    product = [band for band in AFTER_B08 if band in band_names]
    eurosat = [*product[1:], *product[:1]]
    causes = {
        "in reverse order (as blue, green, red for red, green, blue)": dict(
            zip(band_names, band_names[::-1], strict=True)
        )
    }
    if "B8A" in product and len(product) > 2:
        causes |= {
            "in the order of a product (B8A after B08), taken for the order of EuroSAT (B8A "
            "last)": dict(zip(eurosat, product, strict=True)),
            "in the order of EuroSAT (B8A last), taken for the order of a product (B8A after "
            "B08)": dict(zip(product, eurosat, strict=True)),
        }
    return causes


def _features(percentiles: np.ndarray) -> np.ndarray:
    """Return what tells bands apart: dark end, median, bright end, and the span of these."""
    span = percentiles[-1:] - percentiles[:1]
    # the 50 keeps the noise of the darkest bands from counting
    return np.log(np.maximum(np.concatenate([percentiles, span]), 0) + 50)


def _misfit(
    levels: np.ndarray, trained: np.ndarray, names: Sequence[str], held: dict[str, str]
) -> float:
    """Return how unlike the training data a scene is, if a band called a is really held[a]."""
    order = [list(names).index(held.get(band, band)) for band in names]
    return float(np.abs(_features(levels) - _features(trained)[:, order]).sum())


def find_band_order(
    levels: np.ndarray, trained: np.ndarray, band_names: Sequence[str]
) -> str | None:
    """Find out whether another order of the bands fits the training data clearly better.

    Every land cover is unlike the average in all its bands together, and a wrong order is
    unlike it in some bands and not in their neighbours. So orders are compared with each
    other, not with a limit. In real single-class scenes and patches none of the wrong orders
    fits better than the right one.

    Parameters
    ----------
    levels, trained : ndarray of shape (3, bands), DN
        1, 50 and 99 % of the scene and of the training data.
    band_names : sequence of str

    Returns
    -------
    str or None
        The order the bands seem to be in.
    """
    found = {
        cause: _misfit(levels, trained, band_names, held) + CLEARLY_BETTER
        for cause, held in _known_orders(band_names).items()
    }
    for pair in itertools.combinations(band_names, 2):
        held = dict(zip(pair, pair[::-1], strict=True))
        found[_exchanged(*pair)] = _misfit(levels, trained, band_names, held) + CLEARLY_BETTER_PAIR
    best = min(found, key=lambda cause: found[cause], default=None)
    usual = _misfit(levels, trained, band_names, {})
    return best if best is not None and found[best] < usual else None


def _exchanged(one: str, other: str) -> str:
    return f"with {one} and {other} exchanged"


def find_exchanged_infrared(
    dn: np.ndarray, trained: np.ndarray, band_names: Sequence[str]
) -> str | None:
    """Find out whether B12 was exchanged with B11 or B04, of which it has about the range.

    Ranges cannot tell these, but pixels can. B11 is brighter than B12 nearly everywhere, and over
    vegetation B12 is brighter than B04 more often than not; as haze and some fields are an
    exception to that, the ranges must agree there.

    Parameters
    ----------
    dn : ndarray of shape (pixels, bands)
    trained : ndarray of shape (3, bands)
        1, 50 and 99 % of the training data.
    band_names : sequence of str

    Returns
    -------
    str or None
        The order the bands seem to be in.
    """
    of = {band: dn[:, number] for number, band in enumerate(band_names)}
    if {"B11", "B12"} <= set(of) and (of["B11"] < of["B12"]).mean() > USUALLY:
        return _exchanged("B11", "B12")
    near = next((of[band] for band in ("B8A", "B08") if band in of), None)
    if near is None or not {"B04", "B12"} <= set(of):
        return None
    green = near > VEGETATION * np.maximum(of["B04"], of["B12"])
    if green.mean() < ENOUGH_VEGETATION or (of["B12"] < of["B04"])[green].mean() <= USUALLY:
        return None
    levels, held = np.percentile(dn, (1, 50, 99), axis=0), {"B04": "B12", "B12": "B04"}
    better = _misfit(levels, trained, band_names, held) < _misfit(levels, trained, band_names, {})
    return _exchanged("B04", "B12") if better else None


def _explain_scale(
    dn: np.ndarray, raised: np.ndarray, band_names: Sequence[str], level: str | None
) -> str | None:
    """Return what is wrong with the values of all bands alike, None if nothing."""
    largest = np.percentile(dn, 99.9, axis=0)
    visible = [number for number, band in enumerate(band_names) if band in VISIBLE]
    at_floor = (dn <= 1).mean(axis=0)
    darkest = max(visible, key=lambda number: at_floor[number], default=None)
    floor = at_floor[darkest] if darkest is not None else 0.0
    if (largest <= SMALLEST_RGB8).all():
        return (
            f"nearly all values are at most {largest.max():.0f}, expected thousands: reflectance "
            "as 0..1 floats? Multiply it by 10000 (or RADIOMETRIC_OFFSET was subtracted wrongly)"
        )
    if (largest <= LARGEST_8_BIT).all() and floor < MOST_AT_FLOOR:
        return (
            f"no band exceeds {largest.max():.0f}, expected thousands: 8-bit values in place of "
            "16-bit DN? Give the product itself"
        )
    # The air itself is brighter, so that one band tells; at the ground, dark water may reach 0.
    if level != "L2A" and darkest is not None and floor > MANY_AT_FLOOR:
        return (
            f"{100 * floor:.0f} % of the pixels of {band_names[darkest]} are at the "
            "lowest value: was a radiometric offset subtracted twice? Set RADIOMETRIC_OFFSET = 0"
        )
    if NEAR_OFFSET[0] <= raised.min() <= NEAR_OFFSET[1]:
        return (
            f"even the darkest pixels (1 %) of every band lie {raised.min():.0f} or more above the "
            f"training data's ({_amounts(band_names, raised)}): a radiometric offset of 1000 that "
            "was not subtracted? Set RADIOMETRIC_OFFSET = -1000"
        )
    return None


def _amounts(band_names: Sequence[str], amounts: np.ndarray) -> str:
    return ", ".join(
        f"{band} {amount:+.0f}" for band, amount in zip(band_names, amounts, strict=True)
    )


def _outside(
    levels: np.ndarray, low: np.ndarray, high: np.ndarray, band_names: Sequence[str]
) -> list[str]:
    """Say which bands lie outside what the model knows with more than half of their pixels."""
    return [
        f"{band}: median {median:.0f}, but 99.8 % of the training data lie in {least:.0f}.."
        f"{most:.0f}"
        for band, median, least, most in zip(band_names, levels[1], low, high, strict=True)
        if not least <= median <= most
    ]


def _known_levels(
    statistics: dict[str, Any], band_names: Sequence[str], units: str
) -> dict[str, np.ndarray]:
    """Return the percentiles of the training data, in DN, in the order of the bands."""
    try:
        place = [list(statistics["band_names"]).index(band) for band in band_names]
        return {
            percent: _to_dn(np.asarray(statistics["percentiles"][percent], float)[place], units)
            for percent in ("0.1", "1", "50", "99", "99.9")
        }
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"the model's record has damaged statistics of its training data ({error!r}): "
            "copy or train the model again"
        ) from error


def check_sample(
    sample: np.ndarray,
    band_names: Sequence[str],
    units: str,
    statistics: dict[str, Any],
    level: str | None = None,
) -> list[str]:
    """Compare pixels of a scene with the statistics of a model's training data.

    Parameters
    ----------
    sample : ndarray of shape (pixels, bands), in `units`
    band_names : sequence of str
    units : {"DN", "rgb8"}
    statistics : dict
        With the percentiles 0.1, 1, 50, 99 and 99.9 of each of its "band_names".
    level : {"L1C", "L2A"}, optional

    Returns
    -------
    list of str
        A warning for each thing that looks wrong, with band, amount and the likely cause.
    """
    if len(sample) == 0:
        return ["no valid pixel was met in a sample of the scene"]
    if "percentiles" not in statistics:
        return []
    known = _known_levels(statistics, band_names, units)
    dn = _to_dn(sample, units)
    levels = np.percentile(dn, (1, 50, 99), axis=0)
    trained = np.stack([known["1"], known["50"], known["99"]])
    raised = levels[0] - trained[0]
    scale = _explain_scale(dn, raised, band_names, level)
    if scale is None:
        shift = 0
    elif "not subtracted" in scale:
        shift = OFFSET
    else:
        return [scale]
    order = find_band_order(levels - shift, trained, band_names) or find_exchanged_infrared(
        dn - shift, trained, band_names
    )
    warnings = [scale] if scale else []
    if order:
        warnings.append(f"the bands seem to lie {order}: name the bands of the file (B02, ...)")
    return warnings or _outside(levels, known["0.1"], known["99.9"], band_names)


def check_against_model(scene: Scene, record: dict[str, Any]) -> list[str]:
    """Compare a scene with what a model was trained on, before anything is classified.

    Parameters
    ----------
    scene : Scene
    record : dict
        Of the model file: "statistics" and "processing_level" are used.

    Returns
    -------
    list of str
        Warnings, none for a scene that looks as it should.
    """
    trained = record.get("processing_level")
    warnings = check_sample(
        scene.sample(), scene.band_names, scene.units, record["statistics"], scene.level
    )
    if trained and scene.level and trained != scene.level:
        warnings.append(
            f"the scene is {scene.level} and the model was trained on {trained}: reflectance at "
            "the ground (L2A) is darker than at the top of the atmosphere (L1C), most of all in "
            f"the visible; expect wrong labels, or give the {trained} product"
        )
    return warnings
