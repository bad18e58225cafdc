"""A value to a name that stands for it: the same one each time ("host-1"), and nothing to be read from it."""

from __future__ import annotations

import re

_SHORTEST_TO_FIND = 4
"""A shorter value is part of too many words to be looked for in a text."""


class Pseudonyms:
    """Numbers the values of each kind in the order in which they are first seen."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, str]] = {}
        self._pattern: re.Pattern[str] | None = None
        self._pattern_of = -1
        self._by_value: dict[str, str] = {}

    def stand_in(self, kind: str, value: str, joint: str = "-") -> str:
        """Return the pseudonym of a value: its kind, `joint` and a number."""
        known = self._by_kind.setdefault(kind, {})
        name = known.get(value)
        if name is None:
            name = known[value] = f"{kind}{joint}{len(known) + 1}"
        return name

    def counts(self) -> dict[str, int]:
        """Return how many values of each kind were replaced."""
        return {kind: len(values) for kind, values in self._by_kind.items()}

    def replace_known(self, text: str) -> str:
        """Return the text with each value that has a pseudonym replaced by it, the longest first."""
        size = sum(len(values) for values in self._by_kind.values())
        if size != self._pattern_of:
            values = {v: name for known in self._by_kind.values() for v, name in known.items()}
            self._by_value = {v: name for v, name in values.items() if len(v) >= _SHORTEST_TO_FIND}
            ordered = sorted(self._by_value, key=len, reverse=True)
            self._pattern = (
                re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(map(re.escape, ordered)) + r")(?![A-Za-z0-9])")
                if ordered
                else None
            )
            self._pattern_of = size
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._by_value[found.group()], text)
