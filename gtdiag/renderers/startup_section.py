"""Where the time of the slowest start-up went, beside that of the fastest: a table, and a section of the text."""

from __future__ import annotations

from dataclasses import dataclass

from gtdiag.model.report import PatternKind, Phase, Report, StartupStep, Worker
from gtdiag.renderers import phrases
from gtdiag.renderers.text_page import TextPage

MAX_STEPS = 10
WORTH_SHOWING_S = 5.0
"""A start-up that takes less, and in which nothing went wrong, needs no section."""


@dataclass(frozen=True, slots=True)
class StartupTable:
    """The steps of the slowest and of the fastest start-up. `rows`: the step, then a cell for each worker.

    `left_out`: how many steps have no row; `note`: how exact the figures are.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int
    note: str


def say_startups(report: Report) -> StartupTable | None:
    """Return the table where a start-up was slow, or something went wrong in one; else None."""
    seen = [worker for worker in report.workers if worker.startup_steps]
    if not seen:
        return None
    slowest = max(seen, key=_length_s)
    troubled = any(incident.phase is Phase.STARTUP for incident in report.incidents) or any(
        pattern.kind is PatternKind.SLOW_STARTUP for pattern in report.patterns
    )
    if not troubled and _length_s(slowest) < WORTH_SHOWING_S:
        return None
    shown = [slowest]
    ready = [worker for worker in seen if worker.ready_at is not None and worker is not slowest]
    fastest = min(ready, key=_length_s, default=None)
    if fastest is not None:
        shown.append(fastest)
    by_worker = [{_name(step): step for step in worker.startup_steps} for worker in shown]
    names = list(dict.fromkeys(_name(step) for steps in by_worker[:1] for step in steps.values()))
    names += [name for steps in by_worker[1:] for name in steps if name not in names]
    names = [name for name in names if any(_is_seen(steps.get(name)) for steps in by_worker)]
    rows = [(name, *(_seconds(steps.get(name)) for steps in by_worker)) for name in names[:MAX_STEPS]]
    rows.append(("in all", *(phrases.say_seconds(_length_s(worker)) for worker in shown)))
    return StartupTable(
        headers=("WHERE THE TIME WENT", *(_title(worker, worker is slowest) for worker in shown)),
        rows=tuple(rows),
        left_out=max(0, len(names) - MAX_STEPS),
        note=_say_resolution(shown),
    )


def write_startups(page: TextPage, report: Report) -> None:
    """Write the table as a section of the text report, where there is one."""
    table = say_startups(report)
    if table is None:
        return
    page.heading("Start-up")
    *steps, total = table.rows
    page.table(table.headers, [*(("", row) for row in steps), ("bold", total)])
    if table.left_out:
        page.paragraph(f"{phrases.say_count(table.left_out, 'more step')} in --format json", indent=2)
    page.paragraph(table.note, indent=2, style="dim")


def _length_s(worker: Worker) -> float:
    return sum(step.seconds for step in worker.startup_steps)


def _is_seen(step: StartupStep | None) -> bool:
    return step is not None and step.seconds >= 0.05


def _seconds(step: StartupStep | None) -> str:
    return phrases.say_seconds(step.seconds) if step is not None and _is_seen(step) else "-"


def _name(step: StartupStep) -> str:
    if step.kind == "import" and step.samples:
        return f"import of {step.name}"
    return f"{step.name}  [{step.kind}]" if step.samples and step.kind in ("lifespan", "application") else step.name


def _title(worker: Worker, is_slowest: bool) -> str:
    state = "" if worker.ready_at is not None else ", NOT READY"
    return f"PID {worker.pid} ({'SLOWEST' if is_slowest else 'FASTEST'}{state})"


def _say_resolution(shown: list[Worker]) -> str:
    coarsest_s = max(step.resolution_s for worker in shown for step in worker.startup_steps)
    if all(step.samples == 0 for worker in shown for step in worker.startup_steps):
        return "from the steps that the log shows, to the second"
    return f"sampled: each figure is exact to {max(0.1, coarsest_s):.1f} s"
