"""The page to label: its keys in a browser, what it keeps, and the file that comes back."""

import json
import re
import shutil

import numpy as np
import pytest

from landuse.outputs import labelling_page

NAMES = ["Forest", "</script><b>Färm", "River"]


def make_page(path, count=4, names=NAMES, about=None, **options):
    rng = np.random.default_rng(0)
    windows = [
        labelling_page.LabelWindow(
            str(number),
            tuple(rng.integers(1, 255, (48, 48, 3)).astype(np.uint8) for _ in range(2)),
            (16, 16, 32, 32),
            f"{number}.5° N",
        )
        for number in range(1, count + 1)
    ]
    about = {"seed": 7} if about is None else about
    labelling_page.write_labelling_page(path, windows, names, about, title="Pisa <1>", **options)
    return path


@pytest.fixture
def page(tmp_path):
    return make_page(tmp_path / "label.html", file_name="pisa_labels.json", next_command="08 & go")


# ---- the file


def test_page_asks_for_nothing_from_outside(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(", text)
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2
    assert "<title>Pisa &lt;1&gt;</title>" in text
    assert "{{" not in text


def test_the_same_windows_give_the_same_bytes(tmp_path, page):
    again = make_page(tmp_path / "b.html", file_name="pisa_labels.json", next_command="08 & go")
    assert again.read_bytes() == page.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "at least one window and one class"),
        ({"names": []}, "at least one window and one class"),
        ({"names": ["A", "A"]}, "need names of their own"),
        ({"layer_names": ["one"]}, "needs 1 pictures"),
    ],
)
def test_a_page_that_cannot_be(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        make_page(tmp_path / "a.html", **change)
    assert not (tmp_path / "a.html").exists()


def saved(**change):
    entry = {"class": "Forest", "time": "2026-01-01T00:00:00Z"}
    content = {"format": labelling_page.FORMAT, "identity": "a", "saved": "2026", "windows": 2}
    return {**content, "about": {"seed": 7}, "labels": {"1": entry, "2": {"class": None}}, **change}


def test_saved_labels_come_back(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(saved()))
    found = labelling_page.read_saved_labels(path)
    assert found.labels == {"1": "Forest", "2": None}
    assert (found.windows, found.about) == (2, {"seed": 7})
    assert labelling_page.is_saved_labels(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "holds no labels saved by a page"),
        ("[1]", "holds no labels saved by a page"),
        ("dear", "is not valid JSON"),
        (json.dumps(saved(labels=3)), "are damaged"),
        (json.dumps(saved(labels={"1": 3})), "are damaged"),
        (json.dumps(saved(windows=None)), "are damaged"),
    ],
)
def test_another_file_is_told(tmp_path, content, message):
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        labelling_page.read_saved_labels(tmp_path / "labels.json")


# ---- in a browser


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory, downloads):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--window-size=1300,900",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield running
    running.quit()


class Labeller:
    """The page as somebody at its keys has it."""

    def __init__(self, browser, path):
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser, self.path = browser, path
        self.wait = WebDriverWait(browser, 20)
        self.open()

    def open(self):
        self.browser.get_log("browser")
        self.browser.get(self.path.as_uri())
        self.wait.until(lambda _: self.data("ready") and self.data("drawn"))

    def data(self, name):
        return self.browser.find_element("tag name", "body").get_attribute(f"data-{name}")

    def text(self, identity):
        return self.browser.find_element("id", identity).text

    def press(self, *keys):
        self.browser.find_element("tag name", "body").send_keys(*keys)

    def pressed(self):
        chosen = self.browser.find_elements("css selector", "[aria-pressed=true]")
        return [button.text.splitlines()[-1] for button in chosen]

    def colour(self, share):
        """Return a colour of the first picture, `share` of its side from the upper left."""
        return self.browser.execute_script(
            "const c = document.querySelector('canvas'), at = c.width * arguments[0];"
            "return [...c.getContext('2d').getImageData(at, at, 1, 1).data].slice(0, 3)",
            share,
        )


@pytest.fixture
def labeller(browser, page):
    """The page, in a browser that has not seen it before."""
    found = Labeller(browser, page)
    browser.execute_script("localStorage.clear()")
    found.open()
    return found


def test_keys_label_and_go_on(labeller):
    from selenium.webdriver.common.keys import Keys

    assert labeller.data("at") == "1"
    labeller.press("1")
    assert (labeller.data("at"), labeller.data("done")) == ("2", "1")
    labeller.press("x")
    assert (labeller.data("at"), labeller.data("done")) == ("3", "2")
    labeller.press(Keys.ARROW_LEFT)
    assert labeller.pressed() == ["cannot tell"]
    labeller.press("2")
    labeller.press(Keys.ARROW_LEFT)
    assert labeller.pressed() == [NAMES[1]]
    labeller.press(Keys.BACKSPACE)
    assert labeller.pressed() == []
    assert (labeller.data("at"), labeller.data("done")) == ("2", "1")
    assert "1 of 4 labelled" in labeller.text("count")
    assert [e for e in labeller.browser.get_log("browser") if e["level"] != "INFO"] == []


def test_nothing_is_lost_when_the_page_is_closed(labeller, page):
    labeller.press("3", "x")
    labeller.browser.get("about:blank")
    labeller.open()
    assert (labeller.data("done"), labeller.data("at")) == ("2", "3")
    assert "kept in this browser" in labeller.text("kept")


def test_other_windows_do_not_get_these_labels(labeller, tmp_path):
    labeller.press("1")
    other = Labeller(labeller.browser, make_page(tmp_path / "c.html", about={"seed": 8}))
    assert other.data("done") == "0"


def test_saved_file_comes_back_and_can_be_opened_elsewhere(labeller, downloads):
    labeller.press("1", "x", "3", "2")
    assert "All windows are labelled" in labeller.text("finished")
    assert "08 & go" in labeller.text("finished")
    labeller.press("s")
    file = downloads / "pisa_labels.json"
    labeller.wait.until(lambda _: file.exists())
    found = labelling_page.read_saved_labels(file)
    assert found.labels == {"1": "Forest", "2": None, "3": "River", "4": NAMES[1]}
    assert found.about == {"seed": 7}
    labeller.browser.execute_script("localStorage.clear()")
    labeller.open()
    assert labeller.data("done") == "0"
    labeller.browser.find_element("id", "load").send_keys(str(file))
    labeller.wait.until(lambda _: labeller.data("done") == "4")
    assert "4 labels taken" in labeller.text("told")
    file.unlink()


def test_a_file_of_other_windows_is_refused_by_the_page(labeller, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps(saved()))
    labeller.browser.find_element("id", "load").send_keys(str(tmp_path / "other.json"))
    labeller.wait.until(lambda _: "belongs to other windows" in labeller.text("told"))
    (tmp_path / "other.json").write_text("dear")
    labeller.browser.find_element("id", "load").send_keys(str(tmp_path / "other.json"))
    labeller.wait.until(lambda _: "holds no saved labels" in labeller.text("told"))
    assert labeller.data("done") == "0"


def test_a_browser_that_keeps_nothing_says_so(browser, page):
    from selenium.webdriver.support.ui import WebDriverWait

    script = "Storage.prototype.setItem = () => { throw new Error('full'); };"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        browser.get(page.as_uri())
        WebDriverWait(browser, 20).until(
            lambda b: b.find_element("tag name", "body").get_attribute("data-ready")
        )
        assert "keeps nothing" in browser.find_element("id", "kept").text
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_outline_and_closer_look(labeller):
    outline = [255, 209, 102]
    assert np.abs(np.subtract(labeller.colour(1 / 3), outline)).max() < 60
    labeller.press("c")
    labeller.wait.until(
        lambda _: (
            np.abs(np.subtract(labeller.colour(1 / 3), outline)).max() >= 60
            or np.abs(np.subtract(labeller.colour(2 / 3), outline)).max() >= 60
        )
    )
    labeller.press("c", "z")  # the window is half as wide as what is shown then
    labeller.wait.until(lambda _: np.abs(np.subtract(labeller.colour(0.25), outline)).max() < 60)


def test_a_page_of_many_classes_gives_keys_to_the_first(tmp_path):
    names = [f"Class {number}" for number in range(40)]
    text = make_page(tmp_path / "a.html", names=names).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    keys = [entry["key"] for entry in data["classes"]]
    assert keys[:10] == list("1234567890")
    assert keys[-1] == ""
    given = [key for key in keys if key]
    assert len(set(given)) == len(given)
    assert not {"x", "s", "z", "c"} & set(given)
