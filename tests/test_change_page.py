"""The page of a comparison in a browser: two dates, a slider between them, the change."""

import numpy as np
import pytest
from test_changes import NAMES, made_comparison
from test_views import Viewer, browser  # noqa: F401  the fixture

from landuse.changes import change_pages, from_to


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "change.html"
    result = made_comparison()
    changes = from_to.count_changes(result, len(NAMES))
    picture = np.full((32, 40, 3), 90, np.uint8)
    change_pages.write_page(
        path,
        (picture, picture + 60),
        (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0),
        result,
        changes,
        NAMES,
        ("2015", "2018"),
        ["About 10 % of it is expected to be false."],
        ["shift of the second scene: none"],
        crs_name="WGS 84 / UTM zone 32N",
    )
    return path


def colour_at(viewer, row, column):
    """Red, green and blue of the canvas in a cell of the map of 4 x 5 cells."""
    return viewer.browser.execute_script(
        "const view = document.getElementById('view'), ratio = window.devicePixelRatio || 1;"
        "const zoom = Number(view.dataset.zoom);"
        "const x = view.clientWidth / 2 + (arguments[1] + 0.5 - 2.5) * 80 * zoom;"
        "const y = view.clientHeight / 2 + (arguments[0] + 0.5 - 2) * 80 * zoom;"
        "return [...view.getContext('2d').getImageData(x * ratio, y * ratio, 1, 1).data]"
        ".slice(0, 3);",
        row,
        column,
    )


def press(viewer, key):
    viewer.browser.execute_script("document.getElementById('view').focus()")
    viewer.actions().send_keys(key).perform()
    viewer.frame()


def test_both_dates_and_the_change_are_drawn(browser, page):  # noqa: F811
    viewer = Viewer(browser, page)
    left, right = colour_at(viewer, 3, 1), colour_at(viewer, 3, 3)
    assert np.allclose(left, 90, atol=4)
    assert np.allclose(right, 150, atol=4)
    marked = colour_at(viewer, 0, 0)
    assert marked[0] > marked[2] + 40  # houses are red
    legend = viewer.find("legend").text
    assert "Forest → Residential" in legend
    assert "2.2 ha" in legend
    assert "10 % of it is expected to be false" in viewer.find("said").text
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_space_blinks_between_the_dates(browser, page):  # noqa: F811
    viewer = Viewer(browser, page)
    press(viewer, " ")
    assert np.allclose(colour_at(viewer, 3, 1), 90, atol=4)
    assert np.allclose(colour_at(viewer, 3, 3), 90, atol=4)
    press(viewer, " ")
    assert np.allclose(colour_at(viewer, 3, 1), 150, atol=4)


def test_the_readout_names_both_classes(browser, page):  # noqa: F811
    viewer = Viewer(browser, page)
    zoom = float(viewer.canvas.get_attribute("data-zoom"))
    viewer.point(round(-2 * 80 * zoom), round(-1.5 * 80 * zoom))
    assert viewer.find("class").text == "Forest → Residential"
    assert viewer.find("also").text == "counts as change · probability of change 90 %"
    viewer.point(0, round(1.5 * 80 * zoom))
    assert viewer.find("class").text == "Forest at both dates"
    viewer.point(round(2 * 80 * zoom), 0)
    assert viewer.find("class").text == "No data at one of both dates"


def test_marks_can_be_taken_off_and_maps_shown(browser, page):  # noqa: F811
    viewer = Viewer(browser, page)
    viewer.find("mark").click()
    viewer.frame()
    assert np.allclose(colour_at(viewer, 0, 0), 90, atol=4)
    browser.execute_script("document.querySelector('input[value=map]').click()")
    viewer.frame()
    assert np.allclose(colour_at(viewer, 3, 1), (12, 64, 26), atol=4)  # forest
