"""Writes figures to a file for node_exporter's textfile collector: whole or not at all, again every few seconds."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from gtdiag.errors import UsageError
from gtdiag.exporters.prometheus_text import render_prometheus
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily

WRITE_EVERY_S = 5.0
"""Scrapes are 15 s apart or more; a file that is older than a few seconds tells that gtdiag has stopped."""


class PrometheusFile:
    """A file that is replaced by a rename, readable to others, as node_exporter runs as a user of its own.

    Raises UsageError where it cannot be written at all. Later failures count, and are tried again.
    """

    name = "metrics_file"

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._families: tuple[MetricFamily, ...] = ()
        self._next_s = 0.0
        self._failed = 0
        self._problem: str | None = None
        if self._path.is_dir():
            raise UsageError(f"cannot write metrics to {path}: it is a folder", hint=f"give a file: {path}/gtdiag.prom")
        try:
            self._write("")
        except OSError as error:
            raise UsageError(
                f"cannot write metrics to {path}: {error.strerror}", hint="give a file in a folder you may write to"
            ) from error

    def publish(self, families: tuple[MetricFamily, ...]) -> None:
        """Write them, unless that was done a moment ago."""
        self._families = families
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + WRITE_EVERY_S
            self._try_to_write()

    def tell(self, notice: IncidentNotice) -> None:
        """Nothing: an incident counts in the figures."""

    def dropped(self) -> int:
        """How often the file could not be written."""
        return self._failed

    def problem(self) -> str | None:
        """Why the file could not be written the last time it failed."""
        return self._problem

    def close(self) -> None:
        """Leave the last figures behind."""
        self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write(render_prometheus(self._families))
        except OSError as error:
            self._failed += 1
            self._problem = f"{self._path} cannot be written: {error.strerror}"

    def _write(self, text: str) -> None:
        # A name of its own that does not end in .prom: node_exporter must not read half a file.
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 (the descriptor is open)
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            Path(temporary).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
