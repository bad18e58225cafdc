"""The outcomes of a whole matrix to docs/accuracy.md: totals, a table for each axis, every cell that is not right."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import gtdiag
from tests.live.real_postgres import find_program
from tests.scenarios.cells import PYTHONS, VERSIONS, WORKERS, Cell
from tests.scenarios.grading import Grade
from tests.scenarios.outcomes import Outcome, reasons_of

INTRODUCTION = """\
# How often gtdiag is right

Real gunicorn, small real applications that block in one known place, real libraries and servers; `gtdiag watch` looks
on as a user would start it, and its report is compared with what is known to be so. Written by `make scenarios`; do not
edit.

- **right**: kind of incident, phase, who killed the worker, application function, category, library, what the kernel
  waits for, peer and state of its connection, and the patterns: all as they are. Of several workers, all of them.
- **undecided**: it says less (no category, no library, low confidence) and nothing that is wrong.
- **wrong**: something it says is not so. **Confidently wrong**: and it said so with high confidence.

A cell that was run again (`make scenarios SCENARIOS_OPTIONS=--again`, after a mistake was mended) counts with its last
outcome. Time-outs are 3 to 6 s long here, so there are few looks at each hang. The watch begins after the worker has
booted (while serving: before the request).
"""


def render_page(outcomes: list[Outcome]) -> str:
    """The page, in Markdown."""
    run = [outcome for outcome in outcomes if outcome.grade is not None]
    parts = [INTRODUCTION, _totals(run, outcomes)]
    for title, key, order in _AXES:
        parts.append(f"## By {title}\n\n{_table(title, run, key, order)}")
    parts += [_not_right(run), _not_run(outcomes), _how_made(run)]
    return "\n".join(parts)


def _totals(run: list[Outcome], outcomes: list[Outcome]) -> str:
    counts = {one: sum(_live(outcome) is one for outcome in run) for one in Grade}
    log = [outcome.grade.log for outcome in run if outcome.grade]
    in_time = [outcome.grade.in_time for outcome in run if outcome.grade and outcome.grade.in_time is not None]
    replays = [o.grade.replay_differs_in for o in run if o.grade and o.grade.replay_differs_in is not None]
    found = sum("blocked call found" in graded.reasons for graded in log)
    gap = sum("blocked call is a gap" in graded.reasons for graded in log)
    rest = sum(graded.grade is Grade.RIGHT for graded in log) - found - gap
    wrong = sum(graded.grade >= Grade.WRONG for graded in log)
    return f"""\
## In all

| cells run | right | undecided | wrong | confidently wrong | not run |
| ---: | ---: | ---: | ---: | ---: | ---: |
| {len(run)} | {" | ".join(str(counts[one]) for one in Grade)} | {len(outcomes) - len(run)} |

- **Evidence before the kill**: in {sum(in_time)} of {len(in_time)} cells with time-outs the blocked call was captured
  before gunicorn killed the worker, in every one of its workers (time-outs down to 3 s, and 32 workers at once).
- **The saved log alone** (`gtdiag analyze`): wrong in {wrong} cells. The blocked call was found in the log's traceback
  in {found}, said to be a gap in {gap}; in the other {rest} there was nothing more to find than the log tells.
- **Recordings**: `analyze` of the watch's own recording gave the report of the watch, field for field, in
  {sum(not differs for differs in replays)} of the {len(replays)} cells that were run since this is compared.
- A cell took {median(outcome.seconds for outcome in run):.0f} s in the median.
"""


def _live(outcome: Outcome) -> Grade:
    assert outcome.grade is not None
    return outcome.grade.live.grade


def _table(title: str, run: list[Outcome], key: Callable[[Cell], str], order: Iterable[str] | None) -> str:
    groups: dict[str, list[Outcome]] = {}
    for outcome in run:
        groups.setdefault(key(outcome.cell), []).append(outcome)
    names = [name for name in order if name in groups] if order else sorted(groups)
    lines = [
        f"| {title} | cells | right | undecided | wrong | confidently wrong |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        counts = [str(sum(_live(outcome) is one for outcome in groups[name])) for one in Grade]
        lines.append(f"| {name} | {len(groups[name])} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


_AXES: tuple[tuple[str, Callable[[Cell], str], Iterable[str] | None], ...] = (
    ("family of causes", lambda cell: cell.cause.family, None),
    ("cause", lambda cell: cell.cause.name, None),
    ("worker class", lambda cell: cell.worker, WORKERS),
    ("gunicorn version", lambda cell: cell.version, VERSIONS),
    ("CPython", lambda cell: cell.python, PYTHONS),
    ("phase", lambda cell: cell.phase, None),
)


def _not_right(run: list[Outcome]) -> str:
    lines = ["## Every cell that is not right\n"]
    for outcome in run:
        assert outcome.grade is not None
        reasons = reasons_of(outcome.grade)
        if reasons:
            lines.append(f"- `{outcome.cell.name}`: " + "; ".join(reasons))
    return "\n".join(lines if len(lines) > 1 else [*lines, "None."]) + "\n"


def _not_run(outcomes: list[Outcome]) -> str:
    lines = [
        "## What was not run\n",
        "- gunicorn's asgi worker before 24, its eventlet worker from 26 on: there is none.",
        "- eventlet under gunicorn 20.1.0: it wants one before 0.30.3, which does not run on CPython 3.10 and later.",
        "- gunicorn 20.1.0 on CPython 3.12 and later, gunicorn 25 and later on CPython before 3.10: they do not run.",
    ]
    lines += [f"- `{outcome.cell.name}`: {outcome.why_not}" for outcome in outcomes if outcome.grade is None]
    return "\n".join(lines) + "\n"


def _how_made(run: list[Outcome]) -> str:
    days = sorted({outcome.date for outcome in run})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"""\
## How it was made

gtdiag {gtdiag.__version__}, {when}.
{_system()}, Linux {_kernel()}, {platform.machine()}, {os.cpu_count()} cores.
{_program("postgres")}, {_program("redis-server")}.
The cells and their truths are in `tests/scenarios`.
"""


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _kernel() -> str:
    return platform.release().partition("-")[0]


def _program(name: str) -> str:
    path = find_program(name)
    if path is None:
        return f"no {name}"
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+(?:\.\d+)+", told)
    return f"{Path(path).name} {version.group() if version else '?'}"
