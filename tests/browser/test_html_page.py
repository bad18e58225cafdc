"""The HTML report in a real browser: nothing is asked for, nothing is said on the console, it fits the screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.renderers.html.document import render_html
from tests.browser.chromium import MISSING, Browser, Screen, start_browser
from tests.fleet_logs import make_fleet
from tests.unit.renderers import sample_reports
from tests.unit.renderers.test_html_report import attacked

pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.xdist_group("chromium")]

PDFTOTEXT = shutil.which("pdftotext")

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
    assert "pid 11 start-up, blocked in verify_database_migrations, 91.8 MiB" in said
    chart_height, cursor_height = (
        browser.evaluate(f"return document.querySelector('{name}').getBoundingClientRect().height")
        for name in (".chart", ".cursor")
    )
    assert cursor_height == chart_height, "over the lanes and the memory"
    assert browser.console() == []


@pytest.mark.parametrize("page", ["restart_loop"], indirect=True)
def test_a_pointer_on_a_worker_brings_out_its_memory(browser: Browser, page: Path) -> None:
    browser.open_page(page, Screen(1280, 800))
    event = "new PointerEvent('pointermove', {bubbles: true, clientX: 200})"
    browser.evaluate(f"document.querySelector('[data-from][data-index=\"2\"]').dispatchEvent({event})")
    assert browser.evaluate("return document.querySelectorAll('.line.here').length") == 1
    assert browser.evaluate("return document.querySelector('.line.here').dataset.index") == "2"


@pytest.mark.skipif(PDFTOTEXT is None, reason="needs pdftotext (apt-get install poppler-utils)")
@pytest.mark.parametrize("page", ["restart_loop"], indirect=True)
def test_what_is_printed_has_the_verdict_and_the_folded_parts(browser: Browser, page: Path, tmp_path: Path) -> None:
    """Also without JavaScript, which would unfold them."""
    for script in (True, False):
        browser.open_page(page, Screen(1280, 800, script=script))
        printed = tmp_path / "report.pdf"
        printed.write_bytes(browser.print_to_pdf())
        command = [str(PDFTOTEXT), "-layout", os.fspath(printed), "-"]
        words = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        assert "verify_database_migrations" in words
        assert "What to do" in words
        assert "resident memory, up to" in words


def test_a_fleets_page_asks_for_nothing_and_fits(browser: Browser, tmp_path: Path) -> None:
    make_fleet(tmp_path / "logs", 24, 5_000)
    page = tmp_path / "fleet.html"
    command = [sys.executable, "-m", "gtdiag", "analyze", tmp_path / "logs", "--format", "html", "-o", page]
    subprocess.run([*command, "--exit-zero"], check=True)
    for screen in (Screen(1280, 800), Screen(390, 844, dark=True)):
        browser.open_page(page, screen)
        assert browser.requests() == [page.as_uri()]
        assert browser.console() == []
        assert browser.devtools("Page.getLayoutMetrics")["cssContentSize"]["width"] <= screen.width
    assert "hosts" in browser.evaluate("return document.body.textContent")


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
