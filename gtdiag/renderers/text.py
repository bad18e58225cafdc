"""A report to text for a person at a terminal: the verdict first, then the proof, then what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from gtdiag.model.report import (
    Blocked,
    Confidence,
    GunicornFacts,
    Incident,
    IncidentKind,
    KilledBy,
    Owner,
    Phase,
    Report,
    StackFrame,
    Worker,
    WorkerEnd,
)
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents
from gtdiag.renderers.markdown_text import parse_markdown
from gtdiag.renderers.page import Page
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text_page import TextPage

MAX_GROUPS = 20
MAX_EVIDENCE_LINES = 6
MAX_REQUESTS = 10
MAX_WORKER_ROWS = 40
FRAMES_AFTER_THE_CALL = 3
MAX_APP_FRAMES = 12
"""What fits a terminal; the JSON has all of it, and the text says how much it leaves out."""

_KINDS_THAT_NAME_THE_PHASE = frozenset({IncidentKind.STARTUP_HANG, IncidentKind.BOOT_FAILURE, IncidentKind.MASTER_HANG})

_KINDS_WITH_A_CALL = frozenset({IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG})
"""Of these it matters what they were blocked in, and who ended them, also where that is not known or nobody."""

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


@dataclass(frozen=True, slots=True)
class _GroupContext:
    """Whether a group must say its master, and its dates, to be told from the others."""

    several_masters: bool
    several_days: bool


def _covers_several_days(report: Report) -> bool:
    start, end = report.period.start, report.period.end
    return start is not None and end is not None and start.date() != end.date()


def _write_incidents(page: TextPage, report: Report) -> None:
    groups = group_incidents(report.incidents)
    if not groups:
        return
    page.heading("What happened")
    about = _GroupContext(
        several_masters=len({incident.master_pid for incident in report.incidents}) > 1,
        several_days=_covers_several_days(report),
    )
    for number, group in enumerate(groups[:MAX_GROUPS], start=1):
        if number > 1:
            page.blank()
        _write_group(page, group, number, about)
    if len(groups) > MAX_GROUPS:
        page.blank()
        page.paragraph(f"{len(groups) - MAX_GROUPS} more groups of incidents are in --format json", style="dim")


def _write_group(page: TextPage, group: IncidentGroup, number: int, about: _GroupContext) -> None:
    first = group.first
    title = phrases.INCIDENT_TITLES[first.kind]
    if first.phase is not None and first.kind not in _KINDS_THAT_NAME_THE_PHASE:
        title += f" {phrases.IN_PHASE[first.phase]}"
    if len(group.incidents) > 1:
        title += f", {len(group.incidents)} times"
    page.paragraph(title, style="bold", first=f"{number}. ")
    pids = phrases.say_numbers(group.pids)
    page.field("worker" if len(group.pids) == 1 else "workers", f"pid {pids}" if pids else "")
    if first.master_pid is not None and (about.several_masters or first.kind is IncidentKind.MASTER_HANG):
        page.field("master", f"pid {first.master_pid}")
    page.field("when", _say_when(group, about.several_days))
    if first.killed_by is not KilledBy.NONE or first.kind in _KINDS_WITH_A_CALL:
        page.field("killed by", phrases.KILLED_BY[first.killed_by])
    if first.request is not None:
        page.field("request", phrases.say_request(first.request))
    if group.blames:
        _write_blame(page, group)
    else:
        count = len(group.incidents)
        page.field("what", first.summary if count == 1 else f"{first.summary} (the first of {count})")
        if first.kind in _KINDS_WITH_A_CALL:
            page.field("blocked in", "not known")
    _write_memory(page, first)
    _write_evidence(page, group)


def _say_when(group: IncidentGroup, several_days: bool) -> str:
    times = [incident.at for incident in group.incidents if incident.at is not None]
    if not times:
        return ""
    say = phrases.say_date_and_time if several_days else phrases.say_time
    start, end = say(min(times)), say(max(times))
    text = start if start == end else f"{start} to {end}"
    resolved = [incident.resolved_at for incident in group.incidents if incident.resolved_at is not None]
    if resolved:
        text += f"; went on by itself at {say(max(resolved))}"
    return text


def _write_blame(page: TextPage, group: IncidentGroup) -> None:
    blames = group.blames
    blocked = blames[0]
    page.field("blocked in", f"{phrases.say_call_name(blocked)}  [{blocked.category.value}]", style="bold red")
    page.field("at", phrases.say_place(blocked.file, blocked.line))
    if len(blocked.path) > 1:
        page.field("path", " > ".join(blocked.path))
    if blocked.call:
        page.field("library call", phrases.say_library(blocked))
    waits = dict.fromkeys(phrases.say_waiting(blame.waiting_on) for blame in blames)
    page.field("waiting on", "; ".join(wait for wait in list(waits)[:4] if wait))
    page.field("traffic", phrases.say_figures(blame.waiting_on for blame in blames))
    page.field("for", _say_duration(blames))
    page.field("seen in", phrases.HOW_SEEN[blocked.how])
    page.field("confidence", phrases.CONFIDENCES[blocked.confidence], style=_STYLE_OF_CONFIDENCE[blocked.confidence])
    _write_stack(page, blocked)


def _say_duration(blames: tuple[Blocked, ...]) -> str:
    if not any(blame.seconds for blame in blames):
        return "not known: one look cannot tell" if max(blame.samples for blame in blames) <= 1 else ""
    parts = [phrases.say_range((blame.seconds for blame in blames), "seconds")]
    share = phrases.say_range((blame.share for blame in blames), "share")
    if share:
        parts.append(f"{share} of the time it was observed")
    samples = [blame.samples for blame in blames if blame.samples]
    if samples and max(samples) > 1:
        low, high = min(samples), max(samples)
        parts.append(f"{low} samples" if low == high else f"{low} to {high} samples")
    return ", ".join(part for part in parts if part)


def _write_stack(page: TextPage, blocked: Blocked) -> None:
    if not blocked.stack:
        return
    page.field("stack", "outermost first; >> is application code")
    for frame in _shorten(blocked.stack):
        if frame is None:
            page.paragraph("...", indent=7, style="dim")
            continue
        app = frame.owner is Owner.APP
        file = frame.file if app else phrases.say_installed_file(frame.file)
        page.frame(
            ">>" if app else "",
            frame.function,
            phrases.say_place(file, frame.line),
            style="bold cyan" if app else "dim",
        )


def _shorten(stack: tuple[StackFrame, ...]) -> list[StackFrame | None]:
    """Keep the application's frames, what called them and what they lead to; None stands where frames are left out.

    The outermost frames are gunicorn and the server's main loop: alike in every report.
    """
    apps = [i for i, frame in enumerate(stack) if frame.owner is Owner.APP]
    if not apps:
        kept = set(range(max(0, len(stack) - FRAMES_AFTER_THE_CALL - 1), len(stack)))
    else:
        half = MAX_APP_FRAMES // 2
        listed = apps if len(apps) <= MAX_APP_FRAMES else [*apps[:half], *apps[-half:]]
        after = range(apps[-1] + 1, apps[-1] + 1 + FRAMES_AFTER_THE_CALL)
        kept = {max(0, apps[0] - 1), *listed, *after, len(stack) - 1}
    shown: list[StackFrame | None] = []
    for i, frame in enumerate(stack):
        if i in kept:
            shown.append(frame)
        elif not shown or shown[-1] is not None:
            shown.append(None)
    return shown


def _write_memory(page: TextPage, incident: Incident) -> None:
    memory = incident.memory
    if memory is None or memory.rss_bytes is None:
        return
    text = phrases.say_bytes(memory.rss_bytes)
    if memory.limit_bytes is not None:
        text += f" of a limit of {phrases.say_bytes(memory.limit_bytes)}"
    if memory.growth_bytes_per_s:
        text += f", growing {phrases.say_bytes(memory.growth_bytes_per_s)}/s"
    page.field("memory", text)


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
        title = phrases.PATTERN_TITLES[pattern.kind]
        confidence = phrases.CONFIDENCES[pattern.confidence]
        page.paragraph(f"{title} (confidence: {confidence})", style="bold yellow", indent=2)
        page.paragraph(pattern.summary, indent=4)
        facts = []
        if pattern.cycles is not None:
            facts.append(phrases.say_count(pattern.cycles, "cycle"))
        if pattern.period_s is not None:
            facts.append(f"one every {phrases.say_seconds(pattern.period_s)}")
        if pattern.pids:
            facts.append(f"pids {phrases.say_numbers(pattern.pids)}")
        if pattern.of_workers is not None:
            facts.append(f"of {phrases.say_count(pattern.of_workers, 'worker')}")
        if facts:
            page.paragraph(", ".join(facts), indent=4, style="dim")
        for line in pattern.evidence[:MAX_EVIDENCE_LINES]:
            page.paragraph(line, indent=4, first="- ")


def _least_urgent_last(worker: Worker) -> tuple[bool, bool]:
    return (worker.blocked is None, not _needs_attention(worker))


def _needs_attention(worker: Worker) -> bool:
    return worker.blocked is not None or worker.end not in (WorkerEnd.RUNNING, WorkerEnd.EXIT)


def _write_workers(page: TextPage, report: Report) -> None:
    if not report.workers:
        return
    page.heading("Workers")
    workers = report.workers
    if len(workers) > MAX_WORKER_ROWS:
        workers = tuple(sorted(workers, key=_least_urgent_last))[:MAX_WORKER_ROWS]
    say_booted = phrases.say_day_and_time if _covers_several_days(report) else phrases.say_time
    rows = [
        (
            "red" if _needs_attention(worker) else "",
            (
                str(worker.pid),
                str(worker.ordinal),
                phrases.PHASES[worker.phase] if worker.phase is not Phase.EXITED else "",
                phrases.say_end(worker) if worker.end is not WorkerEnd.RUNNING else "",
                say_booted(worker.booted_at, unknown=""),
                phrases.say_seconds(worker.startup_s, unknown=""),
                phrases.say_heartbeat(worker, report.gunicorn.timeout_s) if worker.ended_at is None else "",
                phrases.say_bytes(worker.rss_bytes, unknown=""),
                phrases.say_call_name(worker.blocked) if worker.blocked else "",
            ),
        )
        for worker in workers
    ]
    page.table(
        ("PID", "NO", "PHASE", "END", "BOOTED", "START-UP", "HEARTBEAT", "MEMORY", "BLOCKED IN"),
        rows,
    )
    if len(report.workers) > MAX_WORKER_ROWS:
        more = len(report.workers) - MAX_WORKER_ROWS
        page.paragraph(f"{phrases.say_count(more, 'more worker')} in --format json", indent=2, style="dim")
    _write_requests(page, report)


def _write_requests(page: TextPage, report: Report) -> None:
    """What the workers that still run are handling, the longest first."""
    running = [worker for worker in report.workers if worker.end is WorkerEnd.RUNNING]
    handled = [(worker.pid, request) for worker in running for request in worker.requests]
    if not handled:
        return
    handled.sort(key=lambda one: -(one[1].seconds or 0.0))
    page.heading("Requests in flight")
    for pid, request in handled[:MAX_REQUESTS]:
        page.field(f"pid {pid}", phrases.say_request(request))
    if len(handled) > MAX_REQUESTS:
        page.paragraph(f"{len(handled) - MAX_REQUESTS} more in --format json", indent=2, style="dim")


def _write_kernel_kills(page: TextPage, report: Report) -> None:
    if not report.kernel_oom_kills:
        return
    page.heading("Killed by the kernel, out of memory")
    for record in report.kernel_oom_kills[:MAX_WORKER_ROWS]:
        pid = f"pid {record.pid} (as the kernel counts)" if record.pid is not None else "pid not known"
        whose = "" if record.worker else ", not one of gunicorn's workers"
        words = (phrases.say_time(record.at, unknown=""), pid, record.process or "")
        page.paragraph(" ".join(word for word in words if word) + whose, indent=2, first="- ")


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
        page.paragraph(f"{gap.what.replace('_', ' ')}: {gap.why}", indent=2, first="- ", style="yellow")
        if gap.hint:
            page.paragraph(gap.hint, indent=4, first="hint: ")


def _write_footer(page: TextPage, report: Report) -> None:
    page.blank()
    page.paragraph(_say_source(report), style="dim")
    period = report.period
    if period.start is not None or period.end is not None:
        length = ""
        if period.start is not None and period.end is not None:
            length = f" ({phrases.say_seconds((period.end - period.start).total_seconds())})"
        start, end = phrases.say_date_and_time(period.start), phrases.say_date_and_time(period.end)
        page.paragraph(f"period: {start} to {end}{length}", style="dim")
    masters = report.masters or (report.gunicorn,)
    for master in masters[:MAX_GROUPS]:
        page.paragraph(_say_master(master), style="dim")
    page.paragraph(f"gtdiag {report.gtdiag_version}", style="dim")


def _say_source(report: Report) -> str:
    source = report.source
    what = {"live": "watched live", "log": "from logs", "recording": "from a recording"}.get(source.kind, source.kind)
    parts = [f"source: {what}"]
    if source.pid is not None:
        parts.append(f"master pid {source.pid}")
    if source.files:
        parts.append(", ".join(source.files[:8]) + (", ..." if len(source.files) > 8 else ""))
    return ", ".join(parts)


def _say_master(facts: GunicornFacts) -> str:
    parts = [f"gunicorn {facts.version or '(version not known)'}"]
    if facts.master_pid is not None:
        parts.append(f"master pid {facts.master_pid}")
    if facts.stream:
        parts.append(facts.stream)
    if facts.worker_class:
        parts.append(facts.worker_class)
    if facts.workers is not None:
        parts.append(phrases.say_count(facts.workers, "worker"))
    if facts.timeout_s is not None:
        parts.append(f"timeout {facts.timeout_s:g} s")
    if facts.preload:
        parts.append("preload")
    if facts.python:
        parts.append(f"Python {facts.python}")
    return ", ".join(parts)
