"""The memory of real interpreters, read with bits flipped: what a look makes of bytes that lie."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gtdiag.interpreter import Interpreter, open_interpreter
from gtdiag.interpreter.elf import find_interpreter
from gtdiag.interpreter.layout import known_versions
from gtdiag.interpreter.memory import PAGE_BYTES, ProcessMemory
from tests.unit.interpreter.target_process import PROGRAMS, TargetProcess, interpreters

LIE = struct.Struct("<HH8s")
"""Which page, where in it, and what stands there."""
MOST_FRAMES = 4000


class FlippedMemory(ProcessMemory):
    """What one honest look read, page by page, with lies laid over it."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.image: dict[int, bytes] = {}
        self.lies: dict[int, list[tuple[int, bytes]]] = {}

    def tell(self, data: bytes) -> None:
        """The lies of the next look; pages are counted in the order of their addresses."""
        numbers = sorted(self.image)
        self.lies = {}
        for page, offset, value in LIE.iter_unpack(data[: len(data) // LIE.size * LIE.size]):
            if numbers:
                self.lies.setdefault(numbers[page % len(numbers)], []).append((offset % PAGE_BYTES, value))

    def read_fresh(self, address: int, size: int) -> bytes:
        """A page of the image, or memory that no look has read yet."""
        number, offset = divmod(address, PAGE_BYTES)
        if offset or size != PAGE_BYTES:
            return super().read_fresh(address, size)
        if number not in self.image:
            self.image[number] = super().read_fresh(address, size)
        page = self.image[number]
        if number in self.lies:
            flipped = bytearray(page)
            for at, value in self.lies[number]:
                flipped[at : at + len(value)] = value
            page = bytes(flipped[:PAGE_BYTES])
        return page

    def changed_pages(self, rounds: int) -> dict[int, list[bytes]]:
        """None: the lies stay for a whole look."""
        return {}


@contextlib.contextmanager
def flipped_memories() -> Iterator[tuple[Sequence[bytes], Callable[[bytes], None]]]:
    """Inputs to begin from, and what looks at every version of CPython in turn with an input's lies."""
    with contextlib.ExitStack() as stack:
        opened: list[tuple[FlippedMemory, Interpreter]] = []
        for python in (path for version, path in interpreters().items() if version in known_versions()):
            target = stack.enter_context(TargetProcess(python, PROGRAMS / "await_chains.py", "c"))
            target.told()
            maps = Path(f"/proc/{target.pid}/maps").read_text(encoding="utf-8")
            with open_interpreter(target.pid) as honest:
                layout, version = honest.layout, honest.version
            memory = FlippedMemory(target.pid)
            runtime = find_interpreter(target.pid, maps).runtime_address
            interpreter = stack.enter_context(Interpreter(memory, layout, runtime, version))
            _look(interpreter)
            opened.append((memory, interpreter))
        rng = random.Random(1)
        turn = 0

        def read(data: bytes) -> None:
            nonlocal turn
            memory, interpreter = opened[turn % len(opened)]
            turn += 1
            memory.tell(data)
            _look(interpreter)

        most = max(len(memory.image) for memory, _ in opened)
        values = (b"\0" * 8, b"\xff" * 8, b"\x01" + bytes(7), b"\x7f" * 8)
        seeds = []
        for _ in range(2000):
            lies = []
            for _ in range(rng.randrange(1, 6)):
                page = rng.choice([*rng.choice(opened)[0].image.values()])
                at = rng.randrange(PAGE_BYTES) & ~7
                lie = rng.choice((*values, rng.randbytes(8), page[at : at + 8]))  # a word of elsewhere: a true pointer
                lies.append(LIE.pack(rng.randrange(most), rng.randrange(PAGE_BYTES) & ~7, lie))
            seeds.append(b"".join(lies))
        yield seeds, read


def _look(interpreter: Interpreter) -> None:
    reading = interpreter.read_suspended(max_seconds=1.0)
    assert all(len(code.frames) <= MOST_FRAMES for code in reading.suspended)
    interpreter.read_threads()
    interpreter.read_requests(max_seconds=0.2)
    interpreter.read_named_hosts()
    arbiter = interpreter.read_module_attribute("sys", "path")
    if arbiter is not None:
        arbiter.keys()
        arbiter.length()
        arbiter.value()
