"""A report and the latest events to the live view: the verdict, one row per worker, the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from gtdiag.model.report import Blocked, Phase, Report, Worker, WorkerEnd
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.health_section import say_answers
from gtdiag.renderers.layout import cut, pad, wrap
from gtdiag.renderers.report_strings import map_strings

MAX_EVENT_LINES = 8
MAX_VERDICT_LINES = 3
MAX_ROWS = 200
"""More workers than any window shows."""
WIDE_COLUMNS = 100
"""From this width on there is room for the heartbeat's bar and the place of the call."""
NARROW_COLUMNS = 70
"""Below this width the memory gives way to the call."""
BAR_CELLS = 10
_LIVING = (WorkerEnd.RUNNING,)


@dataclass(frozen=True, slots=True)
class Size:
    """Columns and rows of the window."""

    columns: int
    rows: int


def render_live(
    report: Report,
    recent_events: Sequence[str],
    size: Size,
    *,
    ascii: bool = False,
    notice: str = "Ctrl-C ends with the report",
) -> RenderableType:
    """Return the screen for a window of `size`. `recent_events` are finished lines, oldest first.

    Living workers come first, those that need attention before the others; what does not fit is counted.
    """
    report = map_strings(select_for_live(report, size.rows), lambda _place, text: escape_text(text, ascii_only=ascii))
    header = _header(report, size.columns, notice)
    verdict = _verdict(report, size.columns)
    events_shown = min(len(recent_events), MAX_EVENT_LINES, max(1, size.rows // 4))
    # Blank line, table header, blank line before the events.
    rows_for_workers = max(1, size.rows - len(header) - len(verdict) - events_shown - 3)
    table, left_out = _workers(report, size.columns, rows_for_workers, ascii)
    parts: list[RenderableType] = [*header, *verdict, Text(""), table]
    if left_out:
        parts.append(_line(f"  ... and {phrases.say_count(left_out, 'more worker')}", size.columns, "dim"))
    else:
        parts.append(Text(""))
    shown = recent_events[-events_shown:] if events_shown else ()
    parts.extend(_line(escape_text(line, ascii_only=ascii), size.columns, "dim") for line in shown)
    return Group(*parts)


def select_for_live(report: Report, rows: int = MAX_ROWS) -> Report:
    """Return the report without what no live view shows, so that a long watch does not make each frame dearer.

    Of the workers, the `rows` most urgent ones stay as they are but for their stacks; the others are only counted.
    """
    workers = sorted(report.workers, key=_urgency)
    return replace(
        report,
        workers=(
            *(replace(worker, blocked=_without_stack(worker.blocked)) for worker in workers[:rows]),
            *(replace(worker, blocked=None, request=None) for worker in workers[rows:]),
        ),
        incidents=tuple(replace(incident, blocked=None, evidence=()) for incident in report.incidents[:1]),
        patterns=tuple(replace(pattern, evidence=()) for pattern in report.patterns[:1]),
        verdict=replace(report.verdict, remedies=()),
        gaps=(),
        masters=(),
        kernel_oom_kills=(),
    )


@dataclass(slots=True)
class LiveScreen:
    """What rich's `Live` draws: it asks for the screen again at each refresh, so a resized window is laid out anew."""

    report: Report | None = None
    recent_events: list[str] = field(default_factory=list)
    ascii: bool = False
    notice: str = "Ctrl-C ends with the report"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the screen out for the window as it is now."""
        if self.report is None:
            yield Text("gtdiag: first look ...")
            return
        size = Size(options.size.width, options.size.height)
        yield render_live(self.report, tuple(self.recent_events), size, ascii=self.ascii, notice=self.notice)


def _without_stack(blocked: Blocked | None) -> Blocked | None:
    return None if blocked is None else replace(blocked, stack=(), path=())


def _line(text: str, columns: int, style: str = "") -> Text:
    return Text(cut(text, columns), style=style, no_wrap=True, overflow="crop")


def _header(report: Report, columns: int, notice: str) -> list[Text]:
    facts = report.gunicorn
    parts = [f"gunicorn {facts.version or '?'}"]
    if facts.master_pid is not None:
        parts.append(f"master {facts.master_pid}")
    if facts.worker_class:
        parts.append(facts.worker_class.rpartition(".")[2])
    if facts.timeout_s is not None:
        parts.append(f"timeout {facts.timeout_s:g} s")
    left = "gtdiag  " + ", ".join(parts)
    right = phrases.say_time(report.period.end, unknown="")
    if len(left) + len(right) + len(notice) + 4 <= columns:
        right = f"{notice}  {right}"
    left = cut(left, max(10, columns - len(right) - 2))
    return [_line(pad(left, columns - len(right)) + right, columns, "dim")]


def _verdict(report: Report, columns: int) -> list[Text]:
    found = bool(report.incidents or report.patterns)
    lines = wrap(report.verdict.summary, columns)
    if len(lines) > MAX_VERDICT_LINES:
        lines = [*lines[: MAX_VERDICT_LINES - 1], cut(" ".join(lines[MAX_VERDICT_LINES - 1 :]), columns)]
    shown = [_line(line, columns, "bold red" if found else "bold") for line in lines]
    if report.health is not None:
        shown.append(_line(f"health: {say_answers(report.health)}", columns, "dim"))
    return shown


def _urgency(worker: Worker) -> tuple[int, float, int]:
    living = worker.end in _LIVING
    if living and worker.blocked is not None:
        rank = 0
    elif living and worker.phase is Phase.STARTUP:
        rank = 1
    elif living:
        rank = 2
    else:
        rank = 3
    return (rank, -(worker.heartbeat_age_s or 0.0) if living else 0.0, worker.ordinal if living else -worker.ordinal)


def _workers(report: Report, columns: int, rows: int, ascii: bool) -> tuple[Table, int]:
    wide, with_memory = columns >= WIDE_COLUMNS, columns >= NARROW_COLUMNS
    timeout_s = report.gunicorn.timeout_s
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True, show_edge=False, header_style="dim")
    table.add_column("PID", justify="right", no_wrap=True)
    table.add_column("GEN", justify="right", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("HEARTBEAT", no_wrap=True, width=BAR_CELLS + 18 if wide else 14)
    if with_memory:
        table.add_column("MEMORY", justify="right", no_wrap=True, width=9)
    table.add_column("BLOCKED IN", no_wrap=True, overflow="ellipsis" if not ascii else "crop", ratio=1)
    workers = sorted(report.workers, key=_urgency)
    if len(workers) > rows:
        rows = max(1, rows - 1)
    for worker in workers[:rows]:
        living = worker.end in _LIVING
        style = "red" if living and worker.blocked is not None else "" if living else "dim"
        cells = [
            str(worker.pid),
            str(worker.ordinal),
            phrases.PHASES[worker.phase] if living else phrases.say_end(worker),
            _heartbeat(worker, timeout_s, wide) if living else "",
            *([phrases.say_bytes(worker.rss_bytes, unknown="")] if with_memory else []),
            _blocked(worker, wide),
        ]
        # As Text, because rich reads markup in plain strings.
        table.add_row(*(Text(cell, no_wrap=True) for cell in cells), style=style)
    return table, max(0, len(workers) - rows)


def _heartbeat(worker: Worker, timeout_s: float | None, wide: bool) -> str:
    age_s = worker.heartbeat_age_s
    if age_s is None:
        return ""
    text = f"{age_s:.1f}" if timeout_s is None else f"{age_s:.1f}/{timeout_s:g}"
    if worker.first_heartbeat_seen is False:
        text += " never"
    if not wide or not timeout_s:
        return text
    filled = min(BAR_CELLS, int(BAR_CELLS * age_s / timeout_s))
    return "[" + "#" * filled + "." * (BAR_CELLS - filled) + "] " + text


def _blocked(worker: Worker, wide: bool) -> str:
    blocked = worker.blocked
    if blocked is None:
        return ""
    since = f"{phrases.say_seconds(blocked.seconds)} " if blocked.seconds is not None else ""
    name = phrases.say_call(blocked) if wide else phrases.say_call_name(blocked)
    waiting = blocked.waiting_on
    peer = f" {waiting.peer}" if wide and waiting is not None and waiting.peer else ""
    return since + name + peer
