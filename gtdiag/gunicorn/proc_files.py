"""The few files of /proc that say who a process is: parent, start time, arguments, environment, children."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """What proc(5) `stat` says: state letter, parent, CPU seconds used, start in seconds since boot, threads.

    `resident_pages`: about; the kernel does not add up its counters of each CPU for it (proc_pid_stat(5)).
    """

    state: str
    parent_pid: int
    cpu_s: float
    threads: int
    started_at_s: float
    resident_pages: int


def read_stat(pid: int) -> ProcessStat:
    """Read /proc/PID/stat. Raises ProcessLookupError when the process is gone."""
    return parse_stat(_read(f"/proc/{pid}/stat", pid))


def parse_stat(raw: bytes) -> ProcessStat:
    """Parse a `stat` line; the command name in it may hold spaces and parentheses, so the last `)` counts."""
    fields = raw[raw.rindex(b")") + 2 :].split()
    return ProcessStat(
        state=fields[0].decode(),
        parent_pid=int(fields[1]),
        cpu_s=(int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S,
        threads=int(fields[17]),
        started_at_s=int(fields[19]) / CLOCK_TICKS_PER_S,
        resident_pages=int(fields[21]),
    )


def read_arguments(pid: int) -> tuple[str, ...]:
    """The argument list; empty for kernel threads and zombies. Raises ProcessLookupError when the process is gone."""
    raw = _read(f"/proc/{pid}/cmdline", pid)
    if not raw:
        return ()
    text = raw.decode("utf-8", "surrogateescape")
    return tuple((text[:-1] if text.endswith("\0") else text).split("\0"))


def read_environment(pid: int) -> dict[str, str]:
    """The environment the process was started with.

    Raises ProcessLookupError when it is gone, PermissionError when it may not be read.
    """
    pairs = (
        entry.partition("=")
        for entry in _read(f"/proc/{pid}/environ", pid).decode("utf-8", "surrogateescape").split("\0")
    )
    return {name: value for name, equals, value in pairs if equals}


def read_children(pid: int) -> tuple[int, ...]:
    """The pids of a process's children.

    The kernel may skip a child while another one exits (proc(5)), so a missing pid alone does not mean an exit.
    Raises ProcessLookupError when the process is gone.
    """
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123
                raw = file.read()
        except FileNotFoundError:
            # The thread ended, or the kernel was built without CONFIG_PROC_CHILDREN.
            if not _kernel_lists_children():
                return tuple(child for child, parent in read_parents().items() if parent == pid)
            continue
        except ProcessLookupError:
            continue
        children.extend(int(word) for word in raw.split())
    return tuple(children)


def read_inner_pid(pid: int) -> int:
    """The pid a process knows itself by: another one than `pid` in a container that is looked at from outside.

    The last number of NSpid (proc(5), Linux 4.1); `pid` itself where the kernel does not tell.
    Raises ProcessLookupError when the process is gone.
    """
    for line in _read(f"/proc/{pid}/status", pid).splitlines():
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return pid


def read_clock_offset_s(pid: int) -> float | None:
    """How far a process's CLOCK_MONOTONIC is ahead of this process's: not 0 only in another time namespace.

    time_namespaces(7), Linux 5.6; the file is readable for everybody. None where it cannot be read, 0 on a kernel
    without time namespaces.
    """
    offsets = []
    for who in (str(pid), "self"):
        try:
            offset_s = parse_clock_offset_s(_read(f"/proc/{who}/timens_offsets", pid))
        except ProcessLookupError:
            return None if _kernel_has_time_namespaces() else 0.0
        except PermissionError:
            return None
        if offset_s is None:
            return None
        offsets.append(offset_s)
    return offsets[0] - offsets[1]


def parse_clock_offset_s(text: bytes) -> float | None:
    """The offset of CLOCK_MONOTONIC in /proc/PID/timens_offsets: lines of clock, seconds, nanoseconds."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == b"monotonic":
            try:
                return int(words[1]) + int(words[2]) / 1e9
            except (ValueError, OverflowError):
                return None
    return None


def read_caught_signals(pid: int) -> frozenset[int]:
    """The numbers of the signals that a process has handlers for (SigCgt in /proc/PID/status, proc(5)).

    Raises ProcessLookupError when the process is gone.
    """
    for line in _read(f"/proc/{pid}/status", pid).splitlines():
        if line.startswith(b"SigCgt:"):
            mask = int(line.split()[-1], 16)
            return frozenset(bit + 1 for bit in range(mask.bit_length()) if mask >> bit & 1)
    return frozenset()


def read_parents() -> dict[int, int]:
    """Every process of the host and its parent."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                parents[int(name)] = read_stat(int(name)).parent_pid
            except (ProcessLookupError, PermissionError):
                continue
    return parents


def _kernel_lists_children() -> bool:
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").exists()


def _kernel_has_time_namespaces() -> bool:
    return Path("/proc/self/timens_offsets").exists()


def _read(path: str, pid: int) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (several times a second for every worker)
            return file.read()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
