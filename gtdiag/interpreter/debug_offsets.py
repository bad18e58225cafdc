"""Turns what CPython 3.14 and later publish for debuggers (_Py_DebugOffsets, .AsyncioDebug) into a memory layout.

The words' order is data, in the version's layout file. A later version is read by the newest order that is known, and
only where every word checks out: it is refused otherwise, since a shifted list would be misread.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gtdiag.interpreter.layout import Layout, build_layout, known_versions, read_layout_tables

COOKIE = b"xdebugpy"
HEAD_BYTES = 24
"""Cookie, version (as `sys.hexversion`), free-threaded."""
_REFERENCE = re.compile(r"([a-z_]+\.[a-z_]+)(?: ([+-]) (\d+))?")
_LARGEST_STRUCTURE_BYTES = 4 * 1024 * 1024
_ASYNCIO = "asyncio_"


class DebugOffsetsError(ValueError):
    """The words are not in the order that is known."""


Published = Mapping[str, int]
"""By "structure.field": what an interpreter says of its own structures, in bytes."""


@dataclass(frozen=True, slots=True)
class PublishedLayout:
    """A layout file that refers to published words. `words`, `asyncio_words`: their names, in order."""

    version: str
    words: tuple[str, ...]
    asyncio_words: tuple[str, ...]
    expected: tuple[tuple[str, int], ...]
    tables: dict[str, Any]

    @property
    def size_bytes(self) -> int:
        """How much of _PyRuntime is to be read."""
        return HEAD_BYTES + 8 * len(self.words)

    @property
    def asyncio_bytes(self) -> int:
        """How much of .AsyncioDebug is to be read."""
        return 8 * len(self.asyncio_words)

    def parse(self, data: bytes) -> Published:
        """The beginning of _PyRuntime to its words; `DebugOffsetsError` names what does not fit."""
        if len(data) < self.size_bytes or not data.startswith(COOKIE):
            raise DebugOffsetsError("there are no debug offsets")
        values = dict(zip(self.words, struct.unpack_from(f"<{len(self.words)}Q", data, HEAD_BYTES), strict=True))
        for name, expected in self.expected:
            if values[name] != expected:
                raise DebugOffsetsError(f"{name} is {values[name]}, not {expected}")
        _check_sizes(values)
        return values

    def parse_asyncio(self, data: bytes, published: Published) -> Published:
        """The section .AsyncioDebug to its words; `DebugOffsetsError` where they fit neither each other nor CPython."""
        if len(data) < self.asyncio_bytes:
            raise DebugOffsetsError("asyncio's debug offsets are cut off")
        values = dict(zip(self.asyncio_words, struct.unpack_from(f"<{len(self.asyncio_words)}Q", data), strict=True))
        _check_sizes(values)
        in_a_row = [values[f"asyncio_task.{name}"] for name in ("awaited_by", "is_task", "awaited_by_is_set", "coro")]
        if in_a_row != sorted(in_a_row) or values["asyncio_task.name"] != values["asyncio_task.coro"] + 8:
            raise DebugOffsetsError("a task's fields are in another order")
        # Between `awaited_by` and `is_task` lies the state, an int: its place is not published.
        if values["asyncio_task.is_task"] - values["asyncio_task.awaited_by"] != 12:
            raise DebugOffsetsError("a future's state is not where it was")
        if values["asyncio_thread.running_task"] != values["asyncio_thread.running_loop"] + 8:
            raise DebugOffsetsError("a thread's fields are in another order")
        if values["asyncio_interpreter.size"] != published["interpreter_state.size"]:
            raise DebugOffsetsError("asyncio was built for another interpreter")
        return values

    def layout(self, published: Published, asyncio: Published | None) -> Layout:
        """The whole layout; without `asyncio` (not imported yet) one that knows of no tasks written in C."""
        values = {**dict.fromkeys(self.asyncio_words, 0), **published, **(asyncio or {})}
        tables = _resolve(self.tables, values)
        tables["task"]["c_tasks_known"] = asyncio is not None
        return build_layout(tables, f"cpython-{self.version}")


def _check_sizes(values: Published) -> None:
    for name, value in values.items():
        structure, _, field = name.partition(".")
        size = values.get(f"{structure}.size")
        if field == "size":
            if not 0 < value <= _LARGEST_STRUCTURE_BYTES or value % 8:
                raise DebugOffsetsError(f"{name} is {value}")
        elif size is not None and value >= size and not field.endswith("_size"):
            raise DebugOffsetsError(f"{name} is {value}, beyond the structure's {size} bytes")


def _resolve(value: Any, values: Published) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(item, values) for key, item in value.items()}
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] not in values:
        return value
    return values[match[1]] + int((match[2] or "") + (match[3] or "0"))


def _names(table: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(f"{structure}.{field}" for structure, fields in table.items() for field in fields)


@functools.cache
def read_published_layout(version: str) -> PublishedLayout | None:
    """The layout of a version that publishes its offsets; None for any other one."""
    tables = read_layout_tables(version)
    if tables is None or "debug_offsets" not in tables:
        return None
    return PublishedLayout(
        version=version,
        words=_names(tables.pop("debug_offsets")),
        asyncio_words=_names(tables.pop("asyncio_debug")),
        expected=tuple(tables.pop("expected").items()),
        tables=tables,
    )


def newest_published_layout() -> PublishedLayout:
    """The layout by which versions that are not known yet are tried."""
    newest = read_published_layout(known_versions()[-1])
    assert newest is not None, "the newest known version publishes its offsets"
    return newest
