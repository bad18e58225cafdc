"""The stacks behind a report to the file format of speedscope (https://www.speedscope.app), a profile each worker."""

from __future__ import annotations

import json
from typing import Any

from gtdiag.model.report import Report
from gtdiag.model.stack_profile import ProfiledStack, StackProfile, WorkerProfile
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

NO_STACKS = "no stacks were seen"
"""Stands for the stacks of a report that has none: viewers refuse a file without one."""


def render_speedscope(report: Report, stacks: StackProfile) -> str:
    """Return the profiles as one JSON document, pure ASCII, ending in a newline.

    A sample is a stack below its phase and what had it; its weight is the time it was there. A worker of which only
    moments are known (one look, a traceback in a log) is weighed in looks.
    """
    frames = _Frames()
    profiles = [_profile(worker, frames) for worker in stacks.workers if worker.stacks]
    document = {
        "$schema": SCHEMA,
        "exporter": f"gtdiag {report.gtdiag_version}",
        "name": f"gunicorn {escape_text(report.gunicorn.version or '')}".rstrip(),
        "activeProfileIndex": 0,
        "profiles": profiles or [_sampled(NO_STACKS, "none", [[frames.index(NO_STACKS)]], [1])],
        "shared": {"frames": frames.listed},
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


def say_profile(worker: WorkerProfile) -> str:
    """Return "worker 7 (number 1)", "master 1"."""
    pid = "?" if worker.pid is None else worker.pid
    who = f"master {pid}" if worker.ordinal is None else f"worker {pid} (number {worker.ordinal})"
    return f"{who}, without {worker.left_out} more sightings" if worker.left_out else who


def say_phase(stack: ProfiledStack) -> str:
    """Return "start-up", "serving" or "phase not known"."""
    return phrases.PHASES[stack.phase] if stack.phase is not None else "phase not known"


class _Frames:
    """The table of frames that all profiles share; each frame stands in it once."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str | None, int | None], int] = {}

    def index(self, name: str, file: str | None = None, line: int | None = None) -> int:
        """Return the frame's place in the table."""
        known = self._known.get((name, file, line))
        if known is not None:
            return known
        frame: dict[str, Any] = {"name": escape_text(name)}
        if file:
            frame["file"] = escape_text(file)
        if line is not None:
            frame["line"] = line
        self.listed.append(frame)
        return self._known.setdefault((name, file, line), len(self.listed) - 1)


def _profile(worker: WorkerProfile, frames: _Frames) -> dict[str, Any]:
    timed = any(stack.seconds for stack in worker.stacks)
    samples, weights = [], []
    for stack in worker.stacks:
        above = [frames.index(say_phase(stack)), frames.index(stack.strand)]
        samples.append([*above, *(frames.index(frame.function, frame.file, frame.line) for frame in stack.frames)])
        weights.append(stack.seconds if timed else stack.looks)
    return _sampled(say_profile(worker), "seconds" if timed else "none", samples, weights)


def _sampled(name: str, unit: str, samples: list[list[int]], weights: list[float]) -> dict[str, Any]:
    return {
        "type": "sampled",
        "name": name,
        "unit": unit,
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
