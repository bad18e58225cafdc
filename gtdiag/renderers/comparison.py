"""A comparison of two runs to text, or to `gtdiag.compare/1` as JSON."""

from __future__ import annotations

import json

from gtdiag.model.comparison import Change, Comparison, Measure, Outcome, Run, StartupEnd, WorkerStartup
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.json_report import to_json_value
from gtdiag.renderers.page import Page
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text_page import TextPage

MAX_WORKERS = 16
"""Start-ups shown for each run; the JSON has all."""

_TITLES = {
    "failed_startups": "failed start-ups",
    "restart_loop_cycles": "  restart loop, cycles",
    "silent_startup_hangs": "  silent start-up hangs",
    "timeouts_serving": "time-outs while serving",
    "deaths": "crashed, killed, gone",
    "ready_workers": "ready workers",
    "startup_seconds": "start-up",
    "peak_memory": "peak memory of a worker",
    "health": "health endpoint",
}
_CHANGES = {
    Change.GONE: ("gone", "green"),
    Change.BETTER: ("better", "green"),
    Change.SAME: ("same", ""),
    Change.WORSE: ("worse", "bold red"),
    Change.UNKNOWN: ("cannot tell", "yellow"),
}
_STYLES = {
    Outcome.FIXED: "bold green",
    Outcome.BETTER: "bold green",
    Outcome.UNCHANGED: "bold",
    Outcome.WORSE: "bold red",
    Outcome.CANNOT_TELL: "bold yellow",
}
_ENDS = {
    StartupEnd.READY: "ready",
    StartupEnd.LATE: "ready, but later than the time-out",
    StartupEnd.FAILED: "failed",
    StartupEnd.UNFINISHED: "not over",
    StartupEnd.UNKNOWN: "not shown",
}
_MOST_TELLING = (StartupEnd.FAILED, StartupEnd.LATE, StartupEnd.READY, StartupEnd.UNFINISHED, StartupEnd.UNKNOWN)


def render_comparison_json(comparison: Comparison) -> str:
    """Return the comparison as one JSON document, ending in a newline."""
    value = {"schema": comparison.schema, **to_json_value(comparison)}
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def render_comparison_text(comparison: Comparison, page: Page) -> str:
    """Return the comparison as text: the answer, the measures side by side, the start-ups, what could not be told."""
    comparison = map_strings(comparison, lambda _place, text: escape_text(text, ascii_only=page.ascii))
    text = TextPage(page)
    text.paragraph(comparison.summary, style=_STYLES[comparison.outcome])
    text.heading("Side by side")
    text.table(
        ("", "BEFORE", "AFTER", ""),
        [(_CHANGES[measure.change][1], _cells(measure)) for measure in comparison.measures],
    )
    _write_startups(text, comparison)
    _write_unknown(text, comparison)
    text.blank()
    text.paragraph(f"before: {_say_run(comparison.before)}", style="dim")
    text.paragraph(f"after: {_say_run(comparison.after)}", style="dim")
    text.paragraph(f"gtdiag {comparison.gtdiag_version}", style="dim")
    return text.text()


def _cells(measure: Measure) -> tuple[str, str, str, str]:
    return (_TITLES[measure.name], measure.before, measure.after, _CHANGES[measure.change][0])


def _write_startups(text: TextPage, comparison: Comparison) -> None:
    runs = (("BEFORE", comparison.before), ("AFTER", comparison.after))
    if not any(run.workers for _, run in runs):
        return
    text.heading("Start-ups")
    rows: list[tuple[str, tuple[str, ...]]] = []
    for name, run in runs:
        shown = sorted(run.workers, key=_least_telling_last)[:MAX_WORKERS]
        for worker in sorted(shown, key=lambda one: one.ordinal):
            style = "red" if worker.end in (StartupEnd.FAILED, StartupEnd.LATE) else ""
            seconds = phrases.say_seconds(worker.seconds, unknown="")
            rows.append((style, (name, str(worker.pid), seconds, _ENDS[worker.end], worker.call or "")))
        if len(run.workers) > len(shown):
            rows.append(("dim", (name, "...", "", f"{len(run.workers) - len(shown)} more in --format json", "")))
    text.table(("RUN", "PID", "SECONDS", "START-UP", "BLOCKED IN"), rows)


def _least_telling_last(worker: WorkerStartup) -> tuple[int, float]:
    return (_MOST_TELLING.index(worker.end), -(worker.seconds or 0.0))


def _write_unknown(text: TextPage, comparison: Comparison) -> None:
    unknown = [m for m in comparison.measures if m.change is Change.UNKNOWN and m.why]
    if not unknown:
        return
    text.heading("What cannot be told")
    titles_by_reason: dict[str, list[str]] = {}
    for measure in unknown:
        titles_by_reason.setdefault(measure.why, []).append(_TITLES[measure.name].strip())
    for why, titles in titles_by_reason.items():
        text.paragraph(f"{'; '.join(titles)}: {why}", indent=2, first="- ", style="yellow")


def _say_run(run: Run) -> str:
    kind = {"log": "log", "recording": "recording", "live": "watch"}.get(run.kind, run.kind)
    parts = [f"{kind} {', '.join(run.files[:4])}", f"gunicorn {run.version or '(version not known)'}"]
    if run.worker_class:
        parts.append(run.worker_class)
    if run.timeout_s is not None:
        parts.append(f"timeout {run.timeout_s:g} s")
    if run.period_s is not None:
        parts.append(phrases.say_seconds(run.period_s))
    parts.append(phrases.say_count(run.boots, "boot"))
    return ", ".join(parts)
