"""A process to what may really be read of it, found out by trying: memory, descriptors, namespaces, root, sockets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gtdiag.collectors.own_rights import read_status_field, try_vm_read
from gtdiag.collectors.permissions import explain_ptrace_denial, is_dumpable, is_more_capable, read_user
from gtdiag.collectors.socket_diagnostics import SocketDiagnosticsError, open_socket_diagnostics
from gtdiag.gunicorn.proc_files import read_clock_offset_s
from gtdiag.model.observability import Attempt, PlaceFacts, ProcessFacts


def collect_process_facts(pid: int, master_pid: int) -> ProcessFacts:
    """Try what gtdiag does with a process of gunicorn's. Nothing is stopped, attached to or written."""
    return ProcessFacts(
        pid=pid,
        user_id=read_user(pid),
        dumpable=is_dumpable(pid),
        more_capable=is_more_capable(pid),
        descriptors=_attempt(lambda: os.listdir(f"/proc/{pid}/fd"), pid, master_pid),  # noqa: PTH208
        memory=_attempt(lambda: _read_a_byte(pid), pid, master_pid),
        system_calls=_attempt(lambda: Path(f"/proc/{pid}/syscall").read_bytes(), pid, master_pid),
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
        clock_offset_s=read_clock_offset_s(pid),
        same_mounts=_same_namespace(pid, "mnt"),
        root=_plain_attempt(lambda: os.stat(f"/proc/{pid}/root/.")),  # noqa: PTH116
        same_network=_same_namespace(pid, "net"),
        sockets=_plain_attempt(lambda: Path(f"/proc/{pid}/net/tcp").read_bytes()),
        traffic=_try_socket_diagnostics(pid),
    )


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


def _try_socket_diagnostics(pid: int) -> Attempt:
    try:
        with open_socket_diagnostics(pid):
            return Attempt(True)
    except SocketDiagnosticsError as error:
        return Attempt(False, error.why, error.hint)


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
