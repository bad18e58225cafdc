"""Samples of CPU counters to how much CPU a worker, and its cgroup, got and lacked in a stretch of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.events import CpuSample

_MOST_POINTS = 128  # a sample a second covers the usual time-outs; older ones are thinned out


@dataclass(frozen=True, slots=True)
class ThreadCpu:
    """What the worker's main thread got in `seconds`: it ran, it was ready to run and waited for a CPU, or it slept."""

    seconds: float
    ran_s: float
    waited_s: float

    @property
    def waited_share(self) -> float:
        """The part of the time in which it was ready to run and got no CPU."""
        return min(1.0, self.waited_s / self.seconds)


@dataclass(frozen=True, slots=True)
class GroupCpu:
    """What the cgroup's counters, or the host's, say of the same time; None where one was not readable."""

    seconds: float
    quota_cores: float | None
    periods: int | None
    throttled_periods: int | None
    pressure_s: float | None
    pressure_of: str | None

    @property
    def throttled_share(self) -> float:
        """The part of the quota's periods in which it was used up."""
        return (self.throttled_periods or 0) / self.periods if self.periods else 0.0

    @property
    def pressure_share(self) -> float:
        """The part of the time in which something waited for a CPU."""
        return min(1.0, (self.pressure_s or 0.0) / self.seconds)


class CpuHistory:
    """The counters of one worker's main thread over time. Memory does not grow with the length of the watch."""

    def __init__(self) -> None:
        self._points: list[tuple[datetime, float, float]] = []

    def add(self, at: datetime, ran_s: float, waited_s: float) -> None:
        """Take one sample of the two counters."""
        self._points.append((at, ran_s, waited_s))
        if len(self._points) > _MOST_POINTS:
            del self._points[: _MOST_POINTS // 2 : 2]

    def forget_before(self, moment: datetime) -> None:
        """Nobody will ask for what was earlier."""
        for index, point in enumerate(self._points):
            if point[0] >= moment:
                del self._points[:index]
                return
        self._points.clear()

    def between(self, begin: datetime, end: datetime) -> ThreadCpu | None:
        """What the thread got from `begin` to `end`; None where fewer than two samples lie there."""
        inside = [point for point in self._points if begin <= point[0] <= end]
        if len(inside) < 2:
            return None
        (from_at, from_ran, from_waited), (to_at, to_ran, to_waited) = inside[0], inside[-1]
        seconds = (to_at - from_at).total_seconds()
        return ThreadCpu(seconds, to_ran - from_ran, to_waited - from_waited) if seconds > 0 else None


class GroupCpuHistory:
    """The counters of the master's cgroup over time."""

    def __init__(self) -> None:
        self._samples: list[CpuSample] = []

    def add(self, sample: CpuSample) -> None:
        """Take one sample."""
        self._samples.append(sample)
        if len(self._samples) > _MOST_POINTS:
            del self._samples[: _MOST_POINTS // 2 : 2]

    def between(self, begin: datetime, end: datetime) -> GroupCpu | None:
        """What happened from `begin` to `end`; None where fewer than two samples lie there."""
        inside = [sample for sample in self._samples if sample.at is not None and begin <= sample.at <= end]
        if len(inside) < 2:
            return None
        seconds = _rise([sample.at.timestamp() if sample.at else None for sample in inside])
        if not seconds:
            return None
        last = inside[-1]
        periods = _rise([sample.periods for sample in inside])
        throttled = _rise([sample.throttled_periods for sample in inside])
        return GroupCpu(
            seconds=seconds,
            quota_cores=last.quota_cores,
            periods=None if periods is None else int(periods),
            throttled_periods=None if throttled is None else int(throttled),
            pressure_s=_rise([sample.pressure_s for sample in inside]),
            pressure_of=last.pressure_of,
        )


def _rise(counts: Sequence[float | None]) -> float | None:
    first, last = counts[0], counts[-1]
    return None if first is None or last is None else last - first
