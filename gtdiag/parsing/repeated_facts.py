"""Tells a fact from its repetition: gunicorn 21 to 23 say an exit twice, and some logs hold every line twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime

_MOST_FACTS = 512
_NEAR_LINES = 4


class RepeatedFacts:
    """Remembers the latest facts, each with its time and line."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, tuple[datetime | None, int]] = OrderedDict()

    def is_repetition(
        self, fact: Hashable, at: datetime | None, line: int, *, within_s: float = 1.0, within_lines: int = _NEAR_LINES
    ) -> bool:
        """Whether the very same fact was told within `within_s` seconds (without times: within some lines)."""
        before = self._latest.pop(fact, None)
        self._latest[fact] = (at, line) if before is None else before
        if len(self._latest) > _MOST_FACTS:
            self._latest.popitem(last=False)
        if before is None:
            return False
        if at is not None and before[0] is not None:
            repeated = abs((at - before[0]).total_seconds()) <= within_s
        else:
            repeated = abs(line - before[1]) <= within_lines
        if not repeated:
            self._latest[fact] = (at, line)
        return repeated
