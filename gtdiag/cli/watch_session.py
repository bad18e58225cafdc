"""One watch, from the plan to the exit code: events to the recording, the analysis and the view; then the report."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Protocol

from gtdiag.analysis import Analysis, IncidentNews
from gtdiag.analysis.quiet import is_quiet, is_routine
from gtdiag.cli.event_log import PlainLines
from gtdiag.cli.observation import Observation, conclude
from gtdiag.cli.output_file import check_file
from gtdiag.cli.report_options import ReportOptions
from gtdiag.cli.see_again import say_how_to_see_again
from gtdiag.cli.terminal import can_show_screens
from gtdiag.cli.watch_exports import ExportPlan, WatchExports, open_exports
from gtdiag.cli.watch_views import JsonLines, WatchView
from gtdiag.collectors.live import LiveCollector
from gtdiag.errors import ExitCode, GtdiagError, RecordingError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted
from gtdiag.model.report import Report
from gtdiag.recording.writer import RecordingWriter
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings
from gtdiag.rules.rule_set import RuleSet

REPORT_EVERY_S = 0.5
"""The view and --until-incident look at the analysis twice a second at most."""

QUIET_REPORT_EVERY_S = 30.0
"""While all is well and no screen shows it: nothing but another sample is no reason to draw conclusions again. Whatever
else happens is one, at once."""

QUIET_EXPORT_EVERY_S = 5.0
"""And for those who collect figures."""

FIRST_REPORT_EVERY_S = 0.02
BEGINNING_S = 1.0
"""Until the first heartbeat is known, or this is over: whoever has just started the watch waits for that."""

PAUSE_PER_REPORT = 25
"""And a report that takes long (many workers, many time-outs) takes a twenty-fifth of the time at most: what a watch
costs stays bounded however long it lasts, and most of it is for looking."""


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """What the options of `gtdiag watch` say, but for those of the report."""

    master_pid: int
    log: str
    for_s: float | None
    until_incident: int | None
    interval_s: float
    record: str | None
    live: bool
    json_events: bool
    rules: RuleSet | None = None
    keep_stacks: bool = False
    """Whether the format of the report asks for every stack that is seen."""
    health: str | None = None
    exports: ExportPlan | None = None


def run_watch(plan: WatchPlan, options: ReportOptions) -> ExitCode:
    """Watch to the end, deliver the report, and return the exit code.

    An error on the way (a full disk under the recording) ends the watch; the report of what was seen until then is
    delivered first, then the error is raised.
    """
    if options.output is not None:
        check_file(options.output)
    collector = LiveCollector(
        plan.master_pid,
        log=plan.log,
        interval_s=plan.interval_s,
        for_s=plan.for_s,
        redact=options.redact,
        health_url=plan.health,
        sparing=not (plan.live and can_show_screens(sys.stdout)),
    )
    exports = open_exports(plan.exports or ExportPlan())
    recorder = open_recording(plan.record, redact=options.redact) if plan.record is not None else None
    try:
        with closing(exports):
            observation = _observe(plan, options, collector, recorder, exports)
    except KeyboardInterrupt:
        _finish(recorder)
        _say_how_to_see_again(plan, options)
        raise
    except BaseException:
        _finish(recorder)
        raise
    not_finished = _finish(recorder)
    try:
        return conclude(replace(observation, error=observation.error or not_finished), options)
    finally:
        _say_how_to_see_again(plan, options)


def _finish(recorder: RecordingFile | None) -> RecordingError | None:
    """Finish the recording; a disk that is full only now is no reason to keep the report back."""
    try:
        if recorder is not None:
            recorder.close()
    except RecordingError as error:
        return error
    return None


def _say_how_to_see_again(plan: WatchPlan, options: ReportOptions) -> None:
    if plan.record is None or (plan.json_events and options.output in (None, "-")):
        return  # standard error holds the events then, and a program reads it
    say_how_to_see_again(plan.record, sys.stderr, rules=options.rules, redact=options.redact)


class RecordingFile(Protocol):
    """Where a watch records to."""

    def write(self, event: Event) -> None:
        """Append one event."""

    def close(self) -> None:
        """Finish the recording."""


class RedactedRecording:
    """A recording that gets no secrets: what a log line says is redacted before it is written."""

    def __init__(self, recording: RecordingFile) -> None:
        self._recording = recording

    def write(self, event: Event) -> None:
        """Append one event; samples hold nothing but names, numbers and addresses, or were redacted when read."""
        if event.origin.source == "log":
            event = map_strings(event, lambda _place, text: redact_text(text))
        self._recording.write(event)

    def close(self) -> None:
        """Finish the recording."""
        self._recording.close()


def open_recording(path: str, *, redact: bool) -> RecordingFile:
    """Begin a recording; with `redact` no secrets of the log go into it. Raises RecordingError."""
    recording = RecordingWriter(path, _describe_host())
    return RedactedRecording(recording) if redact else recording


def _observe(
    plan: WatchPlan,
    options: ReportOptions,
    collector: LiveCollector,
    recorder: RecordingFile | None,
    exports: WatchExports,
) -> Observation:
    view = _choose_view(plan, options)
    session = WatchSession(plan, collector, view, recorder, exports)
    with _ends_on_signals(session.stop_by_user):
        try:
            view.open(session.stop_by_user)
            return session.run()
        finally:
            view.close()


def _choose_view(plan: WatchPlan, options: ReportOptions) -> WatchView:
    if plan.json_events:
        # Standard output holds one kind of thing: the report, or with -o the events.
        stream = sys.stdout if options.output not in (None, "-") else sys.stderr
        return JsonLines(stream, redact=options.redact)
    if plan.live and can_show_screens(sys.stdout):
        from gtdiag.cli.live_window import LiveWindow

        return LiveWindow(sys.stdout, redact=options.redact, stdin_is_log=plan.log == "-", rules=plan.rules)
    return PlainLines(sys.stderr, redact=options.redact)


class EventSource(Protocol):
    """Where the events of a watch come from."""

    def events(self) -> Iterator[Event]:
        """Yield events as they happen, ObservationEnded last."""

    def stop(self, reason: str) -> None:
        """End soon; called from a signal handler too."""


class WatchSession:
    """Hands each event to the recording, the analysis and the view, until the events end."""

    def __init__(
        self,
        plan: WatchPlan,
        collector: EventSource,
        view: WatchView,
        recorder: RecordingFile | None,
        exports: WatchExports | None = None,
    ) -> None:
        self._plan = plan
        self._collector = collector
        self._view = view
        self._recorder = recorder
        self._exports = exports or WatchExports(())
        self._error: GtdiagError | None = None
        self._analysis = Analysis(plan.rules, keep_stacks=plan.keep_stacks)
        self._news = IncidentNews()
        self._stopping = False
        self._next_report_s = 0.0
        self._next_quiet_report_s = 0.0
        self._began_s = time.monotonic()

    def run(self) -> Observation:
        """Follow the events to their end."""
        collected = False
        try:
            for event in self._collector.events():
                self._take(event)
                collected = collected or not isinstance(event, (ObservationStarted, CollectionGap))
        except GtdiagError as collector_error:
            if not collected:
                raise
            self._error = collector_error
        report = self._analysis.report()
        self._tell_news(report, final=True)
        return Observation(report, self._error, self._analysis.stacks())

    def stop_by_user(self) -> None:
        """End the watch with the report; called by the signal handler, so it only sets flags."""
        self._view.say_stopping()
        self._stop("interrupted")

    def _stop(self, reason: str) -> None:
        if not self._stopping:
            self._stopping = True
            self._collector.stop(reason)

    def _take(self, event: Event) -> None:
        if isinstance(event, ObservationEnded):
            self._take_last(event)
            return
        self._record(event)
        self._analysis.add(event)
        self._exports.add(event)
        with self._heeding_readers():
            self._view.show_event(event)
        now_s = time.monotonic()
        if now_s < (self._next_quiet_report_s if is_routine(event) else self._next_report_s):
            return
        report = self._analysis.report()
        with self._heeding_readers():
            self._view.show_report(report)
        self._tell_news(report)
        self._take_gaps(event)
        wanted = self._plan.until_incident
        if wanted is not None and len(report.incidents) >= wanted:
            self._stop("until_incident")
        took_s = time.monotonic() - now_s
        looked = any(worker.heartbeat_age_s is not None for worker in report.workers)
        beginning = not looked and now_s - self._began_s < BEGINNING_S
        shortest_s = FIRST_REPORT_EVERY_S if beginning else REPORT_EVERY_S
        pause_s = max(shortest_s, PAUSE_PER_REPORT * took_s)
        self._next_report_s = self._next_quiet_report_s = now_s + pause_s
        if not beginning and not self._view.continuous and is_quiet(report) and not self._news.waiting:
            quiet_s = QUIET_EXPORT_EVERY_S if self._exports.any else QUIET_REPORT_EVERY_S
            self._next_quiet_report_s = now_s + max(pause_s, quiet_s)

    def _take_last(self, event: ObservationEnded) -> None:
        """The last event: what it brings to light is told before it, so that it is the last line, too."""
        self._analysis.add(event)
        self._exports.add(event)
        self._tell_news(self._analysis.report(), final=True)
        self._exports.close()
        self._take_gaps(event)
        self._record(event)
        with self._heeding_readers():
            self._view.show_event(event)

    def _take_gaps(self, event: Event) -> None:
        for gap in self._exports.gaps(event):
            self._record(gap)
            self._analysis.add(gap)
            self._exports.add(gap)
            with self._heeding_readers():
                self._view.show_event(gap)

    def _record(self, event: Event) -> None:
        if self._recorder is None or self._error is not None:
            return
        try:
            self._recorder.write(event)
        except RecordingError as error:
            self._error = error
            self._stop("end")

    def _tell_news(self, report: Report, *, final: bool = False) -> None:
        news = self._news.read(report, final=final)
        with self._heeding_readers():
            for notice in news:
                self._view.show_incident(notice)
        self._exports.read(report, news)

    @contextmanager
    def _heeding_readers(self) -> Iterator[None]:
        """When nobody reads the events any more (`--json-events -o FILE | head`), the watch ends with its report."""
        try:
            yield
        except BrokenPipeError:
            self._stop("interrupted")


@contextmanager
def _ends_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP call `stop`, and the second one quit at once (KeyboardInterrupt).

    A terminal that goes away may send SIGHUP more than once (the kernel, then the shell): that is no second wish.
    """
    stopping = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping and number != signal.SIGHUP:
            raise KeyboardInterrupt
        stopping = True
        stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: to go on without the terminal
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _describe_host() -> dict[str, str]:
    """What a reader of the recording may want to know of the machine it was made on."""
    host = os.uname()
    return {"system": host.sysname, "release": host.release, "machine": host.machine}
