"""The page in a browser: the numbers of step 6, its sentences, keys, and the files it saves."""

import functools
import hashlib
import http.server
import importlib
import json
import shutil
import subprocess
import threading
from pathlib import Path

import export_models
import numpy as np
import pytest
from osgeo import gdal, osr
from PIL import Image

from landuse.exporting import browser_pages, export_types, exports, facts, web_runtime
from landuse.networks import model_files, shipped
from landuse.scenes import opening

gdal.UseExceptions()
STRIDE = 16


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """A folder with what the page runs on: fetched by step 00, or packed by npm."""
    fetched = export_models.REPOSITORY / "data" / "web_runtime"
    if all((fetched / file.name).is_file() for file in web_runtime.FILES):
        return str(fetched)
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("neither the page's runtime nor npm, which could pack it, is there")
    folder = tmp_path_factory.mktemp("runtime")
    packages = {f"{file.package}@{file.version}" for file in web_runtime.FILES}
    done = subprocess.run([npm, "pack", *packages], cwd=folder, capture_output=True, timeout=300)
    if done.returncode:
        pytest.skip("npm could not pack the page's runtime")
    return str(folder)


def make_page(folder, keras_file, runtime):
    pytest.importorskip("tf2onnx")
    model, record = model_files.load(keras_file)
    stride = exports.dense_stride_for(browser_pages.BROWSER, record, None)
    told = facts.facts_of(
        record, sha256="0" * 64, precision="float32", dense_stride=stride, licence="MIT"
    )
    sizes = np.zeros((1, 192, 192, 3) if stride else (1, 64, 64, 3), np.float32)
    shape = exports.shape_of(browser_pages.BROWSER, 3, None, stride, None)
    export = export_types.Export(model, shape, stride, "float32", sizes, told, runtime)
    folder.mkdir()
    browser_pages.write(export, folder)
    return folder


def write_scene(path, values, names=(), options=()):
    bands = values.shape[2]
    kind = gdal.GDT_Byte if values.dtype == np.uint8 else gdal.GDT_UInt16
    raster = gdal.GetDriverByName("GTiff").Create(
        str(path), values.shape[1], values.shape[0], bands, kind, list(options)
    )
    raster.SetGeoTransform((600000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32632)
    raster.SetProjection(system.ExportToWkt())
    for band in range(bands):
        raster.GetRasterBand(band + 1).WriteArray(values[..., band])
        if names:
            raster.GetRasterBand(band + 1).SetDescription(names[band])
    raster = None
    return path


def landscape(rows, columns, dark, light):
    """Dark and light fields of 48 px, with noise, in three bands."""
    rng = np.random.default_rng(7)
    fields = (np.arange(rows)[:, None] // 48 + np.arange(columns)[None] // 48) % 2
    return (dark + (light - dark) * fields)[..., None] + rng.normal(
        0, 0.05 * light, (rows, columns, 3)
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory, runtime):
    """Two models with their pages, RGB for dense maps and DN window by window, and files."""
    folder = tmp_path_factory.mktemp("browser")
    for name, dense, units, bands in (
        ("rgb", True, "rgb8", ["B04", "B03", "B02"]),
        ("dn", False, "DN", export_models.BANDS),
    ):
        model = export_models.save_model(folder / f"{name}.keras", dense, None, units, bands)
        make_page(folder / name, model, runtime)
    picture = landscape(150, 203, 60, 140).clip(1, 255).astype(np.uint8)
    write_scene(folder / "picture.tif", picture, options=["PHOTOMETRIC=RGB"])
    dn = landscape(150, 203, 600, 1400).clip(1, 9999).astype(np.uint16)
    write_scene(
        folder / "dn.tif", dn[..., [2, 0, 1]], ["B08", "B02", "B03"],
        ["COMPRESS=DEFLATE", "PREDICTOR=2", "TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"],
    )  # fmt: skip
    dn[:70, 150:] = 0
    write_scene(folder / "hole.tif", dn, export_models.BANDS)
    write_scene(folder / "two.tif", dn[..., :2], ["B02", "B08"])
    write_scene(folder / "small.tif", dn[:40, :100])
    write_scene(folder / "five.tif", np.repeat(dn, 2, axis=2)[..., :5])
    Image.fromarray(picture[:64, :64]).save(folder / "patch.png")
    (folder / "notes.tif").write_text("This is no image.")
    (folder / "thesis.pdf").write_bytes(b"%PDF-1.7 and so on")
    return folder


def start_browser(*flags):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("there is no chromium")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *flags):
        options.add_argument(flag)
    options.add_argument("--window-size=1300,1000")
    return webdriver.Chrome(options=options)


@pytest.fixture(scope="module")
def browser():
    driver = start_browser()
    yield driver
    driver.quit()


class Page:
    """What a person does with the page."""

    def __init__(self, driver, address):
        self.driver = driver
        driver.get(address)
        self.wait("LANDUSE.ready || !document.getElementById('problem').hidden")

    def wait(self, condition, seconds=60):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.05).until(
            lambda driver: driver.execute_script(f"return {condition}")
        )

    def text(self, name):
        return self.driver.execute_script(
            "const e = document.getElementById(arguments[0]);return e.hidden ? '' : e.textContent",
            name,
        )

    def open(self, path):
        self.driver.execute_script("LANDUSE.result = null")
        self.driver.find_element("id", "file").send_keys(str(path))
        self.wait(
            "!document.getElementById('problem').hidden || LANDUSE.result"
            " || !document.getElementById('scene').hidden"
        )

    def map(self, path, stride=STRIDE):
        from selenium.webdriver.support.ui import Select

        self.open(path)
        Select(self.driver.find_element("id", "stride")).select_by_value(str(stride))
        self.driver.find_element("id", "start").click()
        self.wait("LANDUSE.result")
        found = self.driver.execute_script(
            "const r = LANDUSE.result;"
            "return [r.rows, r.columns, Array.from(r.labels), Array.from(r.probability)]"
        )
        shape = found[:2]
        return np.reshape(found[2], shape), np.reshape(found[3], shape)


@pytest.fixture
def page(browser, place):
    return lambda name: Page(browser, (place / name / "index.html").as_uri())


def map_of_step_6(place, scene, model, monkeypatch):
    """Labels and probabilities of step 6, in this process, where Keras is loaded already."""
    script = importlib.import_module("06_classify_image")
    label = place / f"{scene.stem}_by_script_with_{Path(model).stem}_label.tif"
    constants = {
        "PATH_TO_IMAGE": str(scene), "PATH_TO_MODEL": str(model), "STRIDE": STRIDE,
        "PATH_TO_LABEL_IMAGE": str(label), "PROBABILITY_TYPE": "float32",
        "PRECISION": "float32", "QUICKLOOK": False, "HTML": False,
    }  # fmt: skip
    for name, value in constants.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    probability = Path(str(label).replace("_label.tif", "_probability.tif"))
    return gdal.Open(str(label)).ReadAsArray(), gdal.Open(str(probability)).ReadAsArray()


def words_of_step_6(path, model):
    """What step 6 says to a file that it does not map."""
    record = model_files.read_record(model)
    with pytest.raises((ValueError, OSError)) as caught:
        opening.open_scene(path, record["band_names"], record["units"])
    return str(caught.value)


@pytest.mark.parametrize(("name", "scene"), [("rgb", "picture"), ("dn", "dn"), ("dn", "hole")])
def test_map_has_the_numbers_of_step_6(page, place, monkeypatch, name, scene):
    labels, probability = page(name).map(place / f"{scene}.tif")
    expected = map_of_step_6(place, place / f"{scene}.tif", place / f"{name}.keras", monkeypatch)
    np.testing.assert_array_equal(labels, expected[0])
    assert len(np.unique(labels)) == (3 if scene == "hole" else 2)
    mapped = labels != 255
    np.testing.assert_allclose(probability[mapped], expected[1][mapped], atol=1e-3)


def test_patch_gets_its_probabilities(page, place):
    opened = page("rgb")
    opened.open(place / "patch.png")
    found = opened.driver.execute_script("return Array.from(LANDUSE.result.probabilities)")
    patch = np.asarray(Image.open(place / "patch.png"), np.float32)[np.newaxis]
    model, _ = model_files.load(place / "rgb.keras")
    np.testing.assert_allclose(found, model.predict_on_batch(patch)[0], atol=1e-4)
    rows = opened.text("answers")
    assert "Dark" in rows
    assert "%" in rows
    best = "Dark" if found[0] > found[1] else "Light"
    assert opened.text("status").startswith(f"patch.png: {best}, ")


def test_the_model_that_comes_along_works_in_its_page(browser, place, runtime, monkeypatch):
    model = shipped.find_model("eurosat_rgb")
    make_page(place / "shipped", model, runtime)
    opened = Page(browser, (place / "shipped" / "index.html").as_uri())
    labels, probability = opened.map(place / "picture.tif", 64)
    monkeypatch.setitem(globals(), "STRIDE", 64)
    expected = map_of_step_6(place, place / "picture.tif", model, monkeypatch)
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_allclose(probability, expected[1], atol=1e-3)
    assert opened.text("legend").startswith("AnnualCrop")


@pytest.mark.parametrize(("name", "scene"), [("rgb", "picture"), ("dn", "hole")])
def test_graphics_processor_gives_the_same_map(page, place, name, scene):
    """A processor stands in for the graphics processor, so that it is slow, but computes alike."""
    if not (place / name / browser_pages.GPU_RUNTIME).is_file():
        pytest.skip("the runtime for WebGPU is not there")
    labels, probability = page(name).map(place / f"{scene}.tif", 32)
    driver = start_browser("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    try:
        opened = Page(driver, (place / name / "index.html").as_uri() + "?device=graphics")
        if driver.execute_script("return !navigator.gpu"):
            pytest.skip("this browser has no WebGPU")
        found = opened.map(place / f"{scene}.tif", 32)
        assert driver.execute_script("return LANDUSE.result.device") == "graphics"
        assert opened.text("status").endswith(", by the graphics processor")
    finally:
        driver.quit()
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_allclose(found[1], probability, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "file"),
    [("dn", "two.tif"), ("dn", "small.tif"), ("dn", "picture.tif"), ("rgb", "thesis.pdf")],
)
def test_file_that_is_no_scene_gets_the_words_of_step_6(page, place, name, file):
    opened = page(name)
    opened.open(place / file)
    said = words_of_step_6(place / file, place / f"{name}.keras")
    assert f"{place}/{opened.text('problem')}" == said


@pytest.mark.parametrize("file", ["notes.tif", "five.tif"])
def test_other_files_get_the_beginning_of_these_words(page, place, file):
    opened = page("dn")
    opened.open(place / file)
    said = words_of_step_6(place / file, place / "dn.keras")
    begins = opened.text("problem").split(" (damaged")[0].split("; set the bands'")[0]
    assert begins
    assert said.startswith(f"{place}/{begins}")


def test_a_file_after_a_wrong_one_is_read(page, place):
    opened = page("dn")
    opened.open(place / "notes.tif")
    assert opened.text("problem")
    opened.map(place / "dn.tif", 64)
    assert opened.text("problem") == ""
    assert "The map is finished: 12 windows" in opened.text("status")


def test_page_works_from_a_web_server_and_asks_nobody_else(browser, place):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=place / "dn")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Page(browser, f"http://127.0.0.1:{server.server_port}/")
        labels, _ = opened.map(place / "dn.tif", 32)
        asked = browser.execute_script(
            "return performance.getEntriesByType('resource').map((e) => e.name)"
        )
        server.shutdown()
    assert set(np.unique(labels)) == {0, 1}
    assert {name.rsplit("/", 1)[-1] for name in asked} == {"geotiff.js", "runtime.js", "model.js"}


def test_keys_move_a_mark_whose_class_is_read_out(page, place):
    from selenium.webdriver.common.keys import Keys

    opened = page("dn")
    labels, _ = opened.map(place / "dn.tif")
    stage = opened.driver.find_element("id", "stage")
    stage.send_keys(Keys.HOME)
    stage.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    wanted = export_models.CLASSES[labels[2, 1]]
    assert opened.text("readout").startswith(f"row 3, column 2: {wanted}, ")
    stage.send_keys(Keys.END)
    assert opened.text("readout").startswith("row 10, column 13: ")
    live = opened.driver.find_element("id", "readout").get_attribute("aria-live")
    assert live == "polite"


def test_everything_has_a_name_and_is_reached_by_tab(page, place):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened = page("dn")
    opened.map(place / "dn.tif", 64)
    nameless = opened.driver.execute_script(
        "return [...document.querySelectorAll('input, select, button, [tabindex]')]"
        ".filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim()"
        " && !e.getAttribute('aria-label')).map((e) => e.id)"
    )
    assert nameless == []
    reached = []
    opened.driver.execute_script("document.activeElement.blur()")
    for _ in range(12):
        ActionChains(opened.driver).send_keys(Keys.TAB).perform()
        reached.append(opened.driver.switch_to.active_element.get_attribute("id"))
    wanted = {"file", "stride", "start", "opacity", "save-tif", "save-png", "stage"}
    assert wanted <= set(reached)


def test_saved_geotiff_lies_where_the_scene_does(page, place, tmp_path):
    opened = page("dn")
    labels, _ = opened.map(place / "dn.tif")
    content = opened.driver.execute_script(
        "return Array.from(labelTiff(map, scene, CLASSES, {MODEL: 'Tiny'}))"
    )
    (tmp_path / "saved.tif").write_bytes(bytes(content))
    raster = gdal.Open(str(tmp_path / "saved.tif"))
    np.testing.assert_array_equal(raster.ReadAsArray(), labels)
    assert raster.GetGeoTransform() == (600000.0, 160.0, 0.0, 4800000.0, 0.0, -160.0)
    assert osr.SpatialReference(raster.GetProjection()).GetAuthorityCode(None) == "32632"
    band = raster.GetRasterBand(1)
    assert band.GetNoDataValue() == 255
    assert band.GetColorTable().GetColorEntry(0)[:3] != band.GetColorTable().GetColorEntry(1)[:3]
    assert raster.GetMetadataItem("CLASS_1") == "Light"


def test_offset_of_a_product_is_taken_from_its_name_or_from_the_field(page, place):
    opened = page("dn")
    named = place / "S2B_MSIL1C_20230101T101010_N0509_R022_T32TPP_20230101T1.tif"
    shutil.copy(place / "dn.tif", named)
    opened.open(named)
    assert "-1000 is added to every DN" in opened.text("warnings")
    opened.open(place / "dn.tif")
    assert "no radiometric offset" in opened.text("warnings")


def test_browser_without_simd_is_told_so(browser, place):
    script = "WebAssembly.validate = () => false;"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        opened = Page(browser, (place / "dn" / "index.html").as_uri())
        assert "no WebAssembly with SIMD" in opened.text("problem")
        assert "Firefox 89" in opened.text("problem")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_page_says_when_a_script_beside_it_is_missing(browser, place, tmp_path):
    shutil.copy(place / "dn" / "index.html", tmp_path / "index.html")
    shutil.copy(place / "dn" / "geotiff.js", tmp_path / "geotiff.js")
    opened = Page(browser, (tmp_path / "index.html").as_uri())
    assert "copy the whole folder" in opened.text("problem")


def test_network_of_the_page_is_the_one_that_is_compared(place):
    predict = browser_pages.open_model(place / "dn")
    pixels = landscape(64, 64, 600, 1400)[np.newaxis].astype(np.float32)
    model, _ = model_files.load(place / "dn.keras")
    np.testing.assert_allclose(predict(pixels), model.predict_on_batch(pixels), atol=1e-5)


def test_page_names_model_and_licences(place):
    page = (place / "rgb" / "index.html").read_text(encoding="utf-8")
    assert "Licence: MIT." in page
    assert "75.0 % of the validation images are right" in page
    assert "{{" not in page
    assert "Microsoft Corporation" in (place / "rgb" / "licences.txt").read_text()


# ---- what the page runs on


def test_step_00_fetches_the_runtime_once(monkeypatch, tmp_path, capsys):
    content = b"engine"
    file = web_runtime.RuntimeFile(
        "engine", "1.0", "dist/engine.js", 6,
        hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    served = tmp_path / "mirror" / "engine@1.0" / "dist"
    served.mkdir(parents=True)
    (served / "engine.js").write_bytes(content)
    script = importlib.import_module("00_get_data")
    monkeypatch.setattr(web_runtime, "FILES", (file,))
    monkeypatch.setattr(web_runtime, "GPU_FILES", ())
    monkeypatch.setattr(script, "DATASET", "web_runtime")
    monkeypatch.setattr(script, "PATH_TO_DATA", str(tmp_path / "data"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "mirror")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(web_runtime, "MIRROR", address)
        script.main()
        server.shutdown()
    folder = tmp_path / "data" / "web_runtime"
    assert capsys.readouterr().out.endswith(f"data: {folder}\n")
    script.main()  # offline
    assert web_runtime.find(folder) == {"engine.js": content}
    (folder / "engine.js").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"engine\.js is broken or another file"):
        script.main()
    with pytest.raises(ValueError, match=r"is not engine\.js of engine 1\.0 \(another checksum\)"):
        web_runtime.find(folder)


def test_folder_without_the_runtime_is_told_what_to_run(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"--dataset web_runtime; .*npm pack onnxruntime-web@1\.\d+"
    ):
        web_runtime.find(tmp_path)


def test_json_in_the_page_cannot_end_its_script(place, tmp_path):
    page = (place / "dn" / "index.html").read_text(encoding="utf-8")
    data = page.split("const LANDUSE = ")[1].split(";</script>")[0]
    assert "<" not in data
    assert json.loads(data)["model"]["bands"] == export_models.BANDS
