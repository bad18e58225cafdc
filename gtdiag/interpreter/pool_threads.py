"""Turns a future that stands for a call in a thread pool into the frames of the thread that runs this call.

concurrent.futures of 3.8 to 3.15: `_WorkItem.run` has the item as `self`, and that its future. anyio 3 and 4 (and so
Starlette's `run_in_threadpool`): `WorkerThread.run` has the event loop's own future in its local `future`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, RawFrame
from gtdiag.interpreter.objects import ObjectReader
from gtdiag.interpreter.threads import ThreadReader

_RUN = "run"
_HOLDS_THE_FUTURE: tuple[tuple[str, str, str | None], ...] = (
    ("concurrent/futures/thread.py", "self", "future"),
    ("anyio/_backends/_asyncio.py", "future", None),
)
"""File of a frame named `run`, its local variable, and where needed that one's attribute."""
_MAX_OUTER_FRAMES = 12
"""A pool's own frames are a thread's outermost ones."""


class PoolThreadReader:
    """Looks for the calls that thread pools of one interpreter are running."""

    def __init__(self, objects: ObjectReader, frames: FrameReader, threads: ThreadReader) -> None:
        self._objects = objects
        self._frames = frames
        self._threads = threads
        self._stacks: list[tuple[list[RawFrame], bool]] | None = None
        self._calls: dict[int, tuple[list[RawFrame], bool]] = {}

    def frames_of(self, future: int) -> tuple[list[RawFrame], bool]:
        """The frames of the call that will set this future, outermost first, and whether they held still."""
        return self.calls().get(future, ([], True))

    def calls(self) -> Mapping[int, tuple[list[RawFrame], bool]]:
        """Every call that a pool runs, by the future it will set; the same until the next look."""
        stacks = self._threads.stacks()
        if stacks is not self._stacks:  # a new look
            self._stacks = stacks
            self._calls = {}
            for stack, stable in stacks:
                for position, raw in enumerate(stack[:_MAX_OUTER_FRAMES]):
                    if run_by := self._future_run_by(raw):
                        inner = position + 1
                        while inner < len(stack) and self._is_pools_own(stack[inner]):
                            inner += 1
                        self._calls[run_by] = (stack[inner:], stable)
        return self._calls

    def _future_run_by(self, raw: RawFrame) -> int | None:
        with suppress(InconsistentReadError):
            code = self._frames.code(raw.code)
            if code.name != _RUN:
                return None
            for file, variable, attribute in _HOLDS_THE_FUTURE:
                if code.file.endswith(file):
                    held = self._frames.local(raw, variable)
                    return self._objects.attribute(held, attribute) if held and attribute else held
        return None

    def _is_pools_own(self, raw: RawFrame) -> bool:
        """`WorkerContext.run`, which 3.14 and later have in between."""
        with suppress(InconsistentReadError):
            code = self._frames.code(raw.code)
            return code.name == _RUN and code.file.endswith(_HOLDS_THE_FUTURE[0][0])
        return False

    def is_queued(self, concurrent_future: int) -> bool:
        """Whether a concurrent.futures.Future is of a call that no thread has begun yet."""
        state = self._objects.attribute(concurrent_future, "_state")
        return state is not None and self._objects.simple_value(state) == "PENDING"
