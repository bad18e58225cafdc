"""A process's threads to what each waits for by the kernel: state, kernel function, system call, descriptors."""

from __future__ import annotations

import contextlib
import os
import platform
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gtdiag.collectors.descriptors import read_descriptor, read_epoll_targets, read_peer_process
from gtdiag.gunicorn.proc_files import parse_stat, read_children, read_inner_pid
from gtdiag.model.stacks import KernelWait, PeerProcess, WaitedDescriptor
from gtdiag.rules.system_calls import SystemCall, match_system_call

MAX_THREADS = 48
MAX_DESCRIPTORS = 64
"""More than this tells nobody what a thread waits for; an epoll set of a busy server has thousands."""
MAX_POLL_ENTRIES = 4096
MAX_SELECT_DESCRIPTORS = 65536
POLL_ENTRY = struct.Struct("=ihh")
WORD_BYTES = 8
TIMER_ABSTIME = 1
WAIT_FOR_PID = 1
"""P_PID of waitid(2)."""
POLL_READ, POLL_WRITE = 0x1, 0x4
"""POLLIN and POLLOUT of poll(2), the same bits as EPOLLIN and EPOLLOUT."""

ReadMemory = Callable[[int, int], bytes]
"""Address and size to bytes; raises OSError or ValueError."""


@dataclass(frozen=True, slots=True)
class SystemCallLine:
    """One line of /proc/PID/task/TID/syscall: the number and its six arguments."""

    number: int
    arguments: tuple[int, ...]


def read_thread_waits(pid: int) -> tuple[KernelWait, ...]:
    """Read what the threads of a process wait for, its main thread first.

    System calls are None where this user may not ptrace the process. Raises ProcessLookupError when it is gone.
    """
    try:
        threads = sorted((int(name) for name in os.listdir(f"/proc/{pid}/task")), key=lambda tid: (tid != pid, tid))  # noqa: PTH208
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    machine = platform.machine()
    memory = _MemoryFile(pid)
    try:
        return tuple(
            wait for tid in threads[:MAX_THREADS] if (wait := _read_thread(pid, tid, machine, memory.read)) is not None
        )
    finally:
        memory.close()


def parse_system_call(text: str) -> SystemCallLine | None:
    """Parse the file (proc(5)); None for a thread that runs, or sleeps outside of a system call (a page fault)."""
    words = text.split()
    if len(words) < 7:
        return None
    try:
        return SystemCallLine(int(words[0]), tuple(int(word, 16) for word in words[1:7]))
    except ValueError:
        return None


def read_poll_set(address: int, length: int, read_memory: ReadMemory) -> dict[int, int]:
    """Read an array of `struct pollfd`: descriptor to events waited for."""
    if not 0 < length <= MAX_POLL_ENTRIES:
        return {}
    data = read_memory(address, length * POLL_ENTRY.size)
    return {fd: events for fd, events, _ in POLL_ENTRY.iter_unpack(data) if fd >= 0}


def read_select_set(line: SystemCallLine, read_memory: ReadMemory) -> dict[int, int]:
    """Read the descriptor sets of select(2): bit maps as long as its first argument says."""
    highest = line.arguments[0]
    if not 0 < highest <= MAX_SELECT_DESCRIPTORS:
        return {}
    size = -(-highest // (8 * WORD_BYTES)) * WORD_BYTES
    found: dict[int, int] = {}
    for address, events in zip(line.arguments[1:3], (POLL_READ, POLL_WRITE), strict=True):
        if address:
            bits = int.from_bytes(read_memory(address, size), "little")
            for fd in _ones(bits, highest):
                found[fd] = found.get(fd, 0) | events
    return found


def _read_thread(pid: int, tid: int, machine: str, read_memory: ReadMemory) -> KernelWait | None:
    folder = f"/proc/{pid}/task/{tid}"
    try:
        stat = parse_stat(_read(f"{folder}/stat"))
    except (OSError, ValueError):
        return None
    wait = KernelWait(tid, stat.state, _read_word(f"{folder}/wchan"))
    if stat.state == "R":
        return wait
    line = parse_system_call(_read_word(f"{folder}/syscall") or "")
    call = match_system_call(machine, line.number) if line else None
    if line is None or call is None:
        return wait
    return replace(
        wait,
        system_call=call.name,
        descriptors=_descriptors(pid, line, call, read_memory),
        process=_awaited_child(pid, line, call.name),
        sleeps_for=sleeps_for_a_time(line, call.name),
    )


def sleeps_for_a_time(line: SystemCallLine, name: str) -> bool | None:
    """Whether a thread sleeps for a time, not until a moment (clock_nanosleep(2)); None where it does not sleep.

    False also for select(2) of no descriptor at all, with a time: that is how time.sleep() of CPython up to 3.10 sleeps
    (Modules/timemodule.c, pysleep).
    """
    if name in ("select", "pselect6"):
        return False if line.arguments[0] == 0 and line.arguments[4] else None
    if name == "clock_nanosleep":
        return not line.arguments[1] & TIMER_ABSTIME
    return True if name == "nanosleep" else None


def _awaited_child(pid: int, line: SystemCallLine, name: str) -> PeerProcess | None:
    """The child that wait4(2) or waitid(2) names, or the only one there is."""
    if name not in ("wait4", "waitid"):
        return None
    named = line.arguments[0] if name == "wait4" else line.arguments[1] if line.arguments[0] == WAIT_FOR_PID else 0
    children = read_children(pid)
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if read_inner_pid(child) == named & 0xFFFFFFFF:  # the caller means its own PID namespace
                return read_peer_process(child)
    return read_peer_process(children[0]) if len(children) == 1 else None


def _descriptors(
    pid: int, line: SystemCallLine, call: SystemCall, read_memory: ReadMemory
) -> tuple[WaitedDescriptor, ...]:
    if call.descriptor is not None:
        fd = line.arguments[call.descriptor] & 0xFFFFFFFF
        return (replace(read_descriptor(pid, fd), writing=call.writing),)
    through_epoll = call.descriptor_set == "epoll"
    watched: dict[int, int] = {}
    try:
        if call.descriptor_set == "poll":
            watched = read_poll_set(line.arguments[0], line.arguments[1], read_memory)
        elif call.descriptor_set == "select":
            watched = read_select_set(line, read_memory)
        elif through_epoll:
            watched = dict(read_epoll_targets(pid, line.arguments[0]))
    except (OSError, ValueError):
        return ()  # the thread has gone on meanwhile, or its memory may not be read
    return tuple(
        replace(
            read_descriptor(pid, fd),
            through_epoll=through_epoll,
            writing=bool(events & POLL_WRITE) and not events & POLL_READ,
        )
        for fd, events in sorted(watched.items())[:MAX_DESCRIPTORS]
    )


def _ones(bits: int, limit: int) -> Iterator[int]:
    return (position for position in range(min(limit, bits.bit_length())) if bits >> position & 1)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (three files for each thread of each look)
        return file.read()


def _read_word(path: str) -> str | None:
    try:
        text = _read(path).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if text not in ("", "0") else None


class _MemoryFile:
    """/proc/PID/mem, opened only when a set of descriptors is to be read."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._fd: int | None = None

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises OSError or ValueError."""
        if self._fd is None:
            self._fd = os.open(f"/proc/{self._pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(self._fd, size, address)
        except OverflowError as error:
            raise ValueError("no address of user memory") from error
        if len(data) != size:
            raise ValueError("only a part of it can be read")
        return data

    def close(self) -> None:
        """Close it, if it was opened."""
        if self._fd is not None:
            os.close(self._fd)
