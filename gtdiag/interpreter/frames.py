"""Turns code and frame addresses into frames with names and lines; a `FrameFamily` knows how frames lie in memory."""

from __future__ import annotations

import enum
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.line_table import parse_linetable, parse_lnotab, parse_location_table
from gtdiag.interpreter.objects import BYTES_DATA, OB_TYPE, ObjectReader
from gtdiag.interpreter.remembered import ByBytes, Source
from gtdiag.model.stacks import Frame

_LINE_TABLE_FORMATS = {
    "location": parse_location_table,
    "linetable": parse_linetable,
    "lnotab": parse_lnotab,
}
_MAX_LINE_TABLE_BYTES = 1 << 20
_MAX_REMEMBERED_BYTES = 1 << 16
"""Of a line table: that of a function of thousands of lines."""
_MAX_LOCALS = 10_000
MAX_STACK_FRAMES = 2000
"""Twice the default recursion limit; beyond that the outermost frames are left out."""
_READS_FOR_A_STABLE_STACK = 3
_MOST_PLACES = 1000
"""Of one code object: a function has fewer calls in it, and nonsense must not fill the memory."""


_FLAGS_AT = {"object": 36, "embedded": 48}
"""PyCodeObject.co_flags: after six int fields up to 3.10, after three pointers since 3.11 (code.h of 3.8 to 3.15)."""
_ASYNC_FLAGS = 0x80 | 0x200
"""CO_COROUTINE and CO_ASYNC_GENERATOR."""


class GeneratorState(enum.Enum):
    """What a coroutine, generator or async generator is doing."""

    CREATED = "created"
    SUSPENDED = "suspended"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame as it lies in memory. `offset_bytes` counts from the code's first instruction; negative before it."""

    address: int
    code: int
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class GeneratorFrame:
    """A generator's frame and the object it waits for: None where it is not suspended in an await (or yield from)."""

    state: GeneratorState
    frame: RawFrame | None
    waits_for: int | None


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """A code object as far as it is needed."""

    function: str
    name: str
    file: str
    first_line: int
    is_async: bool
    line_table: bytes | None
    """None where it could not be read. An empty one is normal: code of one line, up to 3.9."""
    frames: dict[int, Frame] = field(default_factory=dict, compare=False)
    """The frames of it that were described, by their offset."""


Witnesses = list[tuple[int, bytes]]
"""What was read to follow a chain, read again at the end: only if it is still the same was the chain ever true."""


class FrameFamily(Protocol):
    """One way CPython keeps frames: embedded in generators and thread stacks (3.11+), or as objects (to 3.10)."""

    def generator(self, address: int, witnesses: Witnesses) -> GeneratorFrame:
        """The frame of a coroutine, generator or async generator."""
        ...

    def thread_stack(self, thread_state: int) -> list[RawFrame]:
        """The frames a thread is running, innermost first."""
        ...

    def object_stack(self, frame_object: int) -> list[RawFrame]:
        """The frames from a frame object outwards, innermost first."""
        ...

    def local_slots(self, frame: RawFrame, count: int) -> tuple[int, ...]:
        """The first `count` words of a frame's local variables."""
        ...


class FrameReader:
    """Frames of one interpreter with their names and lines; remembers code objects for one look, and for others as
    `remembered.py` says.
    """

    def __init__(self, objects: ObjectReader, family: FrameFamily, known: ByBytes[CodeInfo] | None = None) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._layout = objects.layout.code
        self._family = family
        self._codes: dict[int, CodeInfo] = {}
        self._known: ByBytes[CodeInfo] = known or ByBytes()
        self._flags_at = _FLAGS_AT[objects.layout.frame.kind]

    def forget(self) -> None:
        """Begin a new look."""
        if not self._memory.at_rest:
            self._codes.clear()

    def code(self, address: int) -> CodeInfo:
        """The code object at `address`."""
        known = self._codes.get(address)
        if known is not None:
            return known
        remembered = self._known.find(address, self._memory)
        if remembered is not None:
            self._codes[address] = remembered
            return remembered
        layout, objects, memory = self._layout, self._objects, self._memory
        if objects.type_of(address).name != "code":
            raise InconsistentReadError(f"no code object at {address:#x}")
        name = objects.read_str(memory.u64(address + layout.name))
        function = name if layout.qualname is None else objects.read_str(memory.u64(address + layout.qualname))
        table: bytes | None = None
        with suppress(InconsistentReadError):  # the name still stands; only the line is lost
            table = objects.read_bytes(memory.u64(address + layout.line_table), _MAX_LINE_TABLE_BYTES)
        info = CodeInfo(
            function=function,
            name=name,
            file=objects.read_str(memory.u64(address + layout.filename)),
            first_line=memory.i32(address + layout.firstlineno),
            is_async=bool(memory.u32(address + self._flags_at) & _ASYNC_FLAGS),
            line_table=table,
        )
        self._codes[address] = info
        with suppress(InconsistentReadError, ValueError):
            self._known.keep(address, self._source_of(address, info), info)
        return info

    def _source_of(self, address: int, info: CodeInfo) -> Source:
        """Everything that a code object's description was made of."""
        layout, memory, objects = self._layout, self._memory, self._objects
        if info.line_table is None or len(info.line_table) > _MAX_REMEMBERED_BYTES:
            raise ValueError("not all of it was read, or too much to be kept")
        pointers = {layout.name, layout.filename, layout.line_table}
        texts = [layout.name, layout.filename]
        if layout.qualname is not None:
            pointers.add(layout.qualname)
            texts.append(layout.qualname)
        first, end = min(pointers), max(pointers) + 8
        source: Source = [
            (address + OB_TYPE, memory.read(address + OB_TYPE, 8)),
            (address + self._flags_at, memory.read(address + self._flags_at, 4)),
            (address + layout.firstlineno, memory.read(address + layout.firstlineno, 4)),
            # No field between them changes once the code is made (code.h of 3.8 to 3.15).
            (address + first, memory.read(address + first, end - first)),
        ]
        for pointer in texts:
            source += objects.text_source(memory.u64(address + pointer))
        table = memory.u64(address + layout.line_table)
        size = BYTES_DATA + len(info.line_table) - OB_TYPE
        source.append((table + OB_TYPE, memory.read(table + OB_TYPE, size)))
        return source

    def describe(self, raw: RawFrame) -> Frame:
        """A raw frame with its function, file and line."""
        info = self.code(raw.code)
        frame = info.frames.get(raw.offset_bytes)
        if frame is None:
            line: int | None = info.first_line
            if raw.offset_bytes >= 0:
                parse = _LINE_TABLE_FORMATS[self._layout.line_table_format]
                table = info.line_table
                line = None if table is None else parse(table, info.first_line, raw.offset_bytes)
            frame = Frame(info.function, info.file, line, coroutine=info.is_async)
            if len(info.frames) < _MOST_PLACES:
                info.frames[raw.offset_bytes] = frame
        return frame

    def generator(self, address: int, witnesses: Witnesses) -> GeneratorFrame:
        """The frame of a coroutine, generator or async generator; what was read is added to `witnesses`."""
        return self._family.generator(address, witnesses)

    def object_stack(self, frame_object: int) -> list[RawFrame]:
        """The frames from a frame object (PyFrameObject) outwards, outermost first, as one read finds them."""
        return self._family.object_stack(frame_object)[::-1]

    def code_of_generator(self, address: int) -> int:
        """Where the code of a coroutine lies, in the fewest reads and unchecked; 0 for one that has ended."""
        layout, memory = self._objects.layout, self._memory
        if layout.frame.kind == "embedded":
            return memory.u64(address + layout.generator.frame + layout.frame.code)
        frame = memory.u64(address + layout.generator.frame)
        return memory.u64(frame + layout.frame.code) if frame else 0

    def stable_stack(self, thread_state: int) -> tuple[list[RawFrame], bool]:
        """A thread's frames, outermost first, and whether two reads in a row agreed on all of them.

        A running thread's stack changes all the time. Where the reads do not agree, only the outer frames that they
        have in common are given.
        """
        if self._memory.at_rest:
            try:
                return self._family.thread_stack(thread_state)[::-1], True
            except InconsistentReadError:
                return [], False
        previous: list[RawFrame] | None = None
        common: list[RawFrame] = []
        for _ in range(_READS_FOR_A_STABLE_STACK + 1):
            self._memory.forget()
            try:
                stack = self._family.thread_stack(thread_state)[::-1]
            except InconsistentReadError:
                continue
            if previous is not None:
                common = []
                for old, new in zip(previous, stack, strict=False):
                    if (old.address, old.code) != (new.address, new.code):
                        break
                    common.append(new)
                if len(common) == len(stack) == len(previous):
                    return stack, True
            previous = stack
        return common, False

    def local(self, raw: RawFrame, name: str) -> int | None:
        """The object a local variable of this frame holds (through its cell), None where there is none."""
        return self.locals_named(raw, (name,)).get(name)

    def locals_named(self, raw: RawFrame, wanted: Collection[str]) -> dict[str, int]:
        """The objects that those of the wanted local variables hold (through their cells) that have a value."""
        names = [
            item
            for tuple_at in (self._layout.local_names, *self._layout.local_names_after)
            for item in self._objects.items(self._memory.u64(raw.code + tuple_at))
        ][:_MAX_LOCALS]
        slots = self._family.local_slots(raw, len(names))
        found: dict[str, int] = {}
        for name_address, value in zip(names, slots, strict=False):
            if value and (name := self._objects.read_str(name_address)) in wanted and name not in found:
                content = self._objects.cell_content(value)
                if content:
                    found[name] = content
        return found
