"""A source's events and incidents to two tables, as Parquet in memory; docs/fleet.md describes their columns."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gtdiag.fleet.work import SourceFiles, SourceTables
from gtdiag.model.events import Event
from gtdiag.model.report import Incident, Report
from gtdiag.recording.codec import encode_event
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.redaction import redact_report, redact_text
from gtdiag.renderers.report_strings import map_strings

ROWS_AT_ONCE = 20_000
"""Rows that are held as Python values before they are compressed: some tens of megabytes."""

_TIME = pa.timestamp("us", tz="UTC")

EVENT_COLUMNS = pa.schema(
    [
        ("source", pa.string()),
        ("host", pa.string()),
        ("deployment", pa.string()),
        ("replica", pa.string()),
        ("seq", pa.int64()),
        ("at", _TIME),
        ("resolution_s", pa.float64()),
        ("event", pa.string()),
        ("master_pid", pa.int64()),
        ("pid", pa.int64()),
        ("collector", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("detail", pa.string()),
    ]
)
"""`detail`: what is left of the event, as JSON."""

INCIDENT_COLUMNS = pa.schema(
    [
        ("source", pa.string()),
        ("host", pa.string()),
        ("deployment", pa.string()),
        ("replica", pa.string()),
        ("id", pa.string()),
        ("kind", pa.string()),
        ("at", _TIME),
        ("resolved_at", _TIME),
        ("master_pid", pa.int64()),
        ("pid", pa.int64()),
        ("phase", pa.string()),
        ("killed_by", pa.string()),
        ("summary", pa.string()),
        ("category", pa.string()),
        ("call", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("path", pa.list_(pa.string())),
        ("library", pa.string()),
        ("library_call", pa.string()),
        ("waiting_kind", pa.string()),
        ("peer", pa.string()),
        ("peer_condition", pa.string()),
        ("seconds", pa.float64()),
        ("confidence", pa.string()),
        ("how", pa.string()),
        ("request_method", pa.string()),
        ("request_path", pa.string()),
        ("rss_bytes", pa.int64()),
        ("evidence", pa.list_(pa.string())),
    ]
)

_IN_COLUMNS = frozenset({"event", "origin", "at", "resolution_s", "seq", "worker", "master_pid"})


class TableWriter:
    """Takes the events of one source as they come, and its report at the end."""

    def __init__(self, source: SourceFiles, *, redact: bool) -> None:
        """`redact`: mask secrets, as every other format does."""
        self._source = source
        self._redact = redact
        self._events = _Table(EVENT_COLUMNS)

    def add(self, event: Event) -> None:
        """Take the next event."""
        clean = map_strings(event, self._clean)
        detail = {name: value for name, value in encode_event(clean).items() if name not in _IN_COLUMNS}
        origin, worker = clean.origin, clean.worker
        self._events.add(
            (
                *self._names(origin.stream),
                event.seq,
                event.at,
                event.resolution_s,
                type(event).__name__,
                event.master_pid,
                worker.pid if worker is not None else None,
                origin.source,
                origin.file,
                origin.line,
                json.dumps(detail, separators=(",", ":"), sort_keys=True),
            )
        )

    def finish(self, report: Report) -> SourceTables:
        """The tables of everything taken, with the incidents of the report."""
        shown = redact_report(report) if self._redact else report
        incidents = _Table(INCIDENT_COLUMNS)
        for incident in map_strings(shown.incidents, lambda _place, text: _without_surrogates(text)):
            incidents.add((*self._names(incident.replica or ""), *_incident_row(incident)))
        return SourceTables(self._source.key, self._events.finish(), incidents.finish())

    def _names(self, replica: str) -> tuple[str | None, ...]:
        source = self._source
        return tuple(
            None if name is None else self._clean("", name)
            for name in (source.key, source.host, source.deployment, replica or None)
        )

    def _clean(self, _place: str, text: str) -> str:
        return _without_surrogates(redact_text(text) if self._redact else text)


def _incident_row(incident: Incident) -> tuple[Any, ...]:
    blocked, request, memory = incident.blocked, incident.request, incident.memory
    waiting = blocked.waiting_on if blocked is not None else None
    return (
        incident.id,
        incident.kind.value,
        incident.at,
        incident.resolved_at,
        incident.master_pid,
        incident.pid,
        incident.phase.value if incident.phase is not None else None,
        incident.killed_by.value,
        incident.summary,
        *(
            (
                blocked.category.value,
                blocked.call,
                blocked.file,
                blocked.line,
                list(blocked.path),
                blocked.library,
                blocked.library_call,
            )
            if blocked is not None
            else (None,) * 7
        ),
        *((waiting.kind, waiting.peer, waiting.condition) if waiting is not None else (None,) * 3),
        *((blocked.seconds, blocked.confidence.value, blocked.how.value) if blocked is not None else (None,) * 3),
        *((request.method, request.path) if request is not None else (None,) * 2),
        memory.rss_bytes if memory is not None else None,
        list(incident.evidence),
    )


class _Table:
    """Rows to one Parquet file in memory, a row group at a time."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[tuple[Any, ...]] = []
        self._file = io.BytesIO()
        self._writer = open_table(self._file, schema)

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._file.getvalue()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [
            pa.array(column, type=field.type)
            for column, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []


def open_table(where: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet file to be written; zstd, which DuckDB, Spark and ClickHouse all read."""
    return pq.ParquetWriter(where, schema, compression="zstd")


def join_tables(parts: Sequence[bytes], schema: pa.Schema, where: Any) -> int:
    """Write the tables one after the other into one file, the rows of small ones together; returns how many."""
    rows = 0
    with open_table(where, schema) as writer:
        waiting: list[pa.Table] = []
        for part in parts:
            with pq.ParquetFile(io.BytesIO(part)) as file:
                for group in range(file.num_row_groups):
                    waiting.append(file.read_row_group(group))
                    rows += waiting[-1].num_rows
                    if sum(table.num_rows for table in waiting) >= ROWS_AT_ONCE:
                        writer.write_table(pa.concat_tables(waiting).combine_chunks())
                        waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
    return rows


def _without_surrogates(text: str) -> str:
    """Parquet's strings are UTF-8, which cannot hold a lone surrogate; those are written as visible escapes."""
    if text.isascii():
        return text
    return "".join(escape_text(c) if "\ud800" <= c <= "\udfff" else c for c in text)
