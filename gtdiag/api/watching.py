"""A running master, watched by a thread of this process, to a report at any time and at the end."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from gtdiag.api.reports import Path, read_rules_of, report_of
from gtdiag.errors import GtdiagError
from gtdiag.model.report import Report

if TYPE_CHECKING:
    from gtdiag.cli.watch_session import RecordingFile
    from gtdiag.model.events import Event

_FIRST_EVENTS_S = 5.0
"""How long `Watch` waits at most, when it is made, until the workers that are there have been seen."""

DEFAULT_INTERVAL_S = 1.0


class Watch:
    """A watch in the background; as `gtdiag watch` does, without a word on the terminal.

        with gtdiag.Watch(pid) as watching:
            ...                       # what is to be observed
        watching.report().incidents

    It begins when it is created. Raises GtdiagError then where the process cannot be watched.
    """

    def __init__(
        self,
        pid: int | None = None,
        *,
        log: Path = "auto",
        interval_s: float = DEFAULT_INTERVAL_S,
        for_s: float | None = None,
        record: Path | None = None,
        rules: Path | None = None,
        redact: bool = True,
    ) -> None:
        """`pid`: the master's or a worker's; None: the only master of this host. `log`: a file, "auto" or "none".

        `interval_s`: between two looks, 0.1 to 60. `for_s`: end after so many seconds. `record`: a file for
        `gtdiag.analyze`. `rules`, `redact`: as for `gtdiag.analyze`.
        """
        from gtdiag.analysis import Analysis
        from gtdiag.cli.choose_master import choose_master
        from gtdiag.cli.watch_session import open_recording
        from gtdiag.collectors.live import LiveCollector

        if not 0.1 <= interval_s <= 60:
            raise ValueError(f"interval_s is {interval_s}: choose 0.1 to 60 seconds")
        own_rules = read_rules_of(rules)
        self._redact = redact
        self._lock = threading.Lock()
        self._error: GtdiagError | None = None
        self._bug: BaseException | None = None
        self._begun = threading.Event()
        self._analysis = Analysis(own_rules)
        self._collector = LiveCollector(
            choose_master(pid, None), log=os.fspath(log), interval_s=interval_s, for_s=for_s, redact=redact
        )
        self._recording = None if record is None else open_recording(os.fspath(record), redact=redact)
        # A daemon: a program that forgets to stop its watch ends all the same.
        self._thread = threading.Thread(target=self._run, name="gtdiag watch", daemon=True)
        self._thread.start()
        self._begun.wait(_FIRST_EVENTS_S)

    @property
    def master_pid(self) -> int:
        """The pid of the master that is watched."""
        return self._collector.master_pid

    @property
    def running(self) -> bool:
        """Whether it still watches: not after `stop`, after `for_s`, or when the master is gone."""
        return self._thread.is_alive()

    def report(self) -> Report:
        """Return what can be concluded until now. Raises IncompleteError where an error ended the watch early."""
        from gtdiag.cli.observation import Observation

        with self._lock:
            report = self._analysis.report()
        if self._bug is not None:
            raise self._bug
        return report_of(Observation(report, self._error), redact=self._redact)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the watch has ended by itself, at most so long; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> Report:
        """End the watch, wait for the looks that are under way, and return the report."""
        self._collector.stop("interrupted")
        self._thread.join()
        return self.report()

    def __enter__(self) -> Watch:
        """Return itself."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End the watch; what went wrong in it is raised by `report`."""
        self._collector.stop("interrupted")
        self._thread.join()

    def _run(self) -> None:
        try:
            for event in self._collector.events():
                self._take(event)
        except GtdiagError as error:
            self._error = self._error or error
        except BaseException as bug:
            self._bug = bug
        finally:
            self._begun.set()
            try:
                if self._recording is not None:
                    self._recording.close()
            except GtdiagError as error:
                self._error = self._error or error

    def _take(self, event: Event) -> None:
        from gtdiag.model.events import HeartbeatSample

        with self._lock:
            self._analysis.add(event)
        if isinstance(event, HeartbeatSample):
            self._begun.set()
        if self._recording is not None and self._error is None:
            self._record(self._recording, event)

    def _record(self, recording: RecordingFile, event: Event) -> None:
        try:
            recording.write(event)
        except GtdiagError as error:  # a full disk: it ends the watch, what was seen until now counts
            self._error = error
            self._collector.stop("end")


def watch(
    pid: int | None = None,
    *,
    for_s: float,
    log: Path = "auto",
    interval_s: float = DEFAULT_INTERVAL_S,
    record: Path | None = None,
    rules: Path | None = None,
    redact: bool = True,
) -> Report:
    """Watch a master for `for_s` seconds, or until it is gone, and return the report; arguments as for `Watch`."""
    watching = Watch(pid, log=log, interval_s=interval_s, for_s=for_s, record=record, rules=rules, redact=redact)
    with watching:
        watching.wait()
    return watching.report()
