"""The machine and the versions that figures were taken with."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.measured_command import PY_SPY
from benchmarks.results import DEBIAN_PACKAGES, Run
from gtdiag import __version__
from tests.environments import NEWEST

_VERSION_OPTIONS = {
    "rg": ("rg", "--version"),
    "zstd": ("zstd", "--version"),
    "lnav": ("lnav", "--version"),
    "goaccess": ("goaccess", "--version"),
    "wrk": ("wrk", "--version"),
}


def describe_run(part: str, sizes: str) -> Run:
    """The circumstances of a part that begins now."""
    return Run(
        part,
        f"{datetime.now(timezone.utc):%Y-%m-%d}",
        describe_machine(),
        describe_versions(),
        round(os.getloadavg()[0], 1),
        sizes=sizes,
    )


def describe_machine() -> dict[str, str]:
    """Cores, processor, memory and kernel."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) * 1024 / 1e9:.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def describe_versions() -> dict[str, str]:
    """What was measured, and what it was measured beside."""
    versions = {
        "Python": platform.python_version(),
        "gtdiag": __version__,
        "gunicorn": NEWEST,
        "py-spy": _version_of(PY_SPY, "--version"),
    }
    for program, command in _VERSION_OPTIONS.items():
        found = shutil.which(program) is not None
        versions[DEBIAN_PACKAGES[program]] = _version_of(*command) if found else "not installed"
    return versions


def _field(path: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else ""


def _version_of(*command: str) -> str:
    # wrk ends its --version with an error, lnav and goaccess have one of their own shape.
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(?:\.\d+)+", ended.stdout + ended.stderr)
    return found[0] if found else "unknown"
