"""A recording, read three times, to its redacted copy: whose code is whose, which values there are, then the copy."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.errors import GtdiagError, RecordingError, UsageError
from gtdiag.model import events
from gtdiag.model.events import Event
from gtdiag.model.stacks import Frame
from gtdiag.recording.reader import is_recording, read_host, read_recording
from gtdiag.recording.stripping.stripper import Stripper
from gtdiag.recording.window import cut_to_window
from gtdiag.recording.writer import RecordingWriter
from gtdiag.renderers.escaping import escape_text
from gtdiag.shell_words import quote_command

_KEPT_OF_HOST = ("system", "release", "machine")
_VERSION_OR_WORD = re.compile(r"^(?:\d+(?:\.\d+)*|[A-Za-z]\w*)")


@dataclass(slots=True)
class _Extent:
    """What a first reading tells."""

    count: int = 0
    start: datetime | None = None
    end: datetime | None = None
    error: GtdiagError | None = None


def write_redacted_copy(
    recording: str,
    output: str,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    *,
    hide_names: bool,
) -> None:
    """Write it, whole or not at all. Where the recording is damaged, its sound part is written and the error raised.

    Raises RecordingError and UsageError.
    """
    _check(recording, output)
    ownership = CodeOwnership()
    extent = _learn(recording, ownership)
    first, last = _absolute(since, extent.end), _absolute(until, extent.end)
    _check_window(first, last, extent, recording)
    stripper = Stripper(ownership, hide_names=hide_names)
    for event in _sound_events(recording):
        stripper.strip(event)
    count = _write(recording, output, stripper, first, last)
    _say(recording, output, stripper, count, extent, hide_names=hide_names)
    if extent.error is not None:
        raise extent.error


def _check(recording: str, output: str) -> None:
    path = Path(recording)
    if path.is_dir() or not path.exists():
        raise RecordingError(f"no such file: {recording}", hint="gtdiag watch --record FILE makes a recording")
    if not is_recording(recording):
        with path.open("rb") as file:  # says so where it may not be read
            file.read(1)
        raise RecordingError(
            f"{recording} is not a recording of gtdiag's, or compressed with something that is not installed",
            hint="gtdiag watch --record FILE makes one; a log is not redacted",
        )
    if Path(output).exists() and Path(output).samefile(recording):
        raise UsageError("the copy would replace the recording itself", hint="give another file with -o")


def _sound_events(recording: str, extent: _Extent | None = None) -> Iterator[Event]:
    """The events up to where the recording is damaged, if it is; that it breaks off is said again by who reads it."""
    try:
        for event in read_recording(recording):
            if not (isinstance(event, events.CollectionGap) and event.origin.source == "recording"):
                yield event
    except RecordingError as error:
        if extent is None:
            return
        extent.error = error


def _learn(recording: str, ownership: CodeOwnership) -> _Extent:
    extent = _Extent()
    for event in _sound_events(recording, extent):
        extent.count += 1
        if event.at is not None:
            extent.start = event.at if extent.start is None else min(extent.start, event.at)
            extent.end = event.at if extent.end is None else max(extent.end, event.at)
        if isinstance(event, events.MasterSettings):
            ownership.set_application(event.application, event.working_directory)
        ownership.own_frames(_frames_of(event))
    if extent.count == 0 and extent.error is not None:
        raise extent.error
    return extent


def _frames_of(event: Event) -> Iterator[Frame]:
    if isinstance(event, (events.StackSample, events.StartupSample)):
        for thread in event.threads:
            yield from thread.frames
    if isinstance(event, (events.SuspendedSample, events.StartupSample)):
        for code in event.suspended:
            yield from code.frames
    if isinstance(event, (events.TracebackLogged, events.WorkerBootFailed)):
        yield from event.frames


def _absolute(moment: datetime | timedelta | None, end: datetime | None) -> datetime | None:
    if isinstance(moment, timedelta):
        return None if end is None else end - moment
    return moment


def _check_window(first: datetime | None, last: datetime | None, extent: _Extent, recording: str) -> None:
    if extent.start is None or extent.end is None:
        return
    outside = (first is not None and first > extent.end) or (last is not None and last < extent.start)
    if outside or (first is not None and last is not None and first >= last):
        raise UsageError(
            "nothing was recorded between --since and --until",
            hint=f"{recording} holds {extent.start.isoformat()} to {extent.end.isoformat()}",
        )


def _write(recording: str, output: str, stripper: Stripper, first: datetime | None, last: datetime | None) -> int:
    target = Path(output)
    host = {name: value for name, value in read_host(recording).items() if name in _KEPT_OF_HOST}
    host = {name: found.group() for name, value in host.items() if (found := _VERSION_OR_WORD.match(value))}
    if target.exists() and not target.is_file():
        return _write_events(output, host, recording, stripper, first, last)  # a pipe, a device
    partial = target.with_name(f".{os.getpid()}.part.{target.name[-100:]}")
    try:
        count = _write_events(str(partial), host, recording, stripper, first, last)
        partial.replace(target)
    except OSError as error:
        raise RecordingError(
            f"cannot write {output}: {error.strerror or error}", hint="give another -o FILE"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return count


def _write_events(
    path: str,
    host: dict[str, str],
    recording: str,
    stripper: Stripper,
    first: datetime | None,
    last: datetime | None,
) -> int:
    count = 0
    with RecordingWriter(path, host, redacted=True) as writer:
        for event in cut_to_window(_sound_events(recording), first, last):
            writer.write(stripper.strip(event))
            count += 1
    return count


def _say(recording: str, output: str, stripper: Stripper, count: int, extent: _Extent, *, hide_names: bool) -> None:
    replaced = [f"{number} {kind}{'s' if number != 1 else ''}" for kind, number in stripper.pseudonyms.counts().items()]
    kept = "names of libraries" if hide_names else "names of the application's functions and files (see --hide-names)"
    lines = [
        f"{output}: {count} of the {extent.count} events of {recording}",
        f"  replaced: {', '.join(replaced) or 'nothing'}",
        f"  kept: {kept}, ports, pids, times",
    ]
    text = "".join(escape_text(line) + "\n" for line in lines)
    if Path(output).is_file():
        text += f"  read it before you give it away: {quote_command(['gtdiag', 'analyze', output])}\n"
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
