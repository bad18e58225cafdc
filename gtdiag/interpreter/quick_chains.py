"""Reads the await chains of many tasks at once: the usual kind in few steps each, confirmed together by large reads.

The usual kind: tasks written in C, of suspended coroutines and generators, down to a future that stands for nothing
else. Every other one is left to `AwaitChainReader`, which knows them all and takes five times as long.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from gtdiag.interpreter.await_chain import AwaitChainReader
from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, GeneratorState
from gtdiag.interpreter.memory import PAGE_BYTES
from gtdiag.interpreter.objects import OB_TYPE, ObjectReader
from gtdiag.model.stacks import Frame, SuspendedCode

_MAX_LINKS = 1000
"""As many as a chain may have frames (await_chain.py); a longer one is read there, link by link."""
_MAX_STACK_BYTES = 160_000
_TASKS_BETWEEN_LOOKS_AT_THE_CLOCK = 256
_MAX_PAGES = 6000
"""Fewer than the memory keeps: what a chain was made of must still be there when it is confirmed."""
_ROUNDS = 4
"""Of reading a busy process again; a process that stands still needs one."""
_OFFSET = PAGE_BYTES - 1
_WORD, _TWO_WORDS = struct.Struct("<Q"), struct.Struct("<QQ")
_NAME = struct.Struct("<8xQQQI")
"""Type, then for an int its tag and digit, for a str its length, hash and state."""
_ONE_DIGIT, _DIGIT = 1 << 3, (1 << 30) - 1
_ASCII = 1 << 6 | 1 << 5 | 1 << 2
"""State of a str: ASCII only, compact, one byte a character (unicodeobject.h)."""
_LONGEST_NAME = 256

_FRAME = "frame"
_OTHER, _GENERATOR, _WRAPPER, _FUTURE, _TASK = range(5)
_KINDS: dict[str | None, int] = {"generator": _GENERATOR, "wrapper": _WRAPPER, "future": _FUTURE, "task": _TASK}


class _UnusualError(Exception):
    """A chain that is not of the usual kind."""


@dataclass(slots=True)
class QuickChains:
    """What one round found. `unusual` tasks were not tried, `torn` ones changed meanwhile; `rest` had no time."""

    found: list[SuspendedCode]
    unusual: list[int]
    torn: list[int]
    rest: list[int]


@dataclass(frozen=True, slots=True)
class _Fields:
    """A structure's fields, unpacked in one go whatever their order: `order` sorts them as they are named."""

    size: int
    unpack: struct.Struct
    order: tuple[int, ...]


def _fields(*wanted: tuple[int, str]) -> _Fields:
    """Fields by offset and format to what unpacks them, in the order of their offsets."""
    in_order = sorted(range(len(wanted)), key=lambda n: wanted[n][0])
    text, at = "<", 0
    for n in in_order:
        offset, kind = wanted[n]
        text += f"{offset - at}x{kind}"
        at = offset + struct.calcsize(f"<{kind}")
    return _Fields(at, struct.Struct(text), tuple(in_order.index(n) for n in range(len(wanted))))


class QuickChainReader:
    """The usual await chains of one interpreter."""

    def __init__(self, objects: ObjectReader, frames: FrameReader, chains: AwaitChainReader) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._frames = frames
        self._chains = chains
        layout = objects.layout
        self.usable = layout.task.c_tasks_known and layout.task.coro > 0
        if layout.frame.kind != "embedded" and layout.generator.frame != OB_TYPE + 8:
            self.usable = False
        if not self.usable:
            return
        task, frame, generator = layout.task, layout.frame, layout.generator
        self._task = _fields((OB_TYPE, "Q"), (task.future_state, "i"), (task.coro, "Q"), (task.name, "Q"))
        self._task_witness = max(task.coro, task.fut_waiter, task.name) + 8
        self._embedded = frame.kind == "embedded"
        # Where the frame begins: in the generator itself, or in an object of its own.
        at = generator.frame if self._embedded else 0
        state = generator.frame_state if self._embedded else (frame.state or frame.executing)
        top = frame.stack_top if frame.value_stack is None else frame.value_stack
        self._frame = _fields(
            (OB_TYPE, "Q"),
            (state or 0, "b"),
            (at + frame.code, "Q"),
            (at + frame.instruction, "Q" if self._embedded else "i"),
            (at + top, "i" if self._embedded and not frame.stack_top_is_pointer else "Q"),
            *([(frame.stack_top, "i")] if frame.value_stack is not None else []),
        )
        self._has_depth = frame.value_stack is not None
        self._future = _fields(
            (OB_TYPE, "Q"), (task.future_state, "i"), (task.future_callback0, "Q"), (task.future_callbacks, "Q")
        )
        self._locals = at + frame.locals
        self._int_format, self._str_header = layout.object.int_format, layout.object.str_header_ascii
        self._counts_slots = self._embedded and not frame.stack_top_is_pointer
        self._tag_bits = frame.tag_bits

    def read(self, tasks: list[int], deadline: float) -> QuickChains:
        """The chains of these tasks as far as they are usual; those that are done are left out."""
        result = QuickChains([], [], [], [])
        self._kinds: dict[int, int] = {}
        self._places: dict[tuple[int, int, int], tuple[Frame, bool, bool] | None] = {}
        self._type_names: dict[int, str] = {}
        self._frame_types: set[int] = set()
        self._memory.forget()
        try:
            self._in_pools = self._chains.futures_of_pools()
        except InconsistentReadError:
            result.unusual = tasks
            return result
        self._walk = self._walker()
        self._read_usual(tasks, deadline, result)
        return result

    def _read_usual(self, tasks: list[int], deadline: float, result: QuickChains) -> None:
        walked: list[tuple[int, SuspendedCode]] = []
        for position, task in enumerate(tasks):
            if not position % _TASKS_BETWEEN_LOOKS_AT_THE_CLOCK:
                if len(self._memory.pages) > _MAX_PAGES:
                    self._confirm(walked, result)
                    walked = []
                    self._memory.forget()
                if time.monotonic() > deadline:
                    result.rest = tasks[position:]
                    break
            try:
                code = self._walk(task, None)
                if code is not None:
                    walked.append((task, code))
            except (_UnusualError, InconsistentReadError):
                result.unusual.append(task)
        self._confirm(walked, result)

    def _confirm(self, walked: list[tuple[int, SuspendedCode]], result: QuickChains) -> None:
        """Keep what was unchanged when all was read again after the walk: it was all there at the end of the walk."""
        if not walked:
            return
        changed = self._memory.changed_pages(rounds=_ROUNDS)
        if not changed:
            result.found += [code for _, code in walked]
            return
        for task, code in walked:
            if self._is_unchanged(task, changed):
                result.found.append(code)
            else:
                result.torn.append(task)

    def _is_unchanged(self, task: int, changed: dict[int, list[bytes]]) -> bool:
        # The pages are still as the walk saw them: the same walk again tells what its chain was made of. Most looks
        # find nothing changed, and never need to know.
        links: list[int] = []
        self._walk(task, links)
        for start, end in zip(links[::2], links[1::2], strict=True):
            for number in range(start >> 12, (end - 1 >> 12) + 1):
                if number in changed:
                    here = slice(max(start - (number << 12), 0), min(end - (number << 12), PAGE_BYTES))
                    expected = self._memory.pages[number][here]
                    if any(page[here] != expected for page in changed[number]):
                        return False
        return True

    def _kind_of(self, type_address: int) -> int:
        info = self._objects.type_at(type_address)
        kind = self._kinds[type_address] = _KINDS.get(self._chains.usual_kind(info), _OTHER)
        return kind

    def _walker(self) -> Callable[[int, list[int] | None], SuspendedCode | None]:
        """The walk along a task's chain, with all that it needs for each of 10,000 tasks at hand."""
        pages, kinds, places, read, frame_types = (
            self._memory.pages,
            self._kinds,
            self._places,
            self._memory.read,
            self._frame_types,
        )
        tag_bits, locals_at, task_witness = self._tag_bits, self._locals, self._task_witness
        embedded, counts_slots, has_depth = self._embedded, self._counts_slots, self._has_depth
        unpack_word, unpack_two = _WORD.unpack_from, _TWO_WORDS.unpack_from
        unpack_task, unpack_frame = self._task.unpack.unpack_from, self._frame.unpack.unpack_from
        task_size, frame_size = self._task.size, self._frame.size
        of_type, of_state, of_coro, of_name = self._task.order
        f_type, f_state, f_code, f_instruction, f_top, *f_depth = self._frame.order

        def walk(task: int, links: list[int] | None) -> SuspendedCode | None:
            """None for a task that is done. What the chain is made of is added to `links`, if given: begin, end, ..."""
            frames: list[Frame] = []
            through: list[str] = []
            awaits: str | None = None
            name = ""
            waits_for_others = False
            current, kind = task, _TASK
            # Where `current` has its type, and the word behind it: what a wrapper wraps, a coroutine's frame (3.10).
            at = second = 0
            for _ in range(_MAX_LINKS):
                offset = current & _OFFSET
                if kind == _GENERATOR:
                    holder = current
                    if not embedded:
                        holder = second
                        offset = holder & _OFFSET
                    if offset + frame_size <= PAGE_BYTES:
                        fields = unpack_frame(pages[holder >> 12], offset)
                    else:
                        fields = unpack_frame(read(holder, frame_size))
                    if not embedded and fields[f_type] not in frame_types:
                        if not self._is_frame(holder):
                            raise _UnusualError
                        frame_types.add(fields[f_type])
                    place = fields[f_code], fields[f_instruction], fields[f_state]
                    try:
                        known = places[place]
                    except KeyError:
                        known = self._place(current, place)
                    if known is None:
                        raise _UnusualError
                    frame, awaiting, waits_for_others = known
                    frames.append(frame)
                    first = holder + locals_at
                    top_at = first + 8 * fields[f_top] if counts_slots else fields[f_top]
                    if has_depth:
                        top_at += 8 * fields[f_depth[0]]
                    top_at -= 8
                    if not awaiting or not first <= top_at <= first + _MAX_STACK_BYTES or top_at & 7:
                        raise _UnusualError
                    if links is not None:
                        links += (at, at + 16, holder + OB_TYPE, top_at + 8)
                    following = unpack_word(pages[top_at >> 12], top_at & _OFFSET)[0]
                    if tag_bits:
                        if following & tag_bits == tag_bits or following < 8:
                            top_at -= 8
                            following = unpack_word(pages[top_at >> 12], top_at & _OFFSET)[0]
                            if top_at < first or following & tag_bits == tag_bits:
                                raise _UnusualError
                        following &= ~tag_bits
                elif kind == _WRAPPER:
                    following = second
                    if links is not None:
                        links += (at, at + 16)
                elif kind == _TASK:
                    if offset + task_size <= PAGE_BYTES:
                        fields = unpack_task(pages[current >> 12], offset)
                    else:
                        fields = unpack_task(read(current, task_size))
                    if fields[of_state]:
                        if current == task:
                            if kinds.get(fields[of_type]) != _TASK:
                                raise _UnusualError
                            return None
                        awaits = self._objects.type_at(fields[of_type]).name
                        break
                    text = self._name(fields[of_name])
                    if current == task:
                        if (kinds.get(fields[of_type]) or self._kind_of(fields[of_type])) != _TASK:
                            raise _UnusualError
                        name = text
                    else:
                        through.append(text)
                    if links is not None:
                        links += (current + OB_TYPE, current + task_witness)
                    following = fields[of_coro]
                else:
                    awaits = self._awaited_future(current, waits_for_others)
                    break
                if not following or following & 7:
                    raise _UnusualError
                current = following
                at = current + OB_TYPE
                if at & _OFFSET <= PAGE_BYTES - 16:
                    type_address, second = unpack_two(pages[at >> 12], at & _OFFSET)
                else:
                    type_address, second = unpack_two(read(at, 16))
                kind = kinds.get(type_address) or self._kind_of(type_address)
                if kind == _OTHER:
                    raise _UnusualError
            else:
                raise _UnusualError
            return SuspendedCode("task", name, tuple(frames), awaits, tuple(through))

        return walk

    def _place(self, generator: int, place: tuple[int, int, int]) -> tuple[Frame, bool, bool] | None:
        """What a generator in this place of its code is at: its frame, whether it awaits, and maybe for other tasks."""
        found = self._frames.generator(generator, [])
        known = None
        if found.state is GeneratorState.SUSPENDED and found.frame is not None:
            frame = self._frames.describe(found.frame)
            known = frame, found.waits_for is not None, self._chains.may_wait_for_others(frame)
        self._places[place] = known
        return known

    def _awaited_future(self, address: int, waits_for_others: bool) -> str:
        """The type's name of a future at the end; one that stands for something else is unusual."""
        pages, fields = self._memory.pages, self._future
        offset = address & _OFFSET
        if offset + fields.size <= PAGE_BYTES:
            values = fields.unpack.unpack_from(pages[address >> 12], offset)
        else:
            values = fields.unpack.unpack(self._memory.read(address, fields.size))
        of_type, of_state, of_first, of_more = fields.order
        if not values[of_state]:
            if waits_for_others or address in self._in_pools:
                raise _UnusualError
            if values[of_more] and self._type_name(values[of_more]) != "NoneType":
                raise _UnusualError
            if values[of_first] and self._type_name(values[of_first]) == "function":
                raise _UnusualError
        elif not 0 <= values[of_state] <= 2:
            raise _UnusualError
        return self._type_names.get(values[of_type]) or self._name_of_type(values[of_type])

    def _is_frame(self, address: int) -> bool:
        return not address & 7 and self._type_name(address) == _FRAME

    def _type_name(self, address: int) -> str:
        at = address + OB_TYPE
        type_address = (
            self._memory.u64(at) if at & 7 else _WORD.unpack_from(self._memory.pages[at >> 12], at & _OFFSET)[0]
        )
        return self._type_names.get(type_address) or self._name_of_type(type_address)

    def _name_of_type(self, type_address: int) -> str:
        name = self._type_names[type_address] = self._objects.type_at(type_address).name
        return name

    def _name(self, address: int) -> str:
        """A task's name; 3.12 and later keep the number of an unnamed one only."""
        offset = address & _OFFSET
        if offset + _NAME.size <= PAGE_BYTES:
            page = self._memory.pages[address >> 12]
            of_type, size, value, state = _NAME.unpack_from(page, offset)
            kind = self._type_names.get(of_type) or self._name_of_type(of_type)
            if kind == "int" and size == _ONE_DIGIT and self._int_format == "tag":
                return f"Task-{value & _DIGIT}"
            if kind == "str" and state & _ASCII == _ASCII and 0 < size <= _LONGEST_NAME:
                start = offset + self._str_header
                if start + size <= PAGE_BYTES:
                    return page[start : start + size].decode("latin-1")
                return self._memory.read(address + self._str_header, size).decode("latin-1")
        name = self._objects.simple_value(address)
        if isinstance(name, str):
            return name
        if not isinstance(name, int):
            raise _UnusualError
        return f"Task-{name}"
