"""The HTML report: what it says, that it loads nothing, that hostile text stays text, and that it stays small."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from gtdiag.model.report import Incident, Memory, Report, Worker
from gtdiag.renderers.html.document import render_html
from gtdiag.renderers.html.markup import Markup, element, escape_for_html
from gtdiag.renderers.html.time_lanes import MAX_BARS, MarkKind, lay_out
from tests.unit.renderers import sample_reports

_ALLOWED = """html head meta title style body main script header footer section article details summary figure
figcaption h1 h2 h3 h4 p a ul ol li dl dt dd div span code pre table thead tbody tr th td svg defs pattern path use g
line polyline rect text"""
ALLOWED = frozenset(re.findall(r"\w+", _ALLOWED))
ATTACK = "</script></style></title><img src=x onerror=alert(1)><script>alert(2)</script>\"'>&<a href=javascript:x>"


class Page(HTMLParser):
    """The elements, the text and the links of a page; fails on what does not nest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, wanted: str) -> list[str]:
        return [value or "" for _, name, value in self.attributes if name == wanted]


def attacked(report: Report) -> Report:
    """The report with an attack in every place that is text."""
    from gtdiag.renderers.report_strings import map_strings

    return map_strings(report, lambda _place, text: f"{text}{ATTACK}{sample_reports.HOSTILE}")


@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_page_is_well_formed_and_links_lead_somewhere(name: str) -> None:
    page = Page(render_html(sample_reports.REPORTS[name]()))
    assert set(page.tags) <= ALLOWED
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)


def test_verdict_and_remedies_come_first() -> None:
    page = Page(render_html(sample_reports.restart_loop()))
    order = [
        page.text.index(words) for words in ("4 of 4 workers were killed", "What to do", "Time-line", "What happened")
    ]
    assert order == sorted(order)
    assert "Give the connection a time-out of its own" in page.text
    assert "await asyncpg.connect(dsn, timeout=5)" in page.text
    assert "confidence: high" in page.text


def test_application_frames_stand_out_and_the_chain_is_told() -> None:
    page = render_html(sample_reports.restart_loop())
    frames = re.findall(r'<li class="application" id="[^"]*"><code>([^<]*)', page)
    assert frames == ["lifespan", "verify_database_migrations"]
    story = re.search(r'<ol class="story".*?</ol>', page, re.DOTALL)
    assert story is not None
    steps = Page(story.group()).text
    assert (
        steps
        == "lifespan verify_database_migrations asyncpg.connect waits on socket 10.0.0.5:5432 (postgresql), SYN_SENT"
    )


def test_evidence_leads_to_the_workers_and_frames_it_names() -> None:
    report = sample_reports.restart_loop()
    incident = replace(
        report.incidents[0], evidence=("WORKER TIMEOUT (pid:9), in verify_database_migrations, 9 looks",)
    )
    page = render_html(replace(report, incidents=(incident, *report.incidents[1:])))
    assert 'pid:<a href="#worker-3">9</a>' in page
    assert re.search(r'<a href="#frame-1-3"><code>verify_database_migrations</code></a>, 9 looks', page)


def test_a_pid_that_came_back_leads_nowhere() -> None:
    report = sample_reports.silent_hang()
    again = replace(report.workers[0], ordinal=9)
    page = render_html(replace(report, workers=(*report.workers, again)))
    assert 'pid <a href="#worker-1">101</a>' not in page


def test_lanes_show_replacement_time_out_and_kill() -> None:
    time_line = lay_out(sample_reports.restart_loop())
    assert time_line is not None
    assert [[bar.worker.pid for bar in lane.bars] for lane in time_line.lanes] == [[7, 11], [8, 12], [9, 13], [10, 14]]
    bar = time_line.lanes[0].bars[0]
    assert [mark.kind for mark in bar.marks] == [MarkKind.TIMEOUT, MarkKind.KILLED]
    assert bar.blocked_from is not None and bar.blocked_to is not None
    assert (bar.blocked_to - bar.blocked_from).total_seconds() == pytest.approx(27.4)
    assert bar.serving_from is None


def test_each_workers_memory_is_a_line_under_the_lanes_and_on_their_scale() -> None:
    page = render_html(sample_reports.restart_loop())
    lines = re.findall(r'<polyline points="([^"]+)" class="line" data-index="(\d+)" data-points="([^"]+)">', page)
    assert [index for _, index, _ in lines] == ["0", "4", "1", "5", "2", "6", "3", "7"], "lane by lane"
    shown, _, data = lines[0]
    assert data == "400,21000000 2400,96300000 30400,96300000"
    heights = [float(point.split(",")[1]) for point in shown.split()]
    assert heights[0] > heights[1] == heights[2] == 2.0, "the most is at the top"
    assert "resident memory, up to 91.8 MiB" in page


def test_without_samples_there_is_no_memory_drawing() -> None:
    assert "<polyline" not in render_html(sample_reports.silent_hang())


def test_a_limit_is_drawn_where_the_lines_come_near_it_and_always_said() -> None:
    report = sample_reports.restart_loop()
    for limit_bytes, drawn in ((128 << 20, 1), (64 << 30, 0)):
        memory = Memory(rss_bytes=96_300_000, limit_bytes=limit_bytes)
        limited = replace(report, incidents=tuple(replace(one, memory=memory) for one in report.incidents))
        page = render_html(limited)
        assert page.count('class="line limit"') == drawn
        assert f"the limit of the cgroup is {'128.0 MiB' if drawn else '64.0 GiB'}" in page


def test_a_worker_that_is_still_blocked_is_so_to_the_end() -> None:
    time_line = lay_out(sample_reports.silent_hang())
    assert time_line is not None
    bar = time_line.lanes[0].bars[0]
    assert bar.goes_on
    assert bar.blocked_to == time_line.end
    assert [mark.kind for mark in bar.marks] == [MarkKind.HUNG]


def test_hours_without_an_event_are_not_drawn_and_the_page_says_so() -> None:
    report = sample_reports.restart_loop()
    report = replace(report, period=replace(report.period, end=sample_reports.at(86400)))
    time_line = lay_out(report)
    assert time_line is not None and time_line.cut
    assert time_line.end - time_line.start < timedelta(minutes=2)
    assert "in the rest of the period no worker began" in Page(render_html(report)).text


def test_a_report_without_times_has_no_time_line_and_says_so() -> None:
    report = sample_reports.restart_loop()
    workers = tuple(replace(worker, booted_at=None, ended_at=None) for worker in report.workers)
    incidents = tuple(replace(incident, at=None) for incident in report.incidents)
    period = replace(report.period, start=None, end=None)
    page = Page(render_html(replace(report, workers=workers, incidents=incidents, period=period)))
    assert "There is no time-line" in page.text


@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_hostile_text_is_text(name: str) -> None:
    plain, html = render_html(sample_reports.REPORTS[name]()), render_html(attacked(sample_reports.REPORTS[name]()))
    page = Page(html)
    assert set(page.tags) <= ALLOWED
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert not [attribute for _, attribute, _ in page.attributes if attribute.startswith("on") or attribute == "src"]
    assert all(link.startswith("#") for link in page.values("href"))
    assert policy_of(html) == policy_of(plain)
    assert "<img src=x onerror=alert(1)>" in page.text  # shown, as text
    for hidden in ("\x1b", "\u202e", "\u200b", "\x07", "\x9b", "\udcff", "\r"):
        assert hidden not in html
    assert "\\u202e" in page.text and "\\x1b[2J" in page.text


def policy_of(page: str) -> str:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    return found.group(1)


def test_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    page = render_html(sample_reports.restart_loop())
    hashes = {}
    for tag in ("style", "script"):
        inner = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        hashes[tag] = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    assert policy_of(page) == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert " style=" not in page  # the policy would block it
    assert "http://" not in page and "https://" not in page


def test_border() -> None:
    assert element("p", "<b>", Markup("<b>x</b>"), None, title='"').html == '<p title="&quot;">&lt;b&gt;<b>x</b></p>'
    assert escape_for_html("x" * 5000).endswith("... (3000 more characters)")
    with pytest.raises(ValueError, match="may not leave the page"):
        element("a", "x", href="javascript:alert(1)")


def many(number: int) -> Report:
    """So many workers, each with an incident of its own kind of text and long evidence."""
    base = sample_reports.restart_loop()
    workers: list[Worker] = []
    incidents: list[Incident] = []
    for n in range(number):
        blocked = replace(sample_reports.blocked_in_database(), call=f"call_{n % 5000}")
        booted = sample_reports.at(7.75 * n)
        ended = sample_reports.at(7.75 * n + 30)
        workers.append(
            replace(base.workers[0], pid=1000 + n, ordinal=n, booted_at=booted, ended_at=ended, blocked=blocked)
        )
        incidents.append(
            replace(
                base.incidents[0],
                id=f"i{n}",
                pid=1000 + n,
                ordinal=n,
                at=ended,
                blocked=blocked,
                evidence=("x" * 5000,),
            )
        )
    period = replace(base.period, end=sample_reports.at(7.75 * number + 31))
    return replace(base, workers=tuple(workers), incidents=tuple(incidents), period=period)


def test_twenty_thousand_workers_make_a_small_page_that_says_what_it_leaves_out() -> None:
    html = render_html(many(20_000))
    assert len(html) < 3_000_000
    text = Page(html).text
    assert f"{20_000 - MAX_BARS} workers of 20000 are not drawn" in text
    assert "4970 more groups of incidents in --format json" in text
    assert "19800 more workers in --format json" in text
