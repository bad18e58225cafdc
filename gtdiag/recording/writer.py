"""Writes events to a recording: JSON lines, schema version and host facts first, each line given away at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from gtdiag import __version__
from gtdiag.errors import RecordingError
from gtdiag.model.events import Event
from gtdiag.recording.codec import encode_event
from gtdiag.recording.compression import compressor_for
from gtdiag.recording.migrations import RECORDING_SCHEMA
from gtdiag.recording.private_file import open_private


class RecordingWriter:
    """A recording being written: private to its owner (mode 0600), at most the last line lost when gtdiag is killed.

    A path that ends in .gz or .zst is compressed as it is written, and flushed after each event all the same.
    Raises `RecordingError` when the file cannot be made or written (a full disk); what was written until then stays.
    """

    def __init__(self, path: str, host: Mapping[str, str], *, redacted: bool = False) -> None:
        self._path = path
        self._compressor = compressor_for(path)
        self._failed = False
        try:
            self._descriptor = open_private(path)
        except OSError as error:
            raise RecordingError(
                f"cannot write the recording {path}: {error.strerror}", hint="give another --record FILE"
            ) from error
        header: dict[str, object] = {"schema": RECORDING_SCHEMA, "gtdiag_version": __version__, "host": dict(host)}
        if redacted:
            header["redacted"] = True
        try:
            self._write(header)
        except RecordingError:
            self.close()
            raise

    def write(self, event: Event) -> None:
        """Append one event."""
        self._write(encode_event(event))

    def close(self) -> None:
        """Finish the recording."""
        if self._descriptor < 0:
            return
        try:
            if not self._failed:  # the end of a compressed stream fits nothing but a whole one
                self._append(self._compressor.finish())
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, value: Mapping[str, object]) -> None:
        line = json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"
        self._append(self._compressor.compress(line.encode("ascii")))

    def _append(self, data: bytes) -> None:
        """Give it all to the kernel: from then on it outlives this process."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._failed = True
            raise RecordingError(
                f"cannot go on writing the recording {Path(self._path).name}: {error.strerror}",
                hint="free some space or record to another disk; what was recorded until now is kept",
            ) from error
