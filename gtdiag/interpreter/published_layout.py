"""Reads the layout that a running CPython (3.14 and later) publishes, and asyncio's part once that is loaded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gtdiag.interpreter.debug_offsets import (
    DebugOffsetsError,
    Published,
    PublishedLayout,
    newest_published_layout,
    read_published_layout,
)
from gtdiag.interpreter.elf import InterpreterPlace, find_asyncio
from gtdiag.interpreter.errors import InconsistentReadError, UnsupportedInterpreterError
from gtdiag.interpreter.layout import Layout, known_versions
from gtdiag.interpreter.memory import ProcessMemory

_ASYNCIO_IN_MAPS = "/_asyncio."


def published_layout_of(version: str) -> PublishedLayout | None:
    """By which names a version's words are read: its own, or the newest known ones for a later version."""
    known = known_versions()
    if version not in known and _number(version) > _number(known[-1]):
        return newest_published_layout()
    return read_published_layout(version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class PublishedLayoutReader:
    """The layout of one process's interpreter; `UnsupportedInterpreterError` where its words do not check out."""

    def __init__(self, memory: ProcessMemory, place: InterpreterPlace, version: str, names: PublishedLayout) -> None:
        self._memory = memory
        self._place = place
        self._version = version
        self._names = names
        try:
            self._published: Published = names.parse(memory.read_fresh(place.runtime_address, names.size_bytes))
        except DebugOffsetsError as error:
            raise self._unknown(error) from None

    def _unknown(self, error: DebugOffsetsError) -> UnsupportedInterpreterError:
        why = f"CPython {self._version} with debug offsets in an unknown order ({error}; known: {known_versions()[-1]})"
        return UnsupportedInterpreterError(self._memory.pid, why)

    def read(self) -> Layout:
        """The layout; one that knows of no tasks written in C (`c_tasks_known`) as long as _asyncio is not loaded."""
        place = self._asyncio_address()
        asyncio: Published | None = None
        if place is not None:
            try:
                data = self._memory.read_fresh(place, self._names.asyncio_bytes)
                asyncio = self._names.parse_asyncio(data, self._published)
            except DebugOffsetsError as error:
                raise self._unknown(error) from None
            except InconsistentReadError:
                pass  # it is being mapped: another look will find it
        return self._names.layout(self._published, asyncio)

    def _asyncio_address(self) -> int | None:
        if self._place.asyncio_address is not None:
            return self._place.asyncio_address
        maps = ""
        with suppress(OSError):
            maps = Path(f"/proc/{self._memory.pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
        return find_asyncio(self._memory.pid, maps) if _ASYNCIO_IN_MAPS in maps else None
