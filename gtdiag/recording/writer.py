"""Writes events to a recording: JSON lines, schema version and host facts first, each line flushed as it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

from gtdiag import __version__
from gtdiag.errors import RecordingError
from gtdiag.model.events import Event
from gtdiag.recording.codec import encode_event

RECORDING_SCHEMA = "gtdiag.recording/1"


class RecordingWriter:
    """A recording being written: private to its owner (mode 0600), at most the last line lost when gtdiag is killed.

    Raises `RecordingError` when the file cannot be made or written (a full disk); what was written until then stays.
    """

    def __init__(self, path: str, host: Mapping[str, str]) -> None:
        self._path = path
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file: TextIO = open(descriptor, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (closed by close())
        except OSError as error:
            raise RecordingError(
                f"cannot write the recording {path}: {error.strerror}", hint="give another --record FILE"
            ) from error
        self._write({"schema": RECORDING_SCHEMA, "gtdiag_version": __version__, "host": dict(host)})

    def write(self, event: Event) -> None:
        """Append one event."""
        self._write(encode_event(event))

    def close(self) -> None:
        """Finish the recording."""
        self._file.close()

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, value: Mapping[str, object]) -> None:
        try:
            self._file.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError as error:
            raise RecordingError(
                f"cannot go on writing the recording {Path(self._path).name}: {error.strerror}",
                hint="free some space or record to another disk; what was recorded until now is kept",
            ) from error
