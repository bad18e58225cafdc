"""Lives of workers to how many of them there were at the same moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

Life = tuple[datetime | None, datetime | None]
"""From when to when; None: before the first thing that is known, or until after the last."""


def most_at_once(lives: Iterable[Life]) -> int:
    """The most that were alive at the same moment: the fewest places that all of them can have had."""
    edges: list[tuple[float, int]] = []
    for begin, end in lives:
        edges.append((begin.timestamp() if begin is not None else float("-inf"), 1))
        if end is not None:
            edges.append((end.timestamp(), -1))
    most = current = 0
    for _, step in sorted(edges):  # at one moment the ends come first
        current += step
        most = max(most, current)
    return most
