"""A py-spy that takes hold of its target and hangs; run as one: hanging_tracer.py attach|seize|stop dump ... --pid PID.

"attach": PTRACE_ATTACH; "seize": PTRACE_SEIZE and PTRACE_INTERRUPT; the kernel undoes both as the tracer ends. "stop":
SIGSTOP, as some profilers do, which nobody undoes. What happened is written to the file that $TRACED names.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

_ATTACH, _SEIZE, _INTERRUPT = 16, 0x4206, 0x4207
"""ptrace(2), linux/ptrace.h."""
_WAIT_ALL = 0x40000000


def take_hold(pid: int, how: str) -> None:
    """Stop the process. Raises OSError."""
    if how == "stop":
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    for request in (_ATTACH,) if how == "attach" else (_SEIZE, _INTERRUPT):
        if libc.ptrace(request, pid, None, None):
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, _WAIT_ALL)


def main() -> None:
    """Take hold, say so, hang."""
    how, pid = sys.argv[1], int(sys.argv[-1])
    said = Path(os.environ["TRACED"])
    try:
        take_hold(pid, how)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError as error:
        state = f"error {error.errno}"
    with said.open("a") as file:
        file.write(f"{pid} {state}\n")
    time.sleep(600)


if __name__ == "__main__":
    main()
