"""A process to what may really be read of it, found out by trying: memory, descriptors, namespaces, root, sockets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gtdiag.collectors.own_rights import read_status_field, try_vm_read
from gtdiag.collectors.permissions import explain_ptrace_denial
from gtdiag.model.observability import Attempt, PlaceFacts, ProcessFacts

CLOCKS_OF_NAMESPACE = "timens_offsets"
"""time_namespaces(7), Linux 5.6: one line for each clock, name, seconds, nanoseconds."""


def collect_process_facts(pid: int, master_pid: int) -> ProcessFacts:
    """Try what gtdiag does with a process of gunicorn's. Nothing is stopped, attached to or written."""
    user = read_user(pid)
    return ProcessFacts(
        pid=pid,
        user_id=user,
        dumpable=_is_dumpable(pid, user),
        more_capable=_is_more_capable(pid),
        descriptors=_attempt(lambda: os.listdir(f"/proc/{pid}/fd"), pid, master_pid),  # noqa: PTH208
        memory=_attempt(lambda: _read_a_byte(pid), pid, master_pid),
        vm_read=_attempt(lambda: try_vm_read(pid), pid, master_pid),
    )


def collect_place_facts(pid: int) -> PlaceFacts:
    """Compare the namespaces of a process with gtdiag's own."""
    names = (read_status_field(pid, "NSpid") or "").split()
    same_pids = _same_namespace(pid, "pid")
    if same_pids is None and names:
        # Readable for everybody: more numbers than one means a namespace below this one (proc(5)).
        same_pids = len(names) == 1
    return PlaceFacts(
        same_pids=same_pids,
        inner_pid=int(names[-1]) if names else None,
        clock_offset_s=_read_clock_offset(pid),
        same_mounts=_same_namespace(pid, "mnt"),
        root=_plain_attempt(lambda: os.stat(f"/proc/{pid}/root/.")),  # noqa: PTH116
        same_network=_same_namespace(pid, "net"),
        sockets=_plain_attempt(lambda: Path(f"/proc/{pid}/net/tcp").read_bytes()),
    )


def read_user(pid: int) -> int | None:
    """The effective user id of a process, None where it cannot be read."""
    users = (read_status_field(pid, "Uid") or "").split()
    return int(users[1]) if len(users) > 1 else None


def parse_clock_offset(text: str) -> float | None:
    """The offset of CLOCK_MONOTONIC in seconds, from /proc/PID/timens_offsets."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "monotonic":
            try:
                return int(words[1]) + int(words[2]) / 1e9
            except ValueError:
                return None
    return None


def _attempt(action: Callable[[], object], pid: int, master_pid: int) -> Attempt:
    try:
        action()
    except PermissionError:
        obstacle = explain_ptrace_denial(pid, master_pid)
        return Attempt(False, obstacle.why, obstacle.hint)
    except OSError as error:
        return Attempt(False, error.strerror or str(error))
    return Attempt(True)


def _plain_attempt(action: Callable[[], object]) -> Attempt:
    try:
        action()
    except OSError as error:
        return Attempt(False, error.strerror or str(error))
    return Attempt(True)


def _read_a_byte(pid: int) -> None:
    """Open /proc/PID/mem and read one byte of the first mapping that may be read, as the interpreter reader does."""
    with Path(f"/proc/{pid}/maps").open("rb") as maps:
        starts = [int(line.split(b"-")[0], 16) for line in maps if line.split()[1].startswith(b"r")]
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not starts or not os.pread(descriptor, 1, starts[0]):
            raise ProcessLookupError(0, "the process has ended")
    finally:
        os.close(descriptor)


def _same_namespace(pid: int, kind: str) -> bool | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")  # noqa: PTH115
    except OSError:
        return None


def _read_clock_offset(pid: int) -> float | None:
    """How much the process's monotonic clock is ahead of gtdiag's; 0 in the same namespace or without namespaces."""
    if _same_namespace(pid, "time"):
        return 0.0
    offsets = []
    for who in (str(pid), "self"):
        try:
            text = Path(f"/proc/{who}/{CLOCKS_OF_NAMESPACE}").read_text()
        except FileNotFoundError:
            return 0.0 if Path(f"/proc/{pid}").exists() else None
        except OSError:
            return None
        offset = parse_clock_offset(text)
        if offset is None:
            return None
        offsets.append(offset)
    return offsets[0] - offsets[1]


def _is_dumpable(pid: int, user: int | None) -> bool | None:
    """The files of a process that is not dumpable belong to root (proc(5)); where it runs as root, nothing shows."""
    if not user:
        return None
    try:
        return os.stat(f"/proc/{pid}/environ").st_uid == user  # noqa: PTH116
    except OSError:
        return None


def _is_more_capable(pid: int) -> bool | None:
    """Without CAP_SYS_PTRACE the kernel wants the caller's capabilities to cover the other's (ptrace(2))."""
    theirs, mine = read_status_field(pid, "CapPrm"), read_status_field("self", "CapPrm")
    if theirs is None or mine is None:
        return None
    return bool(int(theirs, 16) & ~int(mine, 16))
