"""A worker's samples of its memory to a line that can be drawn: as many points after a month as after an hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.model.report import MemoryPoint

MOST_POINTS = 32
"""What is kept of one worker; a line on a screen shows no more."""


@dataclass(slots=True)
class MemorySeries:
    """Every n-th sample, n doubling whenever there are too many; and the latest one."""

    _kept: list[MemoryPoint] = field(default_factory=list)
    _latest: MemoryPoint | None = None
    _every: int = 1
    _seen: int = 0
    _points: tuple[MemoryPoint, ...] | None = None
    """Drawn again and again of a worker that is long gone: kept until the next sample."""

    def add(self, at: datetime, rss_bytes: int) -> None:
        """Take one sample."""
        self._latest = MemoryPoint(at, rss_bytes)
        self._points = None
        if self._seen % self._every == 0:
            self._kept.append(self._latest)
            if len(self._kept) >= MOST_POINTS:
                self._kept = self._kept[::2]
                self._every *= 2
        self._seen += 1

    def points(self) -> tuple[MemoryPoint, ...]:
        """The samples in order, without those in the middle of a stretch in which nothing changed."""
        if self._points is None:
            self._points = self._draw()
        return self._points

    def _draw(self) -> tuple[MemoryPoint, ...]:
        found = list(self._kept)
        if self._latest is not None and found[-1] is not self._latest:
            found.append(self._latest)
        return tuple(
            point
            for number, point in enumerate(found)
            if number in (0, len(found) - 1)
            or not found[number - 1].rss_bytes == point.rss_bytes == found[number + 1].rss_bytes
        )
