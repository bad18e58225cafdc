"""A command, run to its end, to what it cost: wall clock, CPU and peak memory, its children included.

CPU and memory are what the kernel says when it ends (getrusage(2)).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.small_launcher import LAUNCHER

BIN = Path(sys.executable).parent
GTDIAG = str(BIN / "gtdiag")
PY_SPY = str(BIN / "py-spy")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command, children included."""

    took_s: float
    cpu_s: float
    peak_mb: float
    output: str
    share: float | None = None
    """Per cent of a core in the window that was asked for."""

    def __str__(self) -> str:
        share = 100 * self.cpu_s / self.took_s
        return f"{share:6.2f} % of a core, {self.peak_mb:5.1f} MB at most, {self.took_s:6.2f} s"


def run(
    command: Sequence[str],
    *,
    keep_output: bool = True,
    keep_errors: bool = True,
    variables: Mapping[str, str] | None = None,
    window_s: tuple[float, float] | None = None,
    allowed: Sequence[int] = (0,),
) -> Cost:
    """Run a command to its end. `window_s`: measure its share of a core from so many seconds on, until so many.

    Ends the benchmark when the command ends with a status that is not `allowed`.
    """
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile("w+", errors="replace") as output, os.fdopen(ours) as told:
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(theirs), *command],
            stdin=subprocess.DEVNULL,
            stdout=output if keep_output else subprocess.DEVNULL,
            stderr=output if keep_output and keep_errors else None,
            env={**os.environ, **(variables or {})},
            pass_fds=(theirs,),
        )
        os.close(theirs)
        pid = int(told.readline() or 0)
        share = _share_of_a_core(pid, time.monotonic(), window_s) if window_s else None
        result = told.readline()
        launcher.wait()
        output.seek(0)
        text = output.read()
    if not result:
        sys.exit(f"{command[0]} could not be started\n{text}")
    took_s, status, cpu_s, peak_kb = json.loads(result)
    if status not in allowed:
        sys.exit(f"{' '.join(command)} ended with {status}\n{text}")
    return Cost(took_s, cpu_s, peak_kb * 1024 / 1e6, text, share)


def cpu_seconds(pid: int) -> float:
    """What a running process has used so far, with those of its children that have ended. Raises psutil's errors."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _share_of_a_core(pid: int, began_s: float, window_s: tuple[float, float]) -> float | None:
    first, last = window_s
    try:
        time.sleep(max(0.0, began_s + first - time.monotonic()))
        used_s, at_s = cpu_seconds(pid), time.monotonic()
        time.sleep(max(0.0, began_s + last - time.monotonic()))
        return 100 * (cpu_seconds(pid) - used_s) / (time.monotonic() - at_s)
    except psutil.Error:
        return None
