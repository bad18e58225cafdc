"""gtdiag run beside a fault: its report, its memory and CPU, and one line that says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.live.gtdiag_command import as_module
from tests.small_launcher import LAUNCHER

EMPTY = {"incidents": [], "gaps": [], "workers": [], "patterns": [], "verdict": {"summary": ""}}


class CannotTryError(Exception):
    """This fault cannot be made here; the text says what is missing."""


@dataclass(frozen=True)
class Measured:
    """What one run of gtdiag came to. `status`: below 0 the signal that ended it."""

    status: int
    stdout: str
    stderr: str
    peak_mb: float
    cpu_s: float
    took_s: float

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report; an empty one where there is none."""
        try:
            value: dict[str, Any] = json.loads(self.stdout)
        except ValueError:
            return EMPTY
        return value

    def line(self, name: str, more: str = "") -> str:
        """One row of the table, with the gaps below it."""
        report = self.report
        cpu = 100 * self.cpu_s / max(self.took_s, 0.1)
        found = f"{len(report['workers'])} workers, {len(report['incidents'])} incidents"
        cost = f"{self.peak_mb:.0f} MB, {cpu:.0f} % of a core, {self.took_s:.1f} s"
        rows = [f"{name:10} exit {self.status}, {cost}; {more}{found}: {report['verdict']['summary'][:160]}"]
        rows += [f"{'':10} gap {gap['what']}: {gap['why'][:160]}" for gap in report["gaps"]]
        return "\n".join(rows)

    def wrong(self, *, statuses: Sequence[int] = (0, 1), most_mb: float = 200) -> list[str]:
        """What no fault excuses: another exit code, a traceback, too much memory."""
        wrong = [] if self.status in statuses else [f"exit code {self.status}: {self.stderr[-500:]}"]
        if "Traceback" in self.stderr or "bug in gtdiag" in self.stderr:
            wrong.append(self.stderr[-500:])
        if self.peak_mb > most_mb:
            wrong.append(f"{self.peak_mb:.0f} MB, more than {most_mb:.0f}")
        return wrong


def measure(
    folder: Path,
    *arguments: str,
    command: Sequence[str] | None = None,
    variables: Mapping[str, str] | None = None,
    meanwhile: Callable[[int], None] | None = None,
) -> Measured:
    """Run gtdiag to its end. `meanwhile` is called with its pid as soon as it runs."""
    ours, theirs = os.pipe()
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(theirs), *(command or as_module()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(variables or {})},
            pass_fds=(theirs,),
        )
    os.close(theirs)
    with os.fdopen(ours) as told:
        pid = int(told.readline())
        other = threading.Thread(target=meanwhile, args=(pid,), daemon=True) if meanwhile is not None else None
        if other is not None:
            other.start()
        took_s, status, cpu_s, peak_kb = json.loads(told.readline())
    process.wait()
    if other is not None:
        other.join(60)
    return Measured(
        status=status,
        stdout=(folder / "out").read_text(),
        stderr=(folder / "err").read_text(),
        peak_mb=peak_kb / 1024,
        cpu_s=cpu_s,
        took_s=took_s,
    )


def still_running(*words: str) -> list[int]:
    """The processes in whose command line all these words are."""
    found = []
    for one in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(one.info["cmdline"] or [])
        if one.info["status"] != psutil.STATUS_ZOMBIE and all(word in line for word in words):
            found.append(one.pid)
    return found
