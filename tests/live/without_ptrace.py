"""A gtdiag that may read all but another process's memory: Yama's scope 1, on kernels without Yama.

    with ptrace_denied(master_pid, *worker_pids) as command:
        run_gtdiag("snapshot", str(master_pid), command=command)

Yama refuses every "attach" access and leaves "read" access alone (ptrace(2)). The same is had by hiding the files that
need it (mem, syscall) in a mount namespace of gtdiag's own, by a seccomp filter on process_vm_readv and ptrace, and by
dropping every capability. Needs root to set up; what runs has none of its rights.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.live.gtdiag_command import GTDIAG

NO_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""In front of a command: root by name, without one capability."""

_DENIED_CALLS = {"x86_64": (310, 101), "aarch64": (270, 117)}
"""process_vm_readv and ptrace."""
_HIDDEN = ("mem", "syscall", "stack", "task/{pid}/mem", "task/{pid}/syscall", "task/{pid}/stack")
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE_WITH_EPERM = 0x7FFF0000, 0x00050001
"""Classic BPF and linux/seccomp.h."""


def needs_root_and_tools() -> None:
    """Skip the test where this cannot be set up."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("needs root, setpriv and unshare (util-linux)")
    if platform.machine() not in _DENIED_CALLS:
        pytest.skip("the numbers of this machine's system calls are not known here")


@contextlib.contextmanager
def ptrace_denied(*pids: int, command: Sequence[str] = GTDIAG) -> Iterator[list[str]]:
    """How to start gtdiag so that it may not ptrace these processes, nor any other."""
    needs_root_and_tools()
    with tempfile.TemporaryDirectory() as folder:
        cover = Path(folder) / "covered"
        cover.touch()
        cover.chmod(0)
        hidden = [f"/proc/{pid}/{name.format(pid=pid)}" for pid in pids for name in _HIDDEN]
        script = "".join(f"mount --bind {cover} {path} 2>/dev/null\n" for path in hidden) + 'exec "$@"\n'
        filtered = [sys.executable, os.fspath(Path(__file__).resolve()), *command]
        yield ["unshare", "-m", "sh", "-c", script, "sh", *NO_RIGHTS, *filtered]


def refuse_ptrace() -> None:
    """Install a filter for this process and its children: the calls that read another process's memory fail."""
    calls = _DENIED_CALLS[platform.machine()]
    program = struct.pack("=HBBI", _LOAD, 0, 0, 0)
    for number in calls:
        program += struct.pack("=HBBI", _JUMP_IF_EQUAL, 0, 1, number)
        program += struct.pack("=HBBI", _RETURN, 0, 0, _REFUSE_WITH_EPERM)
    program += struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW)
    instructions = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    refuse_ptrace()
    os.execvp(sys.argv[1], sys.argv[1:])
