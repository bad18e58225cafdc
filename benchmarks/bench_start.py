"""How soon gtdiag is there: `--version`, `--help`, and the first row of a worker in the live view.

python benchmarks/bench_start.py [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_command import GTDIAG, run
from benchmarks.results import Aim, Figure, add_result
from benchmarks.stuck_server import running_uvicorn

TABLE = "Starting"
HELP_AIM_MS, FIRST_ROW_AIM_MS = 150, 500
WORKERS = 4
ROWS, COLUMNS = 40, 120
GIVE_UP_S = 30.0
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def first_row_ms(master_pid: int, worker_pids: list[int]) -> float:
    """From the start of `gtdiag watch` in a terminal of its own until it has drawn the row of a worker."""
    row = re.compile(rb"(?m)^[> ]*(?:" + b"|".join(str(pid).encode() for pid in worker_pids) + rb")\s+\S")
    ours, theirs = pty.openpty()
    ioctl(ours, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began_s = time.monotonic()
    process = subprocess.Popen(
        [GTDIAG, "watch", str(master_pid)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # The terminal is its controlling one: only then are its keys read, as a user's are.
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    drawn = b""
    try:
        while time.monotonic() < began_s + GIVE_UP_S:
            if select.select([ours], [], [], 0.1)[0]:
                drawn += os.read(ours, 1 << 16)
                # Each line begins with a movement of the cursor.
                if row.search(_CONTROL.sub(b"\n", drawn)):
                    return (time.monotonic() - began_s) * 1000
        raise AssertionError(f"no row of a worker in {GIVE_UP_S:g} s: {drawn!r}")
    finally:
        process.send_signal(signal.SIGTERM)
        _drain(ours, process)


def _drain(descriptor: int, process: subprocess.Popen[bytes]) -> None:
    """What ends writes its report first, and needs somebody who reads it."""
    while process.poll() is None:
        if select.select([descriptor], [], [], 0.05)[0]:
            try:
                os.read(descriptor, 1 << 16)
            except OSError:  # the other end is closed
                process.wait(GIVE_UP_S)
    os.close(descriptor)


def add(what: str, took_ms: list[float], aim_ms: float) -> None:
    middle = statistics.median(took_ms)
    print(f"{what}: {middle:.0f} ms ({min(took_ms):.0f} to {max(took_ms):.0f}, {len(took_ms)} times)", flush=True)
    add_result(Figure(TABLE, what, middle, "ms", Aim(at_most=aim_ms)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for option in ("--version", "--help"):
        run([GTDIAG, option])  # whatever has to be read from the disk is read now
        took_ms = [run([GTDIAG, option]).took_s * 1000 for _ in range(rounds)]
        add(f"`gtdiag {option}`, median of {rounds}", took_ms, HELP_AIM_MS)
    with tempfile.TemporaryDirectory() as name, running_uvicorn(Path(name), WORKERS, hang=True) as gunicorn:
        pids = gunicorn.worker_pids()
        first_row_ms(gunicorn.pid, pids)
        took_ms = [first_row_ms(gunicorn.pid, pids) for _ in range(rounds)]
    add(
        f"`gtdiag watch`, live view: from its start to the first worker's row, median of {rounds}",
        took_ms,
        FIRST_ROW_AIM_MS,
    )


if __name__ == "__main__":
    main()
