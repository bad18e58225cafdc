"""Reads a recording back into the events it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from gtdiag.errors import RecordingError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded
from gtdiag.model.identity import Origin
from gtdiag.recording.codec import parse_event
from gtdiag.recording.compression import DamagedError, iterate_lines, open_plain, read_head
from gtdiag.recording.migrations import RECORDING_SCHEMA, SCHEMA_VERSION, migrate, parse_schema

HEAD_BYTES = 64 * 1024
"""The header is in these first bytes of a recording."""


def is_recording(path: str) -> bool:
    """Whether the file starts with a recording's header. False for what cannot be read: the log reader says why."""
    file_path = Path(path)
    try:
        if not file_path.is_file():
            return False  # what is read from a pipe is gone for the next reader
        with file_path.open("rb") as file:
            return is_head_of_recording(file.read(HEAD_BYTES))
    except OSError:
        return False


def is_head_of_recording(head: bytes) -> bool:
    """Whether these first bytes, compressed or not, are a recording's."""
    try:
        header = json.loads(read_head(head, HEAD_BYTES).partition(b"\n")[0])
    except ValueError:
        return False
    return isinstance(header, dict) and parse_schema(header.get("schema")) is not None


def read_recording(path: str, source: IO[bytes] | None = None) -> Iterator[Event]:
    """The events of a recording, in order.

    Where its end is missing (gtdiag was killed, the disk was full), the last event is a `CollectionGap` that says so.
    `source`: its bytes from the first on, where it is no file to be opened; `path` is then what messages call it.
    Raises `RecordingError` for a newer schema or a line in the middle that is damaged, after what came before it.
    """
    try:
        raw: Any = Path(path).open("rb") if source is None else source  # noqa: SIM115  (the caller closes it)
        with raw, open_plain(raw, path) as plain:
            lines = iterate_lines(plain)
            yield from _read_events(lines, _parse_header(next(lines, b""), path)[0], path)
    except DamagedError as error:
        raise RecordingError(f"{path} is damaged: {error}", hint="what came before is reported") from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror or error}", hint="") from error


def read_host(path: str) -> dict[str, str]:
    """What a recording says of the machine it was made on; the rest of the header is for `read_recording`."""
    try:
        with Path(path).open("rb") as raw, open_plain(raw, path) as plain:
            host = _parse_header(next(iterate_lines(plain), b""), path)[1].get("host")
    except DamagedError as error:
        raise RecordingError(f"{path} is damaged: {error}", hint="") from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror or error}", hint="") from error
    return {str(name): str(value) for name, value in host.items()} if isinstance(host, dict) else {}


def _parse_header(line: bytes, path: str) -> tuple[int, dict[str, Any]]:
    try:
        header = json.loads(line)
        version = parse_schema(header["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not a recording of gtdiag's: {error}", hint="") from error
    if version is None or version == 0:
        raise RecordingError(f"{path} is not a recording of gtdiag's", hint="")
    if version > SCHEMA_VERSION:
        raise RecordingError(
            f"{path} was recorded with {header['schema']}, this gtdiag reads {RECORDING_SCHEMA}",
            hint="upgrade gtdiag: pip install --upgrade gtdiag",
        )
    return version, header


def _read_events(lines: Iterator[bytes], version: int, path: str) -> Iterator[Event]:
    last: Event | None = None
    cut = ""
    for number, line in enumerate(lines, start=2):
        if not line.endswith(b"\n"):
            cut = " in the middle of a line"
            break
        event = _parse_line(line, version, path, number)
        if event is not None:
            last = event
            yield event
    if cut or not isinstance(last, ObservationEnded):
        yield _missing_end(last, cut)


def _missing_end(last: Event | None, cut: str) -> CollectionGap:
    return CollectionGap(
        origin=Origin("recording"),
        at=last.at if last is not None else None,
        seq=last.seq + 1 if last is not None else 0,
        what="recording",
        why=f"the recording breaks off{cut}: gtdiag was killed, or the disk was full, before the watch ended",
        hint="what was recorded until then is reported",
    )


def _parse_line(line: bytes, version: int, path: str, number: int) -> Event | None:
    try:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise RecordingError(
            f"{path}, line {number}: damaged ({error})", hint="what came before is reported"
        ) from error
    migrated = migrate(cast("dict[str, Any]", value), version)
    return None if migrated is None else parse_event(migrated)
