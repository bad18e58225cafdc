"""Reads a recording back into the events it was made of."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from gtdiag.errors import RecordingError
from gtdiag.model.events import Event
from gtdiag.recording.codec import parse_event
from gtdiag.recording.writer import RECORDING_SCHEMA

_SCHEMA_FAMILY = RECORDING_SCHEMA.split("/")[0]
HEAD_BYTES = 64 * 1024
"""The header is in these first bytes of a recording."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
"""zlib's number for "a gzip header, and the largest window"."""


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
    """Whether these first bytes, compressed with gzip or not, are a recording's."""
    try:
        if head.startswith(_GZIP_MAGIC):
            head = zlib.decompressobj(_GZIP_WINDOW).decompress(head, HEAD_BYTES)
        header = json.loads(head.partition(b"\n")[0])
    except (ValueError, zlib.error):
        return False
    schema = header.get("schema") if isinstance(header, dict) else None
    return isinstance(schema, str) and schema.startswith(_SCHEMA_FAMILY + "/")


def read_recording(path: str, source: IO[bytes] | None = None) -> Iterator[Event]:
    """The events of a recording, in order. A last line cut short (a killed gtdiag, a full disk) is passed over.

    `source`: its bytes from the first on, where it is no file to be opened; `path` is then what messages call it.
    Raises `RecordingError` for a newer schema or a line in the middle that is damaged.
    """
    try:
        with _open_lines(path, source) as file:
            header = json.loads(file.readline(HEAD_BYTES))
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
    except (EOFError, zlib.error) as error:
        raise RecordingError(f"{path} is damaged or cut short: {error}", hint="what came before is reported") from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror or error}", hint="") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not a recording of gtdiag's: {error}", hint="") from error


def _open_lines(path: str, source: IO[bytes] | None) -> IO[bytes]:
    opened: Any = Path(path).open("rb") if source is None else source  # noqa: SIM115  (the caller closes it)
    raw = io.BufferedReader(opened)
    compressed = raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if compressed else raw)


def _parse_line(line: bytes, path: str, number: int) -> Event:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RecordingError(f"{path}, line {number}: damaged ({error})", hint="") from error
    return parse_event(value)
