"""The gunicorn masters of a host to the list that `gtdiag ps` prints: a table, or `gtdiag.ps/1` as JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Sequence

from gtdiag import __version__
from gtdiag.model.report import Gap
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.json_report import to_json_value
from gtdiag.renderers.page import Page
from gtdiag.renderers.phrases import say_seconds
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text_page import TextPage

PS_SCHEMA = "gtdiag.ps/1"


class Health(str, enum.Enum):
    """How the workers of a master are, by their heartbeats alone; the worst counts."""

    OK = "ok"
    STALE = "stale"
    """A worker has beaten before, and not for longer than its class ever takes."""
    NEVER_BEATEN = "never_beaten"
    """A worker has not beaten since its start: it is starting up, or hangs in its start-up."""
    NO_WORKERS = "no_workers"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class MasterRow:
    """One master as `gtdiag ps` shows it. None: could not be observed.

    `workers` are those that live now, `workers_wanted` is the setting; `ok`, `stale` and `never_beaten` count the
    living ones by their heartbeats. `successor_of`: the master that re-executed itself (USR2) as this one.
    `inner_pid`: the pid that it has in its container and in its log, where that is another one; `container`: the id
    of its container, shortened.
    """

    pid: int
    user: str | None
    uptime_s: float
    version: str | None
    worker_class: str | None
    application: str | None
    workers: int
    workers_wanted: int | None
    timeout_s: float | None
    health: Health
    ok: int | None
    stale: int | None
    never_beaten: int | None
    successor_of: int | None = None
    inner_pid: int | None = None
    container: str | None = None


_COLUMNS = ("PID", "USER", "UPTIME", "VERSION", "CLASS", "WORKERS", "HEALTH", "CONTAINER", "APPLICATION")
_WIDE_ONLY = frozenset({"USER", "UPTIME"})
_WIDE_COLUMNS = 100


def render_ps_json(masters: Sequence[MasterRow], gaps: Sequence[Gap]) -> str:
    """Return the list as one JSON document, ending in a newline."""
    value = {
        "schema": PS_SCHEMA,
        "gtdiag_version": __version__,
        "masters": to_json_value(tuple(masters)),
        "gaps": to_json_value(tuple(gaps)),
    }
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def render_ps_text(masters: Sequence[MasterRow], gaps: Sequence[Gap], page: Page) -> str:
    """Return the list as a table, ending in a newline."""
    text = TextPage(page)
    if masters:
        rows = [_cells(map_strings(row, lambda _place, s: escape_text(s, ascii_only=page.ascii))) for row in masters]
        left_out = set() if page.width >= _WIDE_COLUMNS else set(_WIDE_ONLY)
        if not any(_say_container(row) for row in masters):
            left_out.add("CONTAINER")
        columns = [i for i, name in enumerate(_COLUMNS) if name not in left_out]
        text.table(
            [_COLUMNS[i] for i in columns],
            [
                (_STYLES.get(row.health, ""), [cells[i] for i in columns])
                for row, cells in zip(masters, rows, strict=True)
            ],
            indent=0,
        )
    else:
        text.paragraph("no gunicorn master found on this host")
    for gap in gaps:
        what = escape_text(f"{gap.what}: {gap.why}", ascii_only=page.ascii)
        text.paragraph(what, first="- ", style="yellow")
        if gap.hint:
            text.paragraph(escape_text(gap.hint, ascii_only=page.ascii), indent=2, first="hint: ")
    return text.text()


_STYLES = {Health.NEVER_BEATEN: "bold red", Health.STALE: "bold red", Health.NO_WORKERS: "yellow"}


def _cells(row: MasterRow) -> tuple[str, ...]:
    workers = str(row.workers)
    if row.workers_wanted is not None and row.workers_wanted != row.workers:
        workers += f" of {row.workers_wanted}"
    application = row.application or "?"
    if row.successor_of is not None:
        application += f" (re-executed by {row.successor_of})"
    return (
        str(row.pid),
        row.user or "?",
        say_seconds(row.uptime_s),
        row.version or "?",
        (row.worker_class or "?").rpartition(".")[2],
        workers,
        _say_health(row),
        _say_container(row),
        application,
    )


def _say_container(row: MasterRow) -> str:
    """Its id, else the pid that the master has in its own PID namespace."""
    return row.container or (f"pid {row.inner_pid} there" if row.inner_pid else "")


def _say_health(row: MasterRow) -> str:
    counts = ((row.never_beaten, "never beat"), (row.stale, "stale"), (row.ok, "ok"))
    said = [f"{count} {word}" for count, word in counts if count]
    if row.health in (Health.NO_WORKERS, Health.UNKNOWN) or not said:
        return row.health.value.replace("_", " ")
    return ", ".join(said)
