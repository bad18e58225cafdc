"""Reads a recording back into the events it was made of."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gtdiag.errors import RecordingError
from gtdiag.model.events import Event
from gtdiag.recording.codec import parse_event
from gtdiag.recording.writer import RECORDING_SCHEMA

_SCHEMA_FAMILY = RECORDING_SCHEMA.split("/")[0]
_HEADER_LIMIT_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def _open_lines(path: str) -> gzip.GzipFile | BinaryIO:
    with Path(path).open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.GzipFile(path) if compressed else Path(path).open("rb")


def is_recording(path: str) -> bool:
    """Whether the file starts with a recording's header. False for what cannot be read: the log reader says why."""
    try:
        with _open_lines(path) as file:
            header = json.loads(file.readline(_HEADER_LIMIT_BYTES))
    except (OSError, ValueError, EOFError):
        return False
    schema = header.get("schema") if isinstance(header, dict) else None
    return isinstance(schema, str) and schema.startswith(_SCHEMA_FAMILY + "/")


def read_recording(path: str) -> Iterator[Event]:
    """The events of a recording, in order. A last line cut short (a killed gtdiag, a full disk) is passed over.

    Raises `RecordingError` for a newer schema or a line in the middle that is damaged.
    """
    try:
        with _open_lines(path) as file:
            header = json.loads(file.readline(_HEADER_LIMIT_BYTES))
            if header["schema"] != RECORDING_SCHEMA:
                raise RecordingError(
                    f"{path} was recorded with {header['schema']}, this gtdiag reads {RECORDING_SCHEMA}",
                    hint="upgrade gtdiag: pip install --upgrade gtdiag",
                )
            pending: bytes | None = None
            for number, line in enumerate(file, start=2):
                if pending is not None:
                    yield _parse_line(pending, path, number - 1)
                pending = line
            if pending is not None and pending.endswith(b"\n"):
                yield _parse_line(pending, path, 0)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror or error}", hint="") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not a recording of gtdiag's: {error}", hint="") from error


def _parse_line(line: bytes, path: str, number: int) -> Event:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RecordingError(f"{path}, line {number}: damaged ({error})", hint="") from error
    return parse_event(value)
