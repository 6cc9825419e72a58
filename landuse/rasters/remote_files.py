"""Files of object stores and web servers, read in place by GDAL, where the user allows it.

Within this repository such a file has GDAL's own name for it, of a form that a Path keeps as it is:
`/vsis3/bucket/scene.tif`, or `/vsicurl?url=https%3A%2F%2Fexample.org/scene.tif`. GDAL itself is
loaded only when one is looked at.
"""

import re
from pathlib import Path

STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
CURL = "/vsicurl?url="
STARTS = (*STORES.values(), CURL)
KNOWN = "s3://, gs://, az:// and https:// (or GDAL's /vsis3/, /vsigs/, /vsiaz/ and /vsicurl/)"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OPTIONS = {  # a server that says nothing must not hang a map for ever
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_CONNECTTIMEOUT": "30",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "2",
}
_allowed: set[str] = set()  # folders


def is_address(text: str) -> bool:
    """Tell whether a text names something that is not on this machine."""
    return _SCHEME.match(text) is not None or (
        text.startswith("/vsi") and not text.startswith(("/vsizip/", "/vsimem/"))
    )


def is_remote(path: str | Path) -> bool:
    """Tell whether a path is one that `allow` gave, or lies below one."""
    return str(path).startswith(STARTS)


def is_allowed(path: str | Path) -> bool:
    """Tell whether a remote file lies in a folder that the user named."""
    return is_remote(path) and any(str(parent) in _allowed for parent in Path(path).parents)


def allow(address: str) -> str:
    """Let a remote file, and what lies in its folder, be read; give GDAL's name for it.

    Parameters
    ----------
    address : str
        s3://, gs://, az://, http(s)://, or what GDAL calls them.

    Returns
    -------
    str
        That a Path keeps as it is.

    Raises
    ------
    ValueError
        For another kind of address, or one with a password or a key in it.
    """
    name = address if address.startswith(STARTS) else _name_of(address)
    name = name.rstrip("/")
    path = Path(name)
    _allowed.update((name, str(path.parent)))
    from landuse.rasters.gdal_setup import gdal

    for option, value in _OPTIONS.items():
        if gdal.GetConfigOption(option) is None:
            gdal.SetConfigOption(option, value)
    return name


def _name_of(address: str) -> str:
    text = address.removeprefix("/vsicurl/")
    found = _SCHEME.fullmatch(text)
    if not found:
        raise ValueError(f"{address}: cannot be read from there; what can are {KNOWN}")
    scheme, rest = found[1].lower(), found[2]
    if scheme in STORES and text == address:
        return STORES[scheme] + rest
    if scheme not in ("http", "https"):
        raise ValueError(f"{address}: {scheme}:// cannot be read from; what can are {KNOWN}")
    if re.search(r"[?#&%]|^[^/]*@", rest):
        raise ValueError(
            f"{address}: an address with a key, a password or a query in it is not read: it would "
            "be written into the map. Download it, or use s3://, gs:// or az:// with the keys in "
            "the environment, as GDAL takes them"
        )
    return f"{CURL}{scheme}%3A%2F%2F{rest}"


def title_of(path: str | Path) -> str:
    """Give the address of a remote path as people write it."""
    text = str(path)
    return text.removeprefix(CURL).replace("%3A%2F%2F", "://") if text.startswith(CURL) else text


def state_of(path: str | Path) -> tuple[int, int]:
    """Give what changes with a file: its size, and when it was changed (ns; 0 if not told).

    Raises
    ------
    FileNotFoundError
        When there is none, or nobody answers.
    """
    if not is_remote(path):
        state = Path(path).stat()
        return state.st_size, state.st_mtime_ns
    from landuse.rasters.gdal_setup import gdal

    try:
        found = gdal.VSIStatL(str(path))
    except RuntimeError:
        found = None
    if found is None:
        raise FileNotFoundError(
            f"{title_of(path)}: no such file, or it cannot be reached or read from here "
            f"({gdal.GetLastErrorMsg() or 'nothing more is told'})"
        )
    return int(found.size), int(found.mtime) * 10**9


def names_in(folder: str | Path) -> list[str]:
    """List the files of a remote folder and all below it, with slashes; [] where none is told."""
    from landuse.rasters.gdal_setup import gdal

    try:
        found = gdal.ReadDirRecursive(str(folder)) or []
    except RuntimeError:
        return []
    return sorted(name for name in found if not name.endswith("/"))
