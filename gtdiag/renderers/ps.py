"""The gunicorn masters of a host to the list that `gtdiag ps` prints: a table, or `gtdiag.ps/1` as JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Sequence
from datetime import datetime

from gtdiag import __version__
from gtdiag.model.report import Gap
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.json_report import to_json_value
from gtdiag.renderers.page import Page
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text_page import TextPage

PS_SCHEMA = "gtdiag.ps/1"


class Health(str, enum.Enum):
    """How the workers of a master are, by their heartbeats alone."""

    OK = "ok"
    STARTING = "starting"
    """A worker has not beaten yet and still has time."""
    STALE = "stale"
    """A worker that has beaten before is over the time-out."""
    HANGING = "hanging"
    """A worker is over the time-out and has never beaten."""
    NO_WORKERS = "no_workers"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class MasterRow:
    """One master as `gtdiag ps` shows it. None: could not be observed.

    `workers` are those that live now, `workers_wanted` is the setting; `workers_over_timeout` those whose heartbeat is
    older than the time-out, `workers_without_heartbeat` those that have never beaten.
    """

    pid: int
    started_at: datetime | None
    version: str | None
    worker_class: str | None
    workers: int | None
    workers_wanted: int | None
    workers_over_timeout: int | None
    workers_without_heartbeat: int | None
    timeout_s: float | None
    python: str | None
    application: str | None
    health: Health
    command_line: str
    settings_source: str | None = None


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
        text.table(
            ("PID", "VERSION", "WORKER CLASS", "WORKERS", "TIMEOUT", "HEALTH", "APPLICATION"),
            [(_STYLES.get(row.health, ""), cells) for row, cells in zip(masters, rows, strict=True)],
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


_STYLES = {Health.HANGING: "bold red", Health.STALE: "bold red", Health.STARTING: "yellow"}


def _cells(row: MasterRow) -> tuple[str, ...]:
    workers = "?" if row.workers is None else str(row.workers)
    if row.workers_wanted is not None and row.workers_wanted != row.workers:
        workers += f" of {row.workers_wanted}"
    health = row.health.value.replace("_", " ")
    if row.health in (Health.HANGING, Health.STALE) and row.workers_over_timeout:
        health += f" ({row.workers_over_timeout})"
    return (
        str(row.pid),
        row.version or "?",
        (row.worker_class or "?").rpartition(".")[2],
        workers,
        "?" if row.timeout_s is None else f"{row.timeout_s:g} s",
        health,
        row.application or row.command_line,
    )
