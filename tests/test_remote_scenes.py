"""Scenes of a web server, read in place: the same maps, and refusals that say why."""

import contextlib
import functools
import http.server
import importlib
import io
import re
import threading

import make_products
import numpy as np
import pytest
from test_classify_image import brightness_model, made_pixels, record_of, write_scene

from landuse import sensors
from landuse.networks import model_files
from landuse.rasters import reading, remote_files
from landuse.rasters.gdal_setup import gdal
from landuse.scenes import opening, scene_lists

step = importlib.import_module("06_classify_image")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whole or in ranges; nothing more after `left` requests of ranges."""

    def log_message(self, *arguments):
        pass

    def send_head(self):
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = self.translate_path(self.path)
        if self.server.left == 0:
            return self.send_error(403)
        if found is None:
            return super().send_head()
        self.server.left -= 1
        self.server.asked += 1
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return self.send_error(404)
        first, last = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        return io.BytesIO(content[first : last + 1])


@contextlib.contextmanager
def served(folder):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    server.left, server.asked = -1, 0  # no end
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a scene and a model, its server, and script 06 set up for them."""
    pixels = made_pixels()
    (tmp_path / "web").mkdir()
    write_scene(tmp_path / "web" / "scene.tif", pixels)
    model_files.save(brightness_model(), record_of(pixels), tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    constants = {"PATH_TO_MODEL": "model.keras", "PRECISION": "float32", "BLOCK_SIZE": 64}
    for name, value in {**constants, "HTML": False, "QUICKLOOK": False, "STRIDE": 8}.items():
        monkeypatch.setattr(step, name, value)
    with served(tmp_path / "web") as (server, address):
        yield tmp_path, server, address


def map_scene(monkeypatch, image, label, remote=True):
    monkeypatch.setattr(step, "PATH_TO_IMAGE", str(image))
    monkeypatch.setattr(step, "PATH_TO_LABEL_IMAGE", label)
    monkeypatch.setattr(step, "REMOTE", remote)
    step.main()


def test_a_scene_of_a_server_gives_the_map_of_the_file(place, monkeypatch, capsys):
    """Broken off when the server refuses, it goes on after its last block."""
    folder, server, address = place
    write_scene(folder / "web" / "scene.tif", made_pixels(400, 420))
    map_scene(monkeypatch, folder / "web" / "scene.tif", "local_label.tif")
    map_scene(monkeypatch, f"{address}/scene.tif", "whole_label.tif")
    gdal.VSICurlClearCache()
    server.left = server.asked - 1
    with pytest.raises(OSError, match=r"scene\.tif"):
        map_scene(monkeypatch, f"{address}/scene.tif", "remote_label.tif")
    server.left = -1
    capsys.readouterr()
    map_scene(monkeypatch, f"{address}/scene.tif", "remote_label.tif")
    assert "going on" in capsys.readouterr().out
    for kind in ("label", "probability"):
        with (
            reading.Raster(folder / f"local_{kind}.tif") as local,
            reading.Raster(folder / f"remote_{kind}.tif") as remote,
        ):
            size = (local.info.rows, local.info.columns)
            np.testing.assert_array_equal(local.read(0, 0, 0, *size), remote.read(0, 0, 0, *size))


def test_a_changed_scene_is_another_one(place):
    folder, _, address = place
    name = remote_files.allow(f"{address}/scene.tif")
    size, _ = remote_files.state_of(name)
    assert size == (folder / "web" / "scene.tif").stat().st_size
    with pytest.raises(FileNotFoundError, match=r"no\.tif: no such file, or it cannot be reached"):
        remote_files.state_of(remote_files.allow(f"{address}/no.tif"))


def test_a_product_of_a_server_is_read_by_its_manifest(tmp_path):
    product = make_products.make_safe(tmp_path / "web")
    names = [file.relative_to(product) for file in product.rglob("*") if file.is_file()]
    lines = [f'<fileLocation href="./{name.as_posix()}"/>' for name in names]
    (product / "manifest.safe").write_text(f"<XFDU>{''.join(lines)}</XFDU>")
    with served(tmp_path / "web") as (_, address):
        for given in (product.name, f"{product.name}/{names_of_product_xml(names)}"):
            path = remote_files.allow(f"{address}/{given}")
            with (
                opening.open_scene(path, sensors.BANDS_MS) as remote,
                opening.open_scene(product, sensors.BANDS_MS) as local,
            ):
                assert (remote.name, remote.level) == (local.name, local.level)
                for ours, theirs in zip(
                    remote.read(0, 0, 96, 96), local.read(0, 0, 96, 96), strict=True
                ):
                    np.testing.assert_array_equal(ours, theirs)
        (product / "manifest.safe").unlink()
        gone = product.rename(product.with_name("S2_other.SAFE"))
        with pytest.raises(OSError, match=r"has no manifest\.safe, and its files are not listed"):
            opening.open_scene(remote_files.allow(f"{address}/{gone.name}"), sensors.BANDS_MS)


def names_of_product_xml(names):
    return next(name.name for name in names if name.name.startswith("MTD_MSI"))


def test_nothing_is_fetched_without_the_constant(place, monkeypatch):
    folder, _, address = place
    for image in (f"{address}/scene.tif", "s3://bucket/scene.tif", "/vsigs/bucket/scene.tif"):
        with pytest.raises(ValueError, match=r"is a web address, and only .* set REMOTE = True"):
            map_scene(monkeypatch, image, "label.tif", remote=False)
    (folder / "list.txt").write_text(f"{address}/scene.tif\n")
    assert scene_lists.expand("list.txt") == [f"{address}/scene.tif"]
    with pytest.raises(ValueError, match="set REMOTE = True"):
        map_scene(monkeypatch, "list.txt", "label.tif", remote=False)


@pytest.mark.parametrize(
    "address, name",
    [
        ("s3://bucket/a/scene.tif", "/vsis3/bucket/a/scene.tif"),
        ("gs://bucket/scene.tif", "/vsigs/bucket/scene.tif"),
        ("az://store/x.SAFE/", "/vsiaz/store/x.SAFE"),
        ("https://example.org/a/scene.tif", "/vsicurl?url=https%3A%2F%2Fexample.org/a/scene.tif"),
        ("/vsicurl/https://example.org/a.tif", "/vsicurl?url=https%3A%2F%2Fexample.org/a.tif"),
        ("/vsis3/bucket/scene.tif", "/vsis3/bucket/scene.tif"),
    ],
)
def test_addresses_by_gdals_names(address, name):
    assert remote_files.allow(address) == name
    assert remote_files.allow(name) == name
    assert remote_files.is_allowed(name)
    assert not remote_files.is_allowed(f"{name.rpartition('/')[0]}_of_another/scene.tif")
    if name.startswith("/vsicurl"):
        assert remote_files.title_of(name) == address.removeprefix("/vsicurl/")


@pytest.mark.parametrize(
    "address, message",
    [
        ("ftp://example.org/a.tif", "ftp:// cannot be read from"),
        ("/vsitar/a.tar/b.tif", "cannot be read from there"),
        ("https://example.org/a.tif?signature=secret", "with a key, a password or a query"),
        ("https://user:secret@example.org/a.tif", "with a key, a password or a query"),
    ],
)
def test_addresses_that_are_not_read(address, message):
    with pytest.raises(ValueError, match=message):
        remote_files.allow(address)


def test_a_zip_of_a_server_is_refused():
    with pytest.raises(ValueError, match=r"products .* and images .* are read; download"):
        opening.open_scene(remote_files.allow("https://example.org/a.zip"), sensors.BANDS_MS)
