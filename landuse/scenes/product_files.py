"""The files of a product, in a folder or in a zip, and its XML, which comes from outside."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from landuse.rasters import reading, remote_files

MANIFEST = "manifest.safe"
LARGEST_XML = 64 * 1024 * 1024

PRODUCT_XML = re.compile(r"^(?:MTD_MSIL(?:1C|2A)|S2[A-Z]_\w{4}_MTD_SAFL(?:1C|2A)_.*)\.xml$")


@dataclass(frozen=True)
class Tree:
    """The files of a product, in a folder or in a zip; `names` are relative, with slashes."""

    root: Path
    names: tuple[str, ...]
    prefix: str = ""
    zipped: bool = False

    def path(self, name: str) -> str:
        """Return the name under which GDAL opens a file."""
        if self.zipped:
            return f"/vsizip/{{{self.root.resolve()}}}/{self.prefix}{name}"
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        """Read a small file."""
        if remote_files.is_remote(self.root):
            return reading.read_bytes(self.path(name), LARGEST_XML + 1)
        if not self.zipped:
            with open(self.root / name, "rb") as stream:
                return stream.read(LARGEST_XML + 1)
        try:
            with zipfile.ZipFile(self.root) as archive, archive.open(self.prefix + name) as stream:
                return stream.read(LARGEST_XML + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise OSError(f"{self.root}: member {name} cannot be read: {error}") from error

    @property
    def title(self) -> str:
        """Return the product's name, from the folder or the zip."""
        name = PurePosixPath(self.prefix).name or self.root.resolve().name
        return re.sub(r"(\.SAFE)?(\.zip)?$", "", name, flags=re.IGNORECASE)


def is_litter(name: str) -> bool:
    """Tell what macOS and others put beside every file ("._x.jp2", "__MACOSX") from files."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def folder_tree(root: Path) -> Tree:
    """List the files of a folder."""
    names = (file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    return Tree(root, tuple(sorted(name for name in names if not is_litter(name))))


def remote_tree(root: Path) -> Tree:
    """List the files of a product in an object store or on a web server.

    Its manifest.safe names them; without one, what the store or the server lists.
    """
    title = remote_files.title_of(root)
    try:
        content = reading.read_bytes(str(root / MANIFEST), LARGEST_XML + 1)
    except OSError:
        names = remote_files.names_in(root)
    else:
        found = elements(parse_xml(content, f"{title}/{MANIFEST}"), "fileLocation")
        hrefs = [element.get("href", "").removeprefix("./") for element in found]
        names = [name for name in hrefs if name and ".." not in PurePosixPath(name).parts]
    if not names:
        raise OSError(
            f"{title}: has no {MANIFEST}, and its files are not listed: it is not there, may not "
            "be read, or cannot be reached from here"
        )
    return Tree(root, tuple(sorted(name for name in names if not is_litter(name))))


def zip_tree(path: Path) -> Tree:
    """List a zip and find the product in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item.filename for item in archive.infolist() if not item.is_dir()]
        members = [name for name in members if not is_litter(name)]
    except (zipfile.BadZipFile, ValueError) as error:
        raise OSError(f"{path}: is no complete zip ({error}): copy or download it again") from error
    roots = {
        str(PurePosixPath(name).parent)
        for name in members
        if PRODUCT_XML.match(PurePosixPath(name).name)
    } or {str(parent) for name in members for parent in PurePosixPath(name).parents
          if parent.name.upper().endswith(".SAFE")}  # fmt: skip
    if not roots:
        raise ValueError(
            f"{path}: is a zip without a Sentinel-2 product in it (no MTD_MSIL1C.xml or "
            "MTD_MSIL2A.xml); unpack a zip of other images first"
        )
    if len(roots) > 1:
        raise ValueError(f"{path}: holds {len(roots)} products, unpack it and name one")
    root = roots.pop()
    prefix = "" if root == "." else f"{root}/"
    inside = (name[len(prefix) :] for name in members if name.startswith(prefix))
    return Tree(path, tuple(sorted(inside)), prefix, zipped=True)


def parse_xml(content: bytes, name: str) -> Element:
    """Parse XML that comes from outside: no entities, no references, a limited size.

    Parameters
    ----------
    content : bytes
    name : str
        For the message.

    Raises
    ------
    ValueError
        If it is not well-formed, uses entities, or is unreasonably large.
    """
    if len(content) > LARGEST_XML:
        raise ValueError(f"{name}: is larger than {LARGEST_XML >> 20} MiB, no product metadata")
    try:
        return defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
    except (SyntaxError, DefusedXmlException, ValueError) as error:
        raise ValueError(f"{name}: is no valid product metadata: {error}") from error


def elements(root: Element, tag: str) -> list[Element]:
    """Return the elements of that name in any namespace."""
    return [item for item in root.iter() if str(item.tag).rsplit("}", 1)[-1] == tag]


def text_of(root: Element | None, *tags: str) -> str | None:
    """Return the text of the first of the tags that is there."""
    for tag in tags if root is not None else ():
        for element in elements(root, tag):  # type: ignore[arg-type]
            if element.text and element.text.strip():
                return element.text.strip()
    return None
