"""The HTML report in a real browser: nothing is asked for, nothing is said on the console, it fits the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.renderers.html.document import render_html
from tests.browser.chromium import MISSING, Browser, Screen, start_browser
from tests.unit.renderers import sample_reports
from tests.unit.renderers.test_html_report import attacked

pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.xdist_group("chromium")]

SCREENS = [
    Screen(1280, 800),
    Screen(1280, 800, dark=True),
    Screen(390, 844),
    Screen(390, 844, dark=True),
    Screen(1280, 800, script=False),
]
REPORTS = {**sample_reports.REPORTS, "attacked": lambda: attacked(sample_reports.restart_loop())}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render_html(REPORTS[request.param]()), encoding="utf-8")
    return path


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
@pytest.mark.parametrize("page", REPORTS, indirect=True)
def test_page_asks_for_nothing_and_fits(browser: Browser, page: Path, screen: Screen) -> None:
    browser.open_page(page, screen)
    assert browser.requests() == [page.as_uri()]
    assert browser.console() == []
    size = browser.devtools("Page.getLayoutMetrics")["cssContentSize"]
    assert size["width"] <= screen.width
    folder = os.environ.get("GTDIAG_SCREENSHOTS")
    if folder:
        (Path(folder) / f"{page.parent.name}.{screen.name}.png").write_bytes(browser.screenshot())


@pytest.mark.parametrize("page", ["restart_loop"], indirect=True)
def test_cursor_says_what_each_worker_did(browser: Browser, page: Path) -> None:
    browser.open_page(page, Screen(1280, 800))
    chart = "document.querySelector('.chart')"
    press = "dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))"
    browser.evaluate(f"{chart}.{press}")
    assert browser.evaluate("return document.querySelector('.cursor').style.left") == "51%"
    said = browser.evaluate("return document.querySelector('.readout').textContent")
    assert said.startswith("15:06:38.7 (+35.7 s)".replace(" (", "  ("))
    assert "pid 11 start-up, blocked in verify_database_migrations" in said
    assert browser.console() == []


@pytest.mark.parametrize("page", ["attacked"], indirect=True)
def test_nothing_of_a_hostile_log_runs(browser: Browser, page: Path) -> None:
    browser.open_page(page, Screen(1280, 800))
    assert browser.evaluate("return document.images.length") == 0
    assert browser.evaluate("return document.scripts.length") == 1


@pytest.mark.parametrize("page", ["restart_loop"], indirect=True)
def test_dark_is_dark(browser: Browser, page: Path) -> None:
    colours = []
    for dark in (False, True):
        browser.open_page(page, Screen(390, 844, dark=dark))
        colours.append(browser.evaluate("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(251, 251, 250)", "rgb(20, 23, 26)"]
