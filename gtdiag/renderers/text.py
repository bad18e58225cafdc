"""A report to text for a person at a terminal: the verdict first, then the proof, then what to do about it."""

from __future__ import annotations

from gtdiag.model.report import Blocked, Confidence, Owner, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.fleet_section import write_hosts
from gtdiag.renderers.health_section import write_health
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents
from gtdiag.renderers.markdown_text import parse_markdown
from gtdiag.renderers.page import Page
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.report_words import MAX_EVIDENCE_LINES, MAX_GROUPS, MAX_REQUESTS, Fact, GroupContext
from gtdiag.renderers.startup_section import write_startups
from gtdiag.renderers.text_page import TextPage

_MANY_LINES = frozenset({"Remedy.why", "Remedy.how"})

_STYLE_OF_CONFIDENCE = {Confidence.HIGH: "green", Confidence.MEDIUM: "yellow", Confidence.LOW: "yellow"}


def render_text(report: Report, *, width: int = 80, colour: bool = False, ascii: bool = False) -> str:
    """Return the report as text of at most `width` columns, ending in a newline.

    Whatever came from logs and processes is shown escaped. `ascii`: nothing beyond ASCII, for terminals without UTF-8.
    """
    report = map_strings(
        report,
        lambda place, text: escape_text(text, ascii_only=ascii, keep_newlines=place in _MANY_LINES),
    )
    page = TextPage(Page(width=width, colour=colour, ascii=ascii))
    _write_verdict(page, report)
    _write_incidents(page, report)
    _write_patterns(page, report)
    _write_workers(page, report)
    write_hosts(page, report)
    write_startups(page, report)
    write_health(page, report)
    _write_kernel_kills(page, report)
    _write_remedies(page, report)
    _write_gaps(page, report)
    _write_footer(page, report)
    return page.text()


def _write_verdict(page: TextPage, report: Report) -> None:
    found = bool(report.incidents or report.patterns)
    page.paragraph(report.verdict.summary, style="bold red" if found else "bold")
    confidence = report.verdict.confidence
    page.paragraph(
        f"confidence: {phrases.CONFIDENCES[confidence]}", style=_STYLE_OF_CONFIDENCE[confidence] if found else "dim"
    )


def _write_incidents(page: TextPage, report: Report) -> None:
    groups = group_incidents(report.incidents, report.fleet)
    if not groups:
        return
    page.heading("What happened")
    about = report_words.context_of(report)
    for number, group in enumerate(groups[:MAX_GROUPS], start=1):
        if number > 1:
            page.blank()
        _write_group(page, group, number, about)
    if len(groups) > MAX_GROUPS:
        page.blank()
        page.paragraph(f"{len(groups) - MAX_GROUPS} more groups of incidents are in --format json", style="dim")


def _write_group(page: TextPage, group: IncidentGroup, number: int, about: GroupContext) -> None:
    page.paragraph(report_words.say_group_title(group), style="bold", first=f"{number}. ")
    for fact in report_words.say_who_and_when(group, about):
        page.field(fact.label, fact.text)
    for fact in report_words.say_blame(group):
        page.field(fact.label, fact.text, style=_style_of(fact, group))
    if group.blames:
        _write_stack(page, group.blames[0])
    page.field("memory", report_words.say_memory(group.first))
    _write_evidence(page, group)


def _style_of(fact: Fact, group: IncidentGroup) -> str:
    if not group.blames:
        return ""
    if fact.label == "blocked in":
        return "bold red"
    return _STYLE_OF_CONFIDENCE[group.blames[0].confidence] if fact.label == "confidence" else ""


def _write_stack(page: TextPage, blocked: Blocked) -> None:
    if not blocked.stack:
        return
    page.field("stack", "outermost first; >> is application code")
    for frame in report_words.shorten_stack(blocked.stack):
        if frame is None:
            page.paragraph("...", indent=7, style="dim")
            continue
        app = frame.owner is Owner.APP
        place = report_words.say_frame_place(frame)
        page.frame(">>" if app else "", frame.function, place, style="bold cyan" if app else "dim")


def _write_evidence(page: TextPage, group: IncidentGroup) -> None:
    evidence = group.evidence
    for number, line in enumerate(evidence[:MAX_EVIDENCE_LINES]):
        page.field("evidence" if number == 0 else "", line)
    if len(evidence) > MAX_EVIDENCE_LINES:
        page.field("", f"{len(evidence) - MAX_EVIDENCE_LINES} more lines are in --format json", style="dim")


def _write_patterns(page: TextPage, report: Report) -> None:
    if not report.patterns:
        return
    page.heading("Patterns")
    for pattern in report.patterns:
        page.paragraph(report_words.say_pattern_title(pattern), style="bold yellow", indent=2)
        page.paragraph(pattern.summary, indent=4)
        figures = report_words.say_pattern_figures(pattern)
        if figures:
            page.paragraph(figures, indent=4, style="dim")
        for line in pattern.evidence[:MAX_EVIDENCE_LINES]:
            page.paragraph(line, indent=4, first="- ")


def _write_workers(page: TextPage, report: Report) -> None:
    if not report.workers:
        return
    page.heading("Workers")
    rows = [
        ("red" if report_words.needs_attention(worker) else "", report_words.say_worker(worker, report))
        for worker in report_words.workers_to_show(report)
    ]
    page.table(report_words.WORKER_COLUMNS, rows)
    if len(report.workers) > len(rows):
        more = len(report.workers) - len(rows)
        page.paragraph(f"{phrases.say_count(more, 'more worker')} in --format json", indent=2, style="dim")
    _write_requests(page, report)


def _write_requests(page: TextPage, report: Report) -> None:
    """What the workers that still run are handling, the longest first."""
    handled = report_words.requests_in_flight(report)
    if not handled:
        return
    page.heading("Requests in flight")
    for pid, request in handled[:MAX_REQUESTS]:
        page.field(f"pid {pid}", phrases.say_request(request))
    if len(handled) > MAX_REQUESTS:
        page.paragraph(f"{len(handled) - MAX_REQUESTS} more in --format json", indent=2, style="dim")


def _write_kernel_kills(page: TextPage, report: Report) -> None:
    if not report.kernel_oom_kills:
        return
    page.heading("Killed by the kernel, out of memory")
    for record in report.kernel_oom_kills[: report_words.MAX_WORKER_ROWS]:
        page.paragraph(report_words.say_kernel_kill(record), indent=2, first="- ")


def _write_remedies(page: TextPage, report: Report) -> None:
    if not report.verdict.remedies:
        return
    page.heading("What to do")
    for number, remedy in enumerate(report.verdict.remedies, start=1):
        if number > 1:
            page.blank()
        page.paragraph(f"{remedy.title}  [{remedy.id}]", style="bold", first=f"{number}. ")
        page.paragraph(remedy.why.strip("\n"), indent=3)
        for block in parse_markdown(remedy.how):
            page.paragraph(block.text, indent=3 + block.indent, first=block.mark, style="cyan" if block.code else "")


def _write_gaps(page: TextPage, report: Report) -> None:
    if not report.gaps:
        return
    page.heading("What could not be seen")
    for gap in report.gaps:
        page.paragraph(report_words.say_gap(gap), indent=2, first="- ", style="yellow")
        if gap.hint:
            page.paragraph(gap.hint, indent=4, first="hint: ")


def _write_footer(page: TextPage, report: Report) -> None:
    page.blank()
    for line in report_words.say_footer(report, MAX_GROUPS):
        page.paragraph(line, style="dim")
