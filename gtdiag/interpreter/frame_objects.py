"""Reads frames of CPython 3.8 to 3.10: PyFrameObject, which a generator or thread points to."""

from __future__ import annotations

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import MAX_STACK_FRAMES, GeneratorFrame, GeneratorState, RawFrame, Witnesses
from gtdiag.interpreter.memory import words
from gtdiag.interpreter.objects import BYTES_DATA, OB_TYPE, ObjectReader

_CODE_UNIT_BYTES = 2
_MAX_STACK_SLOTS = 20_000
_WITNESSED_FROM, _WITNESSED_BYTES = 8, 112
"""From a frame's type to its state: code, stack pointers and last instruction are all in between."""
_STATES = {
    "created": GeneratorState.CREATED,
    "suspended": GeneratorState.SUSPENDED,
    "executing": GeneratorState.RUNNING,
}


class FrameObjects:
    """`FrameFamily` of 3.8 to 3.10."""

    def __init__(self, objects: ObjectReader) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._layout = objects.layout
        self._states = {number: name for name, number in objects.layout.generator.states}

    def _raw(self, frame: int) -> RawFrame:
        layout = self._layout.frame
        if self._objects.type_of(frame).name != "frame":
            raise InconsistentReadError(f"no frame at {frame:#x}")
        instruction = self._memory.i32(frame + layout.instruction)
        offset = instruction * layout.instruction_unit_bytes if instruction >= 0 else -1
        return RawFrame(frame, self._memory.u64(frame + layout.code), offset)

    def _state(self, raw: RawFrame) -> GeneratorState:
        layout = self._layout.frame
        if layout.state is not None:
            name = self._states.get(self._memory.i8(raw.address + layout.state))
            if name is None:
                raise InconsistentReadError(f"no frame state at {raw.address:#x}")
            return _STATES.get(name, GeneratorState.FINISHED)
        executing = self._memory.i8(raw.address + (layout.executing or 0))
        if executing not in (0, 1):
            raise InconsistentReadError(f"no frame at {raw.address:#x}")
        if executing:
            return GeneratorState.RUNNING
        return GeneratorState.CREATED if raw.offset_bytes < 0 else GeneratorState.SUSPENDED

    def generator(self, address: int, witnesses: Witnesses) -> GeneratorFrame:
        """The frame of a coroutine, generator or async generator."""
        memory = self._memory
        frame_at = address + self._layout.generator.frame
        witnesses.append((address + OB_TYPE, memory.read(address + OB_TYPE, frame_at + 8 - address - OB_TYPE)))
        frame = memory.u64(frame_at)
        if not frame:
            return GeneratorFrame(GeneratorState.FINISHED, None, None)
        raw = self._raw(frame)
        state = self._state(raw)
        if state is GeneratorState.FINISHED:
            return GeneratorFrame(state, None, None)
        if state is GeneratorState.RUNNING:
            return GeneratorFrame(state, raw, None)
        witnesses.append((frame + _WITNESSED_FROM, memory.read(frame + _WITNESSED_FROM, _WITNESSED_BYTES)))
        waits_for = None
        if state is GeneratorState.SUSPENDED and self._is_at_await(raw):
            top_at = self._stack_top(frame)
            witnesses.append((top_at, memory.read(top_at, 8)))
            waits_for = memory.u64(top_at)
        return GeneratorFrame(state, raw, waits_for)

    def _stack_top(self, frame: int) -> int:
        layout, memory = self._layout.frame, self._memory
        first = frame + layout.locals
        if layout.value_stack is not None:
            depth = memory.i32(frame + layout.stack_top)
            behind = memory.u64(frame + layout.value_stack) + 8 * depth
        else:
            behind = memory.u64(frame + layout.stack_top)
        # The value stack lies in the frame itself, behind its local variables.
        if not first < behind <= first + 8 * _MAX_STACK_SLOTS:
            raise InconsistentReadError(f"no value stack at {frame:#x}")
        return behind - 8

    def _is_at_await(self, raw: RawFrame) -> bool:
        code_bytes = self._memory.u64(raw.code + self._layout.code.instructions)
        next_instruction = code_bytes + BYTES_DATA + raw.offset_bytes + _CODE_UNIT_BYTES
        return self._memory.read(next_instruction, 1)[0] in self._layout.frame.yield_from_opcodes

    def thread_stack(self, thread_state: int) -> list[RawFrame]:
        """The frames a thread is running, innermost first."""
        return self.object_stack(self._memory.u64(thread_state + self._layout.thread.current_frame))

    def object_stack(self, frame_object: int) -> list[RawFrame]:
        """The frames from a frame object outwards, innermost first."""
        memory, frame = self._memory, frame_object
        frames: list[RawFrame] = []
        seen: set[int] = set()
        while frame and len(frames) < MAX_STACK_FRAMES:
            if frame in seen:
                raise InconsistentReadError("a stack that leads back into itself")
            seen.add(frame)
            frames.append(self._raw(frame))
            frame = memory.u64(frame + self._layout.frame.previous)
        return frames

    def local_slots(self, frame: RawFrame, count: int) -> tuple[int, ...]:
        """The first `count` words of a frame's local variables, then cells and free variables."""
        return words(self._memory.read(frame.address + self._layout.frame.locals, 8 * count))
