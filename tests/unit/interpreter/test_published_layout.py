"""CPython 3.14 and later publish how they lie in memory: read, checked, refused where it does not check out."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.interpreter import UnsupportedInterpreterError, open_interpreter
from gtdiag.interpreter.debug_offsets import HEAD_BYTES, DebugOffsetsError, read_published_layout
from gtdiag.interpreter.elf import find_interpreter
from gtdiag.interpreter.layout import known_versions
from gtdiag.interpreter.memory import ProcessMemory
from gtdiag.interpreter.reader import read_interpreter

from .target_process import INTERPRETERS, PROGRAMS, TargetProcess, interpreters

pytestmark = pytest.mark.live
PUBLISHING = [version for version in known_versions() if read_published_layout(version)]


@pytest.fixture(params=PUBLISHING)
def target(request: pytest.FixtureRequest) -> Iterator[tuple[str, TargetProcess]]:
    python = interpreters().get(request.param)
    if python is None:
        pytest.skip(f"no CPython {request.param} here: tests/interpreters/set_up.py fetches it")
    with TargetProcess(python, PROGRAMS / "many_tasks.py", "3") as process:
        process.told()
        yield request.param, process


class OtherOffsets(ProcessMemory):
    """The memory of a real process whose debug offsets are others than they are."""

    def __init__(self, pid: int, runtime_address: int, offsets: bytes) -> None:
        super().__init__(pid)
        self.runtime_address = runtime_address
        self.offsets = offsets

    def read_fresh(self, address: int, size: int) -> bytes:
        data = bytearray(super().read_fresh(address, size))
        for at, byte in enumerate(self.offsets, self.runtime_address - address):
            if 0 <= at < size:
                data[at] = byte
        return bytes(data)


def offsets_of(target: TargetProcess) -> tuple[int, bytes]:
    place = find_interpreter(target.pid, Path(f"/proc/{target.pid}/maps").read_text(encoding="utf-8"))
    memory = ProcessMemory(target.pid)
    data = memory.read_fresh(place.runtime_address, 1024)
    memory.close()
    return place.runtime_address, data


def read_with(target: TargetProcess, offsets: bytes) -> int:
    """How many tasks are found in a process whose offsets begin like this."""
    place = find_interpreter(target.pid, Path(f"/proc/{target.pid}/maps").read_text(encoding="utf-8"))
    memory = OtherOffsets(target.pid, place.runtime_address, offsets)
    try:
        return len(read_interpreter(target.pid, memory, place).read_suspended().suspended)
    finally:
        memory.close()


def test_a_later_version_with_the_newest_known_offsets_is_read(target: tuple[str, TargetProcess]) -> None:
    version, process = target
    if version != PUBLISHING[-1]:
        pytest.skip("only the newest order is tried for later versions")
    _, data = offsets_of(process)
    later = struct.pack("<Q", 0x031000F0)
    assert read_with(process, data[:8] + later + data[16:HEAD_BYTES]) == 4


def test_a_list_with_one_word_more_anywhere_is_refused(target: tuple[str, TargetProcess]) -> None:
    """What a later version is likely to do: every word behind the new one would be misread."""
    version, process = target
    published = read_published_layout(version)
    assert published is not None
    _, data = offsets_of(process)
    words = [data[at : at + 8] for at in range(HEAD_BYTES, published.size_bytes + 8, 8)]
    for position in range(len(published.words)):
        for new in (0, 8, 64, 7000):
            longer = [*words[:position], struct.pack("<Q", new), *words[position:]]
            with pytest.raises(UnsupportedInterpreterError, match="debug offsets"):
                read_with(process, data[:HEAD_BYTES] + b"".join(longer)[: published.size_bytes - HEAD_BYTES])


def test_a_list_with_one_word_less_anywhere_is_refused(target: tuple[str, TargetProcess]) -> None:
    version, process = target
    published = read_published_layout(version)
    assert published is not None
    _, data = offsets_of(process)
    words = [data[at : at + 8] for at in range(HEAD_BYTES, published.size_bytes + 8, 8)]
    for position in range(len(published.words) - 1):
        shorter = [*words[:position], *words[position + 1 :]]
        with pytest.raises(UnsupportedInterpreterError, match="debug offsets"):
            read_with(process, data[:HEAD_BYTES] + b"".join(shorter)[: published.size_bytes - HEAD_BYTES])


def test_an_older_order_is_refused_as_well(target: tuple[str, TargetProcess]) -> None:
    version, process = target
    _, data = offsets_of(process)
    other = next(other for other in PUBLISHING if other != version)
    number = struct.pack("<Q", 0x03000000 | int(other.partition(".")[2]) << 16 | 0xF0)
    with pytest.raises(UnsupportedInterpreterError, match="debug offsets"):
        read_with(process, data[:8] + number + data[16:])


def test_a_free_threaded_build_is_named(target: tuple[str, TargetProcess]) -> None:
    """By the flag among the debug offsets."""
    version, process = target
    _, data = offsets_of(process)
    with pytest.raises(UnsupportedInterpreterError, match=f"free-threaded CPython {version}t"):
        read_with(process, data[:16] + struct.pack("<Q", 1))


def test_offsets_of_asyncio_that_do_not_fit_are_refused() -> None:
    published = read_published_layout(PUBLISHING[-1])
    assert published is not None
    fits = (168, 136, 96, 108, 109, 128, 152, 226240, 10856, 1104, 1024, 1032, 1048)
    interpreter = {"interpreter_state.size": 226240}
    assert published.parse_asyncio(struct.pack("<13Q", *fits), interpreter)["asyncio_task.coro"] == 128
    for position in range(len(fits) - 1):
        for new in (0, 8, 64, 7000):
            longer = (*fits[:position], new, *fits[position:])
            with pytest.raises(DebugOffsetsError):
                published.parse_asyncio(struct.pack("<13Q", *longer[:13]), interpreter)
        shorter = (*fits[:position], *fits[position + 1 :], 0)
        with pytest.raises(DebugOffsetsError):
            published.parse_asyncio(struct.pack("<13Q", *shorter), interpreter)
    with pytest.raises(DebugOffsetsError, match="cut off"):
        published.parse_asyncio(b"", interpreter)


def test_asyncio_that_is_imported_after_the_first_look(target: tuple[str, TargetProcess]) -> None:
    version, _ = target
    code = (
        "import sys; print('true', flush=True); sys.stdin.readline(); import asyncio\n"
        "async def waits(): print('true', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(waits())"
    )
    with TargetProcess(interpreters()[version], "-c", code) as late:
        late.told()
        with open_interpreter(late.pid) as interpreter:
            assert interpreter.read_suspended().suspended == ()
            late.say()
            late.told()
            functions: list[list[str]] = []
            while functions != [["waits", "Event.wait"]]:
                functions = [[f.function for f in code.frames] for code in interpreter.read_suspended().suspended]


def test_tasks_of_several_threads_and_of_one_that_has_ended(target: tuple[str, TargetProcess]) -> None:
    version, _ = target
    with TargetProcess(interpreters()[version], PROGRAMS / "tasks_in_threads.py") as threads:
        told = threads.told()
        with open_interpreter(threads.pid) as interpreter:
            seen = sorted(code.name for code in interpreter.read_suspended().suspended)
        assert seen == sorted(told)
        assert len(seen) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process in a chroot")
def test_a_process_in_a_chroot(target: tuple[str, TargetProcess]) -> None:
    """Its paths mean nothing out here; its files are seen through /proc/PID/root."""
    version, _ = target
    chroot = INTERPRETERS / "debian"
    program = (PROGRAMS / "many_tasks.py").read_text(encoding="utf-8")
    with subprocess.Popen(
        ["chroot", chroot, f"/usr/bin/python{version}", "-c", program, "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as inside:
        assert inside.stdout is not None
        try:
            assert inside.stdout.readline()
            with open_interpreter(inside.pid) as interpreter:
                assert len(interpreter.read_suspended().suspended) == 4
                assert interpreter.version[:2] == tuple(int(part) for part in version.split("."))
        finally:
            inside.kill()
