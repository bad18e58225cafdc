"""Lists the interpreter's threads and reads the frames that each is running."""

from __future__ import annotations

from dataclasses import dataclass

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, RawFrame
from gtdiag.interpreter.objects import ObjectReader
from gtdiag.interpreter.thread_ids import ThreadIds

_MAX_INTERPRETERS = 64
_MAX_THREADS = 4096


@dataclass(frozen=True, slots=True)
class ThreadState:
    """A PyThreadState: its address, pthread's id and the kernel's as /proc shows it here (0: not known)."""

    address: int
    thread_id: int
    native_thread_id: int


class ThreadReader:
    """Threads of every (sub)interpreter of one process; remembers their stacks for one look."""

    def __init__(self, objects: ObjectReader, frames: FrameReader, runtime_address: int) -> None:
        self._memory = objects.memory
        self._layout = objects.layout
        self._frames = frames
        self._runtime_address = runtime_address
        self._ids = ThreadIds(objects.memory.pid)
        self._stacks: list[tuple[list[RawFrame], bool]] | None = None

    def forget(self) -> None:
        """Begin a new look."""
        if not self._memory.at_rest:
            self._stacks = None
            self._ids.forget()

    def interpreters(self) -> list[int]:
        """Addresses of the interpreter states; the main one is last."""
        layout = self._layout.runtime
        found: list[int] = []
        current = self._memory.u64(self._runtime_address + layout.interpreters_head)
        while current and len(found) < _MAX_INTERPRETERS:
            if current in found:
                raise InconsistentReadError("a list of interpreters that leads back into itself")
            found.append(current)
            current = self._memory.u64(current + layout.interpreter_next)
        return found

    def modules(self, interpreter: int) -> int:
        """Address of an interpreter's `sys.modules` (0 while it is being set up)."""
        return self._memory.u64(interpreter + self._layout.runtime.interpreter_modules)

    def threads(self) -> list[ThreadState]:
        """Every thread that has run Python code and not ended."""
        layout, memory = self._layout.thread, self._memory
        found: list[ThreadState] = []
        seen: set[int] = set()
        for interpreter in self.interpreters():
            current = memory.u64(interpreter + self._layout.runtime.interpreter_threads_head)
            while current and len(found) < _MAX_THREADS and current not in seen:
                seen.add(current)
                native = layout.native_thread_id
                found.append(
                    ThreadState(
                        address=current,
                        thread_id=memory.u64(current + layout.thread_id),
                        native_thread_id=self._ids.outer(memory.u64(current + native)) if native is not None else 0,
                    )
                )
                current = memory.u64(current + layout.next)
        return found

    def stacks(self) -> list[tuple[list[RawFrame], bool]]:
        """Each thread's frames, outermost first, and whether they held still."""
        if self._stacks is None:
            self._stacks = [self._frames.stable_stack(thread.address) for thread in self.threads()]
        return self._stacks

    def stack_through(self, frame: int) -> tuple[list[RawFrame], bool]:
        """The frames from the one at address `frame` inwards, on whichever thread runs it; empty where none does."""
        for stack, stable in self.stacks():
            for position, raw in enumerate(stack):
                if raw.address == frame:
                    return stack[position:], stable
        return [], False
