"""The picture and the page: what they show, and that the page works in a browser."""

import json
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from landuse import map_values
from landuse.evaluation import trust
from landuse.outputs import class_colours, land_use_map, map_layers, pages, quicklooks
from landuse.rasters import geotransforms

GEOTRANSFORM = (600_000.0, 80.0, 0.0, 4_850_000.0, 0.0, -80.0)
SCENE_GEOTRANSFORM = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)
NAMES = ["Forest", "River", "</script><b>Färm", "uncertain"]


def read_png(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def map_of(labels, geotransform=GEOTRANSFORM, crs="EPSG:32632", **more):
    return land_use_map.LandUseMap(labels, geotransform, crs, NAMES, **more)


def picture_of(rgb, labels=None, geotransform=GEOTRANSFORM):
    """The scene at 10 m, or one that covers just what its labels cover."""
    if labels is None:
        return map_layers.Picture(rgb, SCENE_GEOTRANSFORM)
    left, bottom, right, top = geotransforms.extent(geotransform, labels.shape)
    size = (right - left) / rgb.shape[1], (bottom - top) / rgb.shape[0]
    return map_layers.Picture(rgb, (left, size[0], 0.0, top, 0.0, size[1]))


@pytest.fixture
def scene():
    """A scene of 316 x 240 pixels, whose map of 40 x 30 cells reaches past it on the right."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(40, 200, (240, 316, 3)).astype(np.uint8)
    rgb[:, 280:] = 0
    return rgb


@pytest.fixture
def labels():
    """Rows 0-9 forest, 10-19 river, 20-29 a class with a bad name; nodata from column 35 on."""
    made = np.repeat(np.array([0, 1, 2], np.uint8), 10)[:, None] * np.ones((1, 40), np.uint8)
    made[25:, :10] = 3
    made[:, 35:] = map_values.NODATA
    return made


@pytest.fixture
def probability(labels):
    percent = np.where(labels == map_values.NODATA, 255, 40 + 20 * labels.astype(int))
    return percent.astype(np.uint8)


# ---- natural colour


def test_natural_colour_keeps_nodata_and_uses_the_whole_range():
    rng = np.random.default_rng(1)
    dn = rng.integers(700, 2400, (50, 60, 3)).astype(np.uint16)
    dn[0, :5] = 0
    shown = map_layers.natural_colour(dn)
    assert shown.dtype == np.uint8
    assert (shown[0, :5] == 0).all()
    assert shown[1:].min() == 1
    assert shown[1:].max() == 255


def test_natural_colour_is_not_darkened_by_a_few_clouds():
    rng = np.random.default_rng(2)
    dn = rng.integers(500, 1500, (100, 100, 3)).astype(np.uint16)
    cloudy = dn.copy()
    cloudy[:10, :10] = 12_000
    difference = (
        map_layers.natural_colour(cloudy)[20:].astype(int) - map_layers.natural_colour(dn)[20:]
    )
    assert abs(difference).max() < 20


def test_natural_colour_of_dn_and_of_scaled_bytes_look_alike():
    rng = np.random.default_rng(3)
    dn = rng.integers(300, 2500, (80, 80, 3)).astype(np.uint16)
    rgb8 = np.rint(1 + dn / 2750 * 254).astype(np.uint8)
    difference = map_layers.natural_colour(dn).astype(int) - map_layers.natural_colour(rgb8, "rgb8")
    assert abs(difference).max() <= 8  # one step of the bytes is 11 DN


def test_natural_colour_of_nothing_is_nothing():
    assert not map_layers.natural_colour(np.zeros((4, 4, 3), np.uint16)).any()


def test_natural_colour_of_water_alone_stays_calm():
    rng = np.random.default_rng(4)
    dn = rng.integers(800, 830, (50, 50, 3)).astype(np.uint16)
    assert map_layers.natural_colour(dn).max() < 60


def test_natural_colour_refuses_other_units():
    with pytest.raises(ValueError, match="units"):
        map_layers.natural_colour(np.zeros((4, 4, 3), np.uint8), "reflectance")


# ---- thinning


def test_thinning_takes_the_middle_pixel_and_keeps_the_place():
    array = np.arange(100, dtype=np.uint8).reshape(10, 10)
    pixels, step = map_layers.thin(array, 4)
    assert step == 3
    np.testing.assert_array_equal(pixels[0], [11, 14, 17, 19])
    layer = map_layers.layer_of(array, SCENE_GEOTRANSFORM, 4)
    assert layer.bounds == (600_000, 4_850_000 - 120, 600_000 + 120, 4_850_000)


# ---- the picture


def test_quicklook_shows_the_classes_in_their_colours(tmp_path, scene, labels):
    path = tmp_path / "look.png"
    quicklooks.write_quicklook(path, map_of(labels, name="A scene"), picture_of(scene))
    picture = read_png(path)
    columns = picture.shape[1]
    middle = picture[:, columns // 3 : 2 * columns // 3]  # the second panel
    for name in ("Forest", "River", "uncertain"):
        found = (middle == class_colours.COLOURS[name]).all(axis=2).sum()
        assert found > 0.01 * middle.shape[0] * middle.shape[1], name
    assert (middle == map_layers.NEUTRAL).all(axis=2).sum() > 1000


def test_quicklook_has_forest_above_river(tmp_path, scene, labels):
    quicklooks.write_quicklook(tmp_path / "a.png", map_of(labels), picture_of(scene, labels))
    picture = read_png(tmp_path / "a.png")
    panels = picture[: int(picture.shape[0] * 0.7)]
    forest = np.argwhere((panels == class_colours.COLOURS["Forest"]).all(axis=2))
    river = np.argwhere((panels == class_colours.COLOURS["River"]).all(axis=2))
    assert forest[:, 0].max() < river[:, 0].min()


def test_quicklook_has_the_same_bytes_and_no_program_name(tmp_path, scene, labels):
    for name in ("a.png", "b.png"):
        land_use = map_of(labels, name="A $x$ scene")
        quicklooks.write_quicklook(tmp_path / name, land_use, picture_of(scene, labels))
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in content
    assert b"matplotlib" not in content.lower()


@pytest.mark.parametrize("shape", [(64, 64), (3000, 100), (100, 3000), (1, 1)])
def test_quicklook_of_any_shape_and_of_nothing_but_nodata(tmp_path, shape):
    rgb = np.zeros((*shape, 3), np.uint8)
    labels = np.full(shape, map_values.NODATA, np.uint8)
    quicklooks.write_quicklook(tmp_path / "a.png", map_of(labels), picture_of(rgb, labels))
    assert min(read_png(tmp_path / "a.png").shape[:2]) > 300


def test_quicklook_does_not_need_pyplot(tmp_path, scene, labels):
    already = "matplotlib.pyplot" in sys.modules
    quicklooks.write_quicklook(tmp_path / "a.png", map_of(labels), picture_of(scene, labels))
    assert already or "matplotlib.pyplot" not in sys.modules


def test_legend_note_says_what_is_missing():
    areas = [
        land_use_map.Area("A", 3, 3.0, 100.0, 0.75),
        land_use_map.Area("B", 0, 0.0, 0.0, 0.0),
        land_use_map.Area("nodata", 1, 1.0, None, 0.25),
    ]
    made = SimpleNamespace(areas=areas, caption="By hand.", trust=None, facts={})
    made.share_text = lambda percent: f"{percent:.1f} %"
    assert quicklooks._legend_note(made) == (
        "Shares of the classified area.  Not found: B.  "
        "No data (light grey): 25.0 % of the scene.  By hand."
    )
    made.facts = {"absent_classes": "B"}  # it was not looked for
    assert "Not found" not in quicklooks._legend_note(made)


def test_scene_of_another_type_is_refused(tmp_path, labels):
    with pytest.raises(ValueError, match="natural_colour returns it; got uint16"):
        picture = picture_of(np.zeros((9, 9, 3), np.uint16))
        quicklooks.write_quicklook(tmp_path / "a.png", map_of(labels), picture)


# ---- the page


@pytest.fixture
def page(tmp_path, scene, labels, probability):
    path = tmp_path / "map.html"
    land_use = map_of(
        labels,
        probability=probability,
        name="S2A_MSIL1C <b>&amp;",
        sensing_time="4 July 2015",
        caption="{{data}} stays as it is",
    )
    pages.write_html(path, land_use, picture_of(scene))
    return path


def test_page_asks_for_nothing_from_outside(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href|action)\s*=\s*[\"']?\s*(?:https?:)?//", text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(", text)
    assert not re.search(r"https?://", text)
    assert "default-src 'none'" in text


def test_names_cannot_break_the_page(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert "<title>S2A_MSIL1C &lt;b&gt;&amp;amp;</title>" in text
    assert "{{data}} stays as it is" in text
    assert not re.search(r"{{(?!data}} stays)", text)


def test_page_has_the_same_bytes(tmp_path, scene, labels):
    for name in ("a.html", "b.html"):
        pages.write_html(tmp_path / name, map_of(labels), picture_of(scene, labels))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_page_stays_small(tmp_path):
    rng = np.random.default_rng(5)
    rgb = rng.integers(1, 255, (2100, 2100, 3)).astype(np.uint8)  # noise: the worst case
    labels = rng.integers(0, 4, (2100, 2100)).astype(np.uint8)
    land_use = map_of(labels, probability=labels)
    pages.write_html(tmp_path / "a.html", land_use, picture_of(rgb, labels))
    assert (tmp_path / "a.html").stat().st_size < 8e6


# ---- the page in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1300,900",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield running
    running.quit()


class Viewer:
    """The page as a user has it: things to see, to point at and to press."""

    def __init__(self, browser, path):
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser = browser
        browser.get_log("browser")
        browser.get(path.as_uri())
        self.wait = WebDriverWait(browser, 20)
        self.wait.until(lambda b: b.find_element("tag name", "body").get_attribute("data-ready"))
        self.canvas = self.find("view")

    def find(self, identity):
        return self.browser.find_element("id", identity)

    def actions(self):
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.browser, duration=20)

    def frame(self):
        """Wait until what changed is drawn."""
        self.browser.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def place(self, row, column):
        """Return where a cell is on the canvas, from its middle, before the first move."""
        size = self.canvas.size
        zoom = float(self.canvas.get_attribute("data-zoom"))
        right, down = (column + 0.5) * 80 - 3160 / 2, (row + 0.5) * 80 - 2400 / 2
        assert size["width"] > 0
        return round(right * zoom), round(down * zoom)

    def point(self, right, down):
        self.actions().move_to_element_with_offset(self.canvas, right, down).perform()
        self.frame()
        return self.find("readout").text.splitlines()

    def zoom(self):
        self.frame()
        return float(self.canvas.get_attribute("data-zoom"))

    def colour(self, right, down):
        """Return the canvas's red, green, blue at a place, as seen from its middle."""
        self.frame()
        return self.browser.execute_script(
            "const c = document.getElementById('view'), r = window.devicePixelRatio;"
            "return [...c.getContext('2d').getImageData(c.width / 2 + arguments[0] * r,"
            " c.height / 2 + arguments[1] * r, 1, 1).data].slice(0, 3)",
            right,
            down,
        )

    def errors(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]


@pytest.fixture
def viewer(browser, page):
    return Viewer(browser, page)


def test_pointer_tells_class_probability_and_place(viewer):
    label, where = viewer.point(*viewer.place(5, 30))
    assert label == "Forest · 40 %"
    assert where.endswith("· WGS 84 / UTM zone 32N")
    where = re.findall(r"[EN]\s([\d\u2009]+)", where)
    easting, northing = (int(text.replace("\u2009", "")) for text in where)
    assert abs(easting - 602_440) <= 8
    assert abs(northing - 4_849_560) <= 8
    assert viewer.point(*viewer.place(15, 5))[0] == "River · 60 %"
    assert viewer.point(*viewer.place(22, 30))[0] == "</script><b>Färm · 80 %"
    assert viewer.point(*viewer.place(28, 5))[0] == "uncertain · 100 %"
    assert viewer.point(*viewer.place(5, 37))[0] == "No data"
    assert viewer.point(*viewer.place(5, 40))[0] == "Outside the scene"
    assert viewer.errors() == []


def test_map_lies_right_of_the_divider_and_the_scene_left(viewer):
    river = list(class_colours.COLOURS["River"])
    assert viewer.colour(*viewer.place(15, 30)) == river
    assert viewer.colour(*viewer.place(15, 5)) != river


def test_divider_follows_mouse_and_keys(viewer):
    from selenium.webdriver.common.keys import Keys

    divider, river = viewer.find("swipe"), list(class_colours.COLOURS["River"])
    assert divider.get_attribute("aria-valuenow") == "50"
    distance = -round(0.25 * viewer.canvas.size["width"])
    viewer.actions().drag_and_drop_by_offset(divider, distance, 0).perform()
    assert divider.get_attribute("aria-valuenow") == "25"
    divider.send_keys(Keys.ARROW_RIGHT)
    assert divider.get_attribute("aria-valuenow") == "27"
    divider.send_keys(Keys.HOME)
    assert divider.get_attribute("aria-valuenow") == "0"
    assert viewer.colour(*viewer.place(15, 5)) == river
    divider.send_keys(Keys.END)
    assert viewer.colour(*viewer.place(15, 30)) != river


def test_wheel_zooms_where_it_points(viewer):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    right, down = viewer.place(15, 30)
    before, text = viewer.zoom(), viewer.point(right, down)
    origin = ScrollOrigin.from_element(viewer.canvas, right, down)
    viewer.actions().scroll_from_origin(origin, 0, -200).perform()
    assert viewer.zoom() > 1.2 * before
    assert viewer.point(right, down) == text
    scale = viewer.find("scale-text").text
    assert re.fullmatch(r"\d+ k?m", scale)


def test_buttons_and_keys_zoom_and_fit(viewer):
    start = viewer.zoom()
    viewer.find("zoom-in").click()
    assert viewer.zoom() == pytest.approx(1.6 * start, rel=1e-4)
    viewer.find("zoom-out").click()
    assert viewer.zoom() == pytest.approx(start, rel=1e-4)
    viewer.canvas.send_keys("+")
    assert viewer.zoom() == pytest.approx(1.4 * start, rel=1e-4)
    viewer.canvas.send_keys("0")
    assert viewer.zoom() == pytest.approx(start, rel=1e-4)


def test_dragging_moves_the_map(viewer):
    right, down = viewer.place(5, 25)
    text = viewer.point(right, down)
    chain = viewer.actions().move_to_element_with_offset(viewer.canvas, right, down)
    chain.click_and_hold().move_by_offset(40, 60).release().perform()
    assert viewer.point(right + 40, down + 60) == text
    assert viewer.point(right, down) != text


def test_two_fingers_zoom(viewer):
    before = viewer.zoom()
    frame = viewer.canvas.rect

    def touch(kind, apart):
        middle = frame["x"] + frame["width"] / 4, frame["y"] + frame["height"] / 2
        fingers = [{"x": middle[0] + sign * apart, "y": middle[1], "id": sign} for sign in (0, 1)]
        points = [] if kind == "touchEnd" else fingers
        command = {"type": kind, "touchPoints": points}
        viewer.browser.execute_cdp_cmd("Input.dispatchTouchEvent", command)

    touch("touchStart", 50)
    for apart in (60, 80, 100):
        touch("touchMove", apart)
    touch("touchEnd", 100)
    assert viewer.zoom() == pytest.approx(2 * before, rel=0.02)
    assert viewer.errors() == []


def test_points_that_were_checked_are_shown_and_told(browser, tmp_path, scene, labels):
    places = [(600_000 + 80 * (c + 0.5), 4_850_000 - 80 * (r + 0.5)) for r, c in ((5, 5), (15, 5))]
    points = [
        pages.PagePoint(*places[0], True, "right"),
        pages.PagePoint(*places[1], False, "is Forest"),
    ]
    pages.write_html(tmp_path / "a.html", map_of(labels), picture_of(scene), points=points)
    viewer = Viewer(browser, tmp_path / "a.html")
    assert viewer.point(*viewer.place(5, 5))[0] == "Forest · right"
    assert viewer.point(*viewer.place(15, 5))[0] == "River · is Forest"
    red = [255, 59, 31]
    assert viewer.colour(*viewer.place(15, 5)) == red
    assert "1 right; crosses: 1 wrong" in viewer.find("points-text").text
    viewer.find("show-points").click()
    assert viewer.colour(*viewer.place(15, 5)) != red
    assert viewer.point(*viewer.place(15, 5))[0] == "River"


def test_a_map_without_points_does_not_speak_of_them(viewer):
    assert not viewer.find("points-row").is_displayed()


def test_keyboard_alone_reads_the_middle(viewer):
    from selenium.webdriver.common.keys import Keys

    viewer.canvas.send_keys("+", "-")
    assert viewer.find("class").text == "River · 60 %"
    viewer.canvas.send_keys(*[Keys.ARROW_UP] * 3)
    assert viewer.find("class").text == "Forest · 40 %"
    assert viewer.find("readout").get_attribute("aria-live") == "polite"


def test_legend_shows_shares_and_highlights(viewer):
    from selenium.webdriver.common.keys import Keys

    entries = viewer.browser.find_elements("css selector", "#legend button")
    shares = {entry.text.split("\n")[0]: entry.text.split("\n")[-1] for entry in entries}
    assert shares["Forest"] == "33.3 %"
    assert shares["uncertain"] == "4.8 %"  # 50 of 1050 cells
    river = next(entry for entry in entries if entry.text.startswith("River"))
    forest = viewer.colour(*viewer.place(5, 30))
    river.click()
    assert river.get_attribute("aria-pressed") == "true"
    assert viewer.colour(*viewer.place(15, 30)) == list(class_colours.COLOURS["River"])
    assert viewer.colour(*viewer.place(5, 30)) != forest
    viewer.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert river.get_attribute("aria-pressed") == "false"
    assert viewer.colour(*viewer.place(5, 30)) == forest


def test_warnings_and_accuracy_go_with_the_page(browser, tmp_path, scene, labels):
    told = trust.Trust(
        model="run <x> of 1 May",
        measured="It is right in half of them.",
        accuracy={"value": 0.5, "low": 0.4},
        precision={"River": 0.61},
        precision_of="validation patches",
        warnings=["made for another sensor"],
    )
    pages.write_html(tmp_path / "a.html", map_of(labels, trust=told), picture_of(scene))
    viewer = Viewer(browser, tmp_path / "a.html")
    assert viewer.find("warnings").text == "Warning. Made for another sensor."
    assert "Model: run <x> of 1 May\nIt is right in half of them." in viewer.find("trust").text
    entries = viewer.browser.find_elements("css selector", "#legend button")
    shown = [entry.text for entry in entries]
    assert "River\nright in 61 % of validation patches\n30 %" in shown  # of 33.3 %
    assert "of the validation patches that were called so" in viewer.find("right-text").text
    assert viewer.errors() == []


def test_a_page_without_warnings_has_no_room_for_them(viewer):
    assert not viewer.find("warnings").is_displayed()
    assert not viewer.find("trust").is_displayed()


def test_opacity_and_fading(viewer):
    from selenium.webdriver.common.keys import Keys

    spot, river = viewer.place(15, 30), list(class_colours.COLOURS["River"])
    viewer.find("opacity").send_keys(Keys.HOME)
    assert viewer.find("opacity-text").text == "0 %"
    assert viewer.colour(*spot) != river
    viewer.find("opacity").send_keys(Keys.END)
    assert viewer.colour(*spot) == river
    viewer.find("fade").click()
    assert viewer.colour(*spot) != river


def test_page_loads_one_file_and_logs_nothing(viewer):
    viewer.browser.get_log("performance")
    viewer.browser.refresh()
    viewer.wait.until(lambda b: b.find_element("tag name", "body").get_attribute("data-ready"))
    messages = [
        json.loads(entry["message"])["message"] for entry in viewer.browser.get_log("performance")
    ]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert viewer.errors() == []


def test_page_without_probability_or_metres(browser, tmp_path, scene, labels):
    path = tmp_path / "plain.html"
    degrees = (10.0, 0.001, 0.0, 43.0, 0.0, -0.001)
    land_use = map_of(labels, degrees, "EPSG:4326", unit=None)
    pages.write_html(path, land_use, picture_of(scene, labels, degrees))
    viewer = Viewer(browser, path)
    assert not viewer.find("fade-row").is_displayed()
    assert not viewer.find("scale").is_displayed()
    label, place = viewer.point(0, 0)
    assert label == "River"
    np.testing.assert_allclose(
        [float(part) for part in place.split(" · ")[0].split(", ")], [10.02, 42.985], atol=1e-4
    )
    assert place.endswith(" · WGS 84")
    assert viewer.errors() == []


def test_page_fits_a_small_screen(browser, page):
    browser.set_window_size(500, 800)
    try:
        viewer = Viewer(browser, page)
        stage = viewer.canvas.rect
        legend = viewer.browser.find_element("tag name", "aside").rect
        assert legend["y"] >= stage["y"] + stage["height"] - 1
        assert viewer.point(0, 0)[0] == "River · 60 %"
    finally:
        browser.set_window_size(1300, 900)
