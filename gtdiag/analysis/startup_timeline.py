"""What a starting worker was in, moment by moment, to the time-line of its start-up: seconds for each import and call.

From samples where there are enough of them, else from the steps that the log shows, to the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gtdiag.analysis.look import LookEvidence, LookReader
from gtdiag.analysis.ownership import CodeOwnership, OwnedFrame
from gtdiag.model.report import Owner, StartupStep
from gtdiag.model.stacks import SuspendedCode, ThreadStack
from gtdiag.rules.frameworks import is_event_loop_module

Step = tuple[str, str]
"""Kind and name, as in StartupStep."""

_MAX_STEPS = 200
_MAX_SHOWN = 12
_MIN_SAMPLES = 3
_LOG_RESOLUTION_S = 1.0
_UNSEEN: Step = ("unseen", "before the first look")
_OTHER: Step = ("other", "other steps")
_LOG_STEPS: dict[str, Step] = {
    "booted": ("import", "the application is imported"),
    "imported": ("server", "the server starts"),
    "lifespan": ("lifespan", "the lifespan start-up runs"),
}
"""The last step that the log showed, to what goes on after it."""


class StartupTimeline:
    """The samples of one start-up. Memory does not grow with their number."""

    def __init__(self) -> None:
        self._seconds: dict[Step, float] = {}
        self._counts: dict[Step, int] = {}
        self._first_at: datetime | None = None
        self._last: tuple[datetime, Step] | None = None
        self._widest_s = 0.0
        self._logged: list[tuple[str, datetime]] = []

    def add_sample(self, at: datetime | None, step: Step | None) -> None:
        """The worker was seen in this step; None: in the same one as before."""
        if at is None or (step is None and self._last is None):
            return
        if self._last is not None and at < self._last[0]:
            return
        if step is None:
            assert self._last is not None
            step = self._last[1]
        if step not in self._seconds:
            if len(self._seconds) >= _MAX_STEPS:
                step = _OTHER
            self._seconds.setdefault(step, 0.0)
        if self._last is not None:
            passed_s = (at - self._last[0]).total_seconds()
            self._widest_s = max(self._widest_s, passed_s if step != self._last[1] else 0.0)
            # Between two samples that saw different steps, half the time belongs to each.
            self._seconds[self._last[1]] += passed_s / 2
            self._seconds[step] += passed_s / 2
        self._first_at = self._first_at or at
        self._counts[step] = self._counts.get(step, 0) + 1
        self._last = (at, step)

    def add_logged(self, at: datetime | None, step: str) -> None:
        """The log says that this step is reached ("imported", "lifespan")."""
        if at is not None and len(self._logged) < len(_LOG_STEPS) and step in _LOG_STEPS:
            self._logged.append((step, at))

    def conclude(self, booted_at: datetime | None, until: datetime | None) -> tuple[StartupStep, ...]:
        """The steps from the boot until the worker was ready (or ended, or was last seen), in their order."""
        if sum(self._counts.values()) >= _MIN_SAMPLES:
            return self._from_samples(booted_at, until)
        return self._from_log(booted_at, until)

    def _from_samples(self, booted_at: datetime | None, until: datetime | None) -> tuple[StartupStep, ...]:
        assert self._first_at is not None and self._last is not None
        seconds = dict(self._seconds)
        if until is not None and until > self._last[0]:
            seconds[self._last[1]] += (until - self._last[0]).total_seconds()
        resolution_s = round(max(self._widest_s / 2, 0.05), 2)
        steps = []
        if booted_at is not None and self._first_at > booted_at:
            unseen_s = (self._first_at - booted_at).total_seconds()
            steps.append(StartupStep(_UNSEEN[1], _UNSEEN[0], round(unseen_s, 3), 0, resolution_s))
        shown = set(sorted(seconds, key=lambda step: -seconds[step])[:_MAX_SHOWN])
        left_out_s = sum(passed_s for step, passed_s in seconds.items() if step not in shown)
        steps += [
            StartupStep(step[1], step[0], round(passed_s, 3), self._counts.get(step, 0), resolution_s)
            for step, passed_s in seconds.items()
            if step in shown
        ]
        if left_out_s >= resolution_s:
            steps.append(StartupStep(_OTHER[1], _OTHER[0], round(left_out_s, 3), 0, resolution_s))
        return tuple(steps)

    def _from_log(self, booted_at: datetime | None, until: datetime | None) -> tuple[StartupStep, ...]:
        if booted_at is None or until is None or not self._logged:
            return ()
        points = [("booted", booted_at), *self._logged]
        steps = []
        for (step, at), (_, end) in zip(points, [*points[1:], ("", until)], strict=True):
            passed_s = (end - at).total_seconds()
            if passed_s > 0:
                kind, name = _LOG_STEPS[step]
                steps.append(StartupStep(name, kind, round(passed_s, 3), 0, _LOG_RESOLUTION_S))
        return tuple(steps)


def read_step(
    threads: Sequence[ThreadStack], suspended: Sequence[SuspendedCode], ownership: CodeOwnership, looks: LookReader
) -> Step | None:
    """The step that a starting worker is in at one moment; None where its main thread was not seen."""
    main = next((thread for thread in threads if thread.main), None)
    if main is None or not main.frames:
        return None
    frames = ownership.own_frames(main.frames)
    if is_event_loop_module(frames[-1].module):
        look = looks.read_look(LookEvidence(threads=tuple(threads), suspended=tuple(suspended), in_startup=True))
        if look is not None and (look.call or look.library):
            in_lifespan = any("lifespan" in frame.file for frame in look.stack)
            return ("lifespan" if in_lifespan else "application", look.call or f"{look.library}.{look.library_call}")
        return ("server", "the server starts")
    return _step_of_frames(frames)


def _step_of_frames(frames: tuple[OwnedFrame, ...]) -> Step:
    app_at = max((i for i, f in enumerate(frames) if f.owner is Owner.APP), default=-1)
    body_at = max(
        (i for i, f in enumerate(frames) if f.is_module_body and f.owner in (Owner.LIBRARY, Owner.APP) and f.package),
        default=-1,
    )
    if body_at > app_at and _is_imported(frames, body_at):
        return ("import", frames[body_at].package)
    if app_at >= 0:
        frame = frames[app_at].frame
        kind = "lifespan" if any("lifespan" in f.module for f in frames[:app_at]) else "application"
        if not frames[app_at].is_module_body:
            return (kind, frame.function)
        module = frame.file.replace("\\", "/").rpartition("/")[2]
        below = frames[app_at + 1 :]
        standard = next((f.package for f in reversed(below) if f.is_module_body and f.package), None)
        if standard is not None:
            return ("import", standard)
        return ("application", f"the top level of {module}")
    library = next((f.package for f in reversed(frames) if f.owner is Owner.LIBRARY and f.package), None)
    return ("server", library or "the server starts")


def _is_imported(frames: tuple[OwnedFrame, ...], body_at: int) -> bool:
    """Whether a module's top level is run by an import, and not as the program itself."""
    return any(f.package == "importlib" for f in frames[:body_at])
