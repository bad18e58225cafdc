"""Reads frames of CPython 3.11 and later: _PyInterpreterFrame, embedded in a generator or on a thread's own stack."""

from __future__ import annotations

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import MAX_STACK_FRAMES, GeneratorFrame, GeneratorState, RawFrame, Witnesses
from gtdiag.interpreter.memory import words
from gtdiag.interpreter.objects import OB_TYPE, ObjectReader

_OWNED_BY_GENERATOR = 1
_FIRST_ARTIFICIAL_OWNER = 3
"""FRAME_OWNED_BY_CSTACK (3.12) and what came after it: entry frames of the evaluation loop, no Python code."""
_AWAITING = ("awaiting", "awaiting_locked")
_MAX_STACK_SLOTS = 20_000
_CODE_UNIT_BYTES = 2
_FRAME_OBJECT_FRAME = 24
"""PyFrameObject.f_frame, 3.11 and later (pycore_frame.h)."""
_FRAME_WORDS_TO_KEEP = 8
"""Of a coroutine that never began: enough to hold its code and its instruction."""
_RESUME_PLACE_MASK = 3
_RESUME_AFTER_YIELD_FROM = 2
"""The argument of RESUME: 0 function start, 1 after yield, 2 after yield from, 3 after await (CPython sources)."""


class EmbeddedFrames:
    """`FrameFamily` of 3.11 and later."""

    def __init__(self, objects: ObjectReader) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._layout = objects.layout
        self._states = {number: name for name, number in objects.layout.generator.states}

    def _raw(self, frame: int) -> RawFrame:
        layout = self._layout
        code = self._memory.u64(frame + layout.frame.code) & ~layout.frame.tag_bits
        if self._objects.type_of(code).name != "code":
            raise InconsistentReadError(f"no frame at {frame:#x}")
        offset = self._memory.u64(frame + layout.frame.instruction) - (code + layout.code.instructions)
        return RawFrame(frame, code, offset)

    def generator(self, address: int, witnesses: Witnesses) -> GeneratorFrame:
        """The frame of a coroutine, generator or async generator."""
        layout, memory = self._layout, self._memory
        type_at = address + OB_TYPE
        state = self._states.get(memory.i8(address + (layout.generator.frame_state or 0)))
        if state is None:
            raise InconsistentReadError(f"no generator state at {address:#x}")
        frame = address + layout.generator.frame
        if state in ("completed", "cleared"):
            return GeneratorFrame(GeneratorState.FINISHED, None, None)
        if state == "executing":
            return GeneratorFrame(GeneratorState.RUNNING, self._raw(frame), None)
        raw = self._raw(frame)
        if state == "created":
            witnesses.append((type_at, memory.read(type_at, frame + 8 * _FRAME_WORDS_TO_KEEP - type_at)))
            return GeneratorFrame(GeneratorState.CREATED, RawFrame(frame, raw.code, -1), None)
        top_at, top = self._stack_top(frame)
        # One piece of memory holds type, state, instruction, stack depth and top of stack: all that a link depends on.
        witnesses.append((type_at, memory.read(type_at, top_at + 8 - type_at)))
        awaiting = state in _AWAITING or (state == "suspended" and self._is_at_await(address, raw))
        return GeneratorFrame(GeneratorState.SUSPENDED, raw, top if awaiting else None)

    def _stack_top(self, frame: int) -> tuple[int, int]:
        """Where the highest object of a frame's value stack is, and its address."""
        layout, memory = self._layout.frame, self._memory
        first = frame + layout.locals
        if not layout.stack_top_is_pointer:
            slots = memory.i32(frame + layout.stack_top)
        else:
            slots, odd = divmod(memory.u64(frame + layout.stack_top) - first, 8)
            slots = -1 if odd else slots
        if not 0 < slots <= _MAX_STACK_SLOTS:
            raise InconsistentReadError(f"a value stack of {slots} at {frame:#x}")
        top_at = first + 8 * (slots - 1)
        top = self._untagged(memory.u64(top_at))
        if not top and layout.tag_bits and slots > 1:
            # 3.15: an iterator's index, or nothing, lies above what is awaited.
            top = self._untagged(memory.u64(top_at - 8))
        return top_at, top

    def _untagged(self, reference: int) -> int:
        """A stack reference's object; 0 for a tagged int and for none."""
        tag_bits = self._layout.frame.tag_bits
        return 0 if tag_bits and reference & tag_bits == tag_bits else reference & ~tag_bits

    def _is_at_await(self, address: int, raw: RawFrame) -> bool:
        if not self._layout.frame.resume_opcodes:
            return False  # 3.13 and later have a state of their own for it
        if self._objects.type_of(address).name == "coroutine":
            return True  # nothing else can suspend a coroutine
        next_instruction = raw.code + self._layout.code.instructions + raw.offset_bytes + _CODE_UNIT_BYTES
        opcode, argument = self._memory.read(next_instruction, 2)
        return (
            opcode in self._layout.frame.resume_opcodes and (argument & _RESUME_PLACE_MASK) >= _RESUME_AFTER_YIELD_FROM
        )

    def thread_stack(self, thread_state: int) -> list[RawFrame]:
        """The frames a thread is running, innermost first; entry frames and frames not yet set up are left out."""
        layout, memory = self._layout, self._memory
        holder = thread_state
        if layout.thread.cframe is not None:
            holder = memory.u64(thread_state + layout.thread.cframe)
        return self._stack_from(memory.u64(holder + layout.thread.current_frame) if holder else 0)

    def object_stack(self, frame_object: int) -> list[RawFrame]:
        """The frames from a frame object outwards, innermost first."""
        if self._objects.type_of(frame_object).name != "frame":
            raise InconsistentReadError(f"no frame at {frame_object:#x}")
        return self._stack_from(self._memory.u64(frame_object + _FRAME_OBJECT_FRAME))

    def _stack_from(self, frame: int) -> list[RawFrame]:
        layout, memory = self._layout, self._memory
        frames: list[RawFrame] = []
        seen: set[int] = set()
        while frame and len(frames) < MAX_STACK_FRAMES:
            if frame in seen:
                raise InconsistentReadError("a stack that leads back into itself")
            seen.add(frame)
            owner = memory.i8(frame + (layout.frame.owner or 0))
            if owner < _FIRST_ARTIFICIAL_OWNER:
                raw = self._raw(frame)
                if owner == _OWNED_BY_GENERATOR or not self._is_incomplete(raw):
                    frames.append(raw)
            frame = memory.u64(frame + layout.frame.previous)
        return frames

    def _is_incomplete(self, raw: RawFrame) -> bool:
        at = self._layout.code.first_traceable
        return at is not None and raw.offset_bytes < self._memory.i32(raw.code + at) * _CODE_UNIT_BYTES

    def local_slots(self, frame: RawFrame, count: int) -> tuple[int, ...]:
        """The first `count` words of a frame's local variables."""
        slots = words(self._memory.read(frame.address + self._layout.frame.locals, 8 * count))
        return tuple(map(self._untagged, slots)) if self._layout.frame.tag_bits else slots
