"""A report to the whole HTML file: the template filled, style and script inside, nothing else allowed to load."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template

from gtdiag.model.report import Confidence, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.fleet_section import say_versions
from gtdiag.renderers.html import sections
from gtdiag.renderers.html.anchors import Anchors, find_worker_anchors, group_anchor, link_mentions
from gtdiag.renderers.html.drawing import LinkTargets, draw_lanes, draw_legend
from gtdiag.renderers.html.markup import Markup, element, escape_for_html, join_markup
from gtdiag.renderers.html.memory_lines import draw_memory
from gtdiag.renderers.html.time_lanes import TimeLine, lay_out
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents

MAX_MASTERS = 20
MAX_SUMMARY_CHARACTERS = 4000


def render_html(report: Report) -> str:
    """Return the report as one HTML document that loads nothing, ending in a newline.

    Whatever came from logs and processes is escaped where it becomes markup (`gtdiag.renderers.html.markup`).
    """
    groups = group_incidents(report.incidents, report.fleet)
    anchor_of_incident = _anchors_of(groups, report)
    anchors = find_worker_anchors(report, sections.worker_rows(report))
    found = bool(report.incidents or report.patterns)
    parts = [
        _show_verdict(report, anchors, found),
        sections.show_remedies(report.verdict.remedies),
        _show_time_line(report, anchor_of_incident),
        sections.show_groups(groups, report, anchors),
        sections.show_patterns(report, anchors),
        sections.show_workers(report, anchor_of_incident),
        sections.show_hosts(report),
        sections.show_startups(report),
        sections.show_health(report),
        sections.show_requests(report),
        sections.show_kernel_kills(report),
        sections.show_gaps(report),
        _show_footer(report),
    ]
    style, script = _read("page.css"), _read("page.js")
    return Template(_read("page.html")).substitute(
        policy=_policy(style, script),
        title=escape_for_html(f"gtdiag: {report.verdict.summary}", limit=120),
        found="found" if found else "clear",
        style=style,
        script=script,
        body=join_markup(parts).html,
    )


def _policy(style: str, script: str) -> str:
    """Nothing may load or run but the one style and the one script of this file (https://www.w3.org/TR/CSP3/)."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _read(name: str) -> str:
    return resources.files("gtdiag.renderers.html").joinpath(name).read_text(encoding="utf-8")


def _anchors_of(groups: list[IncidentGroup], report: Report) -> dict[int, str]:
    """The group that shows each incident, by the incident's place in the report."""
    shown = {
        id(incident): group_anchor(number)
        for number, group in enumerate(groups[: sections.MAX_GROUPS], start=1)
        for incident in group.incidents
    }
    return {index: shown[id(one)] for index, one in enumerate(report.incidents) if id(one) in shown}


def _show_verdict(report: Report, anchors: Anchors, found: bool) -> Markup:
    confidence = report.verdict.confidence
    about = [report_words.say_master(report.gunicorn) if report.fleet is None else say_versions(report.fleet)]
    if report.period.start is not None:
        about.append(
            f"{phrases.say_date_and_time(report.period.start)} to {phrases.say_date_and_time(report.period.end)}"
        )
    summary = report.verdict.summary[:MAX_SUMMARY_CHARACTERS]
    return element(
        "header",
        element("p", "gtdiag", class_="brand"),
        element("h1", link_mentions(summary, anchors), id="verdict"),
        element(
            "p",
            element(
                "span",
                f"confidence: {phrases.CONFIDENCES[confidence]}",
                class_=f"badge {confidence.value if found or confidence is not Confidence.HIGH else 'plain'}",
            ),
            [element("span", text, class_="fact") for text in about],
            class_="about",
        ),
    )


def _show_time_line(report: Report, groups: dict[int, str]) -> Markup | None:
    if report.fleet is not None or (not report.workers and not report.incidents):
        return None  # a lane is one host's worker
    time_line = lay_out(report)
    if time_line is None or not (time_line.lanes or time_line.loose_marks):
        note = "There is no time-line: nothing here has a time."
        return sections.section("timeline", "Time-line", element("p", note, class_="more"))
    marks = [mark for lane in time_line.lanes for bar in lane.bars for mark in bar.marks]
    chart = element(
        "div",
        draw_lanes(time_line, report, LinkTargets(groups, frozenset(sections.worker_rows(report)))),
        draw_memory(time_line, report),
        class_="chart",
        data_start=round(time_line.start.timestamp() * 1000),
        data_span=round((time_line.end - time_line.start).total_seconds() * 1000),
        data_offset=round((time_line.start.utcoffset() or time_line.start - time_line.start).total_seconds() / 60),
    )
    return sections.section(
        "timeline",
        "Time-line",
        element("div", chart, class_="charts"),
        draw_legend({mark.kind for mark in (*marks, *time_line.loose_marks)}),
        [element("p", note, class_="more") for note in _notes_on(time_line, report)],
    )


def _notes_on(time_line: TimeLine, report: Report) -> list[str]:
    notes = []
    if any(len(lane.bars) > 1 for lane in time_line.lanes):
        notes.append("A lane holds one worker after another: whoever booted after one had ended goes on in its lane.")
    if time_line.cut:
        start, end = phrases.say_date_and_time(time_line.start), phrases.say_date_and_time(time_line.end)
        notes.append(f"Shown is {start} to {end}: in the rest of the period no worker began, ended or had an incident.")
    if time_line.left_out:
        notes.append(f"{phrases.say_count(time_line.left_out, 'worker')} of {len(report.workers)} are not drawn.")
    if time_line.without_time:
        notes.append(f"Of {phrases.say_count(time_line.without_time, 'worker')} no time is known.")
    return notes


def _show_footer(report: Report) -> Markup:
    lines = report_words.say_footer(report, MAX_MASTERS)
    more = len(report.masters) - MAX_MASTERS
    if more > 0:
        lines.insert(-1, f"{phrases.say_count(more, 'more master')} in --format json")
    return element("footer", [element("p", line) for line in lines])
