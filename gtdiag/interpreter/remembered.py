"""What was read of code objects and types, with the bytes that it was read from: where they are the same, so is it.

The workers of one server are forks of one process: code and types lie at the same addresses in all of them, and stay
there from look to look. To compare a few bytes costs a tenth of making names and line tables of them. An address alone
proves nothing: a worker that was started after an upgrade may have another function there.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from gtdiag.interpreter.errors import UnreadableMemoryError
from gtdiag.interpreter.memory import ProcessMemory

MOST = 4096
"""Of each kind; what all threads and tasks of a large application are in is some hundreds of code objects."""

Read = TypeVar("Read")

Source = list[tuple[int, bytes]]
"""Addresses, and what was there."""


class ByBytes(Generic[Read]):
    """Values by their address, each with what it was read from."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Source, Read]] = {}

    def find(self, address: int, memory: ProcessMemory) -> Read | None:
        """The value at `address`, if what it was read from is the same in this memory now."""
        known = self._known.get(address)
        if known is None:
            return None
        read = memory.read
        try:
            for start, expected in known[0]:
                if read(start, len(expected)) != expected:
                    return None
        except UnreadableMemoryError:
            return None
        return known[1]

    def keep(self, address: int, source: Source, value: Read) -> None:
        """Remember a value; `source` holds everything that it depends on."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[address] = source, value


class Positions:
    """At which position of a dict a name was found last time: a hint, that is checked at each use."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], int] = {}

    def find(self, owner: int, name: str) -> int | None:
        """Where the dict of this object had the name."""
        return self._known.get((owner, name))

    def keep(self, owner: int, name: str, position: int) -> None:
        """Remember one."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[owner, name] = position
