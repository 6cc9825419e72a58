"""Damage small files in a thousand ways and read them: an answer or a plain error, nothing else.

    python tests/fuzz_files.py --kind jp2 --trials 2000 --keep /tmp/findings

Files are read in child processes with limited memory, so that a crash of a decoder, a hang or
runaway memory is seen as such. Ends with status 1 if there were any; `--keep` keeps the files.
"""

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
MEMORY = 1 << 30  # bytes that a child may take beyond what it has after its imports
SECONDS = 30  # that one file may take
SECONDS_OF_IMPORTS = 300  # on a busy machine
EXTREMES = (b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\x01")
SPECIAL_TEXTS = (b"-1", b"nan", b"1e999", b"99999999999", b"&x;", b"<a>", b'"', b"null", b"[]")


# ---- damage


def damage(content: bytes, rng: random.Random, is_text: bool) -> bytes:
    """Change a file at random, once or a few times."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        place = rng.randrange(len(changed) + 1)
        # headers decide on more than pixels do
        place = min(place, rng.randrange(400)) if rng.random() < 0.5 else place
        way = rng.randrange(6)
        if way == 0:
            changed = changed[:place] + bytes([rng.randrange(256)]) + changed[place + 1 :]
        elif way == 1:
            extreme = rng.choice(SPECIAL_TEXTS if is_text else EXTREMES)
            changed = changed[:place] + extreme + changed[place + len(extreme) :]
        elif way == 2:
            del changed[place : place + rng.randrange(1, 64)]
        elif way == 3:
            changed[place:place] = rng.randbytes(rng.randrange(1, 64))
        elif way == 4:
            start = rng.randrange(len(changed) + 1)
            changed[place:place] = changed[start : start + rng.randrange(1, 64)]
        elif rng.random() < 0.3:
            changed = changed[:place]
    return bytes(changed)


def damage_member(archive: bytes, rng: random.Random) -> bytes:
    """Damage one member of a zip and pack it again, so that its checksum is right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    chosen = rng.choice(list(members))
    members[chosen] = damage(members[chosen], rng, chosen.endswith(".json"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return packed.getvalue()


# ---- kinds of files: how one is made, how it is read


def make_jpg(folder: Path) -> Path:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "seed.jpg")
    return folder / "seed.jpg"


def read_patch(path: Path) -> None:
    import image_functions

    assert image_functions.read_patch(path).ndim == 3


def make_tif(folder: Path) -> Path:
    from landuse.rasters import writing

    pixels = np.random.default_rng(0).integers(1, 4000, (64, 64, 13)).astype(np.uint16)
    place = (6e5, 10.0, 0.0, 48e5, 0.0, -10.0)
    writing.write_geotiff(folder / "seed.tif", pixels // 64, place, "EPSG:32632", nodata=0)
    return folder / "seed.tif"


def read_raster(path: Path) -> None:
    from landuse.rasters import reading

    with reading.Raster(path) as raster:
        info = raster.info
        # the scene's reader takes windows, never a whole scene
        raster.read(info.bands - 1, 0, 0, min(info.rows, 64), min(info.columns, 64))


def read_tif(path: Path) -> None:
    with contextlib.suppress(ValueError, OSError):
        read_patch(path)
    read_raster(path)


def make_jp2(folder: Path) -> Path:
    from make_products import write_image

    pixels = np.random.default_rng(0).integers(1, 4000, (64, 64)).astype(np.uint16)
    write_image(folder / "seed.jp2", pixels, 10)
    return folder / "seed.jp2"


def make_xml(folder: Path) -> Path:
    from make_products import make_safe

    root = make_safe(folder, size=12)
    return shutil.copy(root / "MTD_MSIL1C.xml", folder / "seed.xml")


def read_xml(path: Path) -> None:
    from landuse.scenes import finding

    root = next(path.parent.glob("*.SAFE"))
    shutil.copy(path, root / "MTD_MSIL1C.xml")
    finding.find_product(root)


def make_gml(folder: Path) -> Path:
    from make_products import LEFT, TOP, cloud_gml

    (folder / "seed.gml").write_text(cloud_gml((LEFT, TOP - 600, LEFT + 600, TOP)))
    return folder / "seed.gml"


def read_gml(path: Path) -> None:
    from landuse.rasters import vectors
    from landuse.scenes import sentinel2

    polygons = sentinel2.read_cloud_polygons(str(path))
    vectors.rasterize(polygons, (609840.0, 10.0, 0.0, 4845600.0, 0.0, -10.0), "EPSG:32632", 64, 64)


def make_vrt(folder: Path) -> Path:
    from osgeo import gdal

    gdal.BuildVRT(str(folder / "seed.vrt"), [str(make_tif(folder))]).FlushCache()
    return folder / "seed.vrt"


def make_keras(folder: Path) -> Path:
    from test_classify_image import brightness_model

    from image_functions import BANDS_MS
    from landuse.networks import model_files

    record = {
        "class_names": ["a", "b", "c"],
        "band_names": list(BANDS_MS),
        "units": "DN",
        "patch_size": 64,
        "statistics": {},
        "network": "Small",
    }
    model_files.save(brightness_model(), record, folder / "seed.keras")
    return folder / "seed.keras"


def make_record(folder: Path) -> Path:
    sys.path.insert(0, str(REPOSITORY / "tests" / "bad_input"))
    from bad_input_world import write_model

    write_model(folder / "seed.keras")
    return folder / "seed.keras"


def read_record(path: Path) -> None:
    from landuse.networks import model_files

    model_files.read_record(path)
    model_files._check_whole(path)


def read_model(path: Path) -> None:
    from landuse.networks import model_files

    model_files.load(path)


def make_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "seed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"Forest/{number}.jpg", bytes(500))
    return folder / "seed.zip"


def read_zip(path: Path) -> None:
    from landuse import unpacking

    target = path.with_name("unpacked")
    shutil.rmtree(target, ignore_errors=True)
    around = set(path.parent.iterdir())
    try:
        unpacking.unzip(path, target)
    finally:
        assert set(path.parent.iterdir()) - around <= {target}


def make_geojson(folder: Path) -> Path:
    text = (
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, '
        '"geometry": {"type": "Polygon", "coordinates": [[[9, 45], [9.1, 45], [9, 45.1], [9, 45]]'
        "]}}]}"
    )
    (folder / "seed.geojson").write_text(text)
    return folder / "seed.geojson"


def read_geojson(path: Path) -> None:
    from landuse.rasters import vectors

    polygons = vectors.read_polygons(str(path), "EPSG:32632")
    vectors.rasterize(polygons, (5e5, 100.0, 0.0, 5e6, 0.0, -100.0), "EPSG:32632", 64, 64)


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], None]]] = {
    "jpg": (make_jpg, read_patch),
    "tif": (make_tif, read_tif),
    "jp2": (make_jp2, read_raster),
    "xml": (make_xml, read_xml),
    "gml": (make_gml, read_gml),
    "vrt": (make_vrt, read_raster),
    "geojson": (make_geojson, read_geojson),
    "zip": (make_zip, read_zip),
    "record": (make_record, read_record),
    "keras": (make_keras, read_model),  # imports Keras
}
TEXTS = (".xml", ".gml", ".vrt", ".geojson")


def make_faulty(folder: Path) -> Path:
    (folder / "seed.faulty").write_bytes(bytes(99))
    return folder / "seed.faulty"


def read_by_faulty_reader(path: Path) -> None:
    """Do what no reader may do, so that it is known to be seen."""
    number = path.with_name("number").read_text() if "damaged" in path.name else ""
    if number == "0":
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == "1":
        bytes(2 * MEMORY)
    if number == "2":
        time.sleep(10 * SECONDS)


READERS = {**KINDS, "faulty": (make_faulty, read_by_faulty_reader)}


# ---- the child


def damaged_file(seed_file: Path, kind: str, number: int) -> Path:
    """Write the damaged file of that number; the same number gives the same file."""
    rng = random.Random(f"{kind} {number}")
    content = seed_file.read_bytes()
    if kind in ("record", "keras") or (kind == "zip" and rng.random() < 0.5):
        changed = damage_member(content, rng)
    else:
        changed = damage(content, rng, seed_file.suffix in TEXTS)
    path = seed_file.with_stem("damaged")
    path.write_bytes(changed)
    return path


def read_damaged(kind: str, folder: Path, first: int, last: int) -> None:
    """Read damaged files; the number that is being read stands in a file beside them."""
    _, read = READERS[kind]
    seed_file = folder / f"seed.{'keras' if kind == 'record' else kind}"
    read(seed_file)  # what is good is read, and all imports are made
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(first, last):
        (folder / "number").write_text(str(number))
        path = damaged_file(seed_file, kind, number)
        try:
            read(path)
        except (ValueError, OSError) as error:
            assert str(error)


# ---- the parent


def fuzz(
    kind: str, trials: int, folder: Path, first: int = 0, seconds: float = 1e9
) -> tuple[list[str], int]:
    """Read so many damaged files, or as many as the time allows; give faults and number read."""
    folder.mkdir(parents=True, exist_ok=True)
    READERS[kind][0](folder)
    findings: list[str] = []
    begin, number, end = time.monotonic(), first, first + trials
    command = [sys.executable, __file__, "--kind", kind, "--folder", str(folder), "--first"]
    while number < end and time.monotonic() - begin < seconds:
        words = [*command, str(number), "--trials", str(end - number)]
        fault, number = run_child(words, folder, begin + seconds)
        if fault:
            findings.append(f"{kind} {number - 1}: {fault}")
            damaged = next(folder.glob("damaged*"))
            shutil.copy(damaged, folder / f"finding_{kind}_{number - 1}{damaged.suffix}")
    print(f"{kind}: {number - first} damaged files, {len(findings)} findings", flush=True)
    return findings, number - first


def run_child(command: list[str], folder: Path, end: float) -> tuple[str, int]:
    """Run a child until it ends, hangs or the time is over; give its fault and the next number."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    (folder / "number").unlink(missing_ok=True)
    with open(folder / "said", "wb") as said:
        child = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        fault = watch(child, folder / "number", end)
    said_at_last = (folder / "said").read_text(errors="replace").strip()[-2000:]
    if not (folder / "number").exists():
        raise RuntimeError(f"no damaged file was read: {fault} {said_at_last}")
    if fault.startswith("status"):
        fault = f"{fault}: {said_at_last.splitlines()[-1][:300] if said_at_last else ''}"
    return fault, int((folder / "number").read_text()) + 1


def watch(child: subprocess.Popen, number: Path, end: float) -> str:
    """Wait for a child, end it when a file takes too long or the time is over; give its fault."""
    current, since = "", time.monotonic()
    while child.poll() is None:
        time.sleep(0.05)
        found = number.read_text() if number.exists() else ""
        limit = SECONDS if found else SECONDS_OF_IMPORTS
        if found != current:
            current, since = found, time.monotonic()
        elif time.monotonic() - since > limit:
            child.kill()
            child.wait()
            return f"no answer in {limit} s"
        if found and time.monotonic() > end:
            child.kill()
            child.wait()
            return ""
    return f"status {child.returncode}" if child.returncode else ""


def main() -> int:
    """Fuzz a kind, or be the child that reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=READERS, required=True)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the child")
    parser.add_argument("--keep", type=Path, help="where files that were found go")
    arguments = parser.parse_args()
    if arguments.folder:
        last = arguments.first + arguments.trials
        read_damaged(arguments.kind, arguments.folder, arguments.first, last)
        os._exit(0)  # threads of libraries may take long to end, which says nothing about files
    with tempfile.TemporaryDirectory() as place:
        findings, _ = fuzz(arguments.kind, arguments.trials, Path(place), arguments.first)
        for file in Path(place).glob("finding_*") if arguments.keep else ():
            arguments.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, arguments.keep)
    print("\n".join(findings))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
