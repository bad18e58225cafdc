"""Finds the CPython interpreters of this machine and starts small programs under them, to be read from outside."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.environments import NEWEST, standard_environment

INTERPRETERS = Path(__file__).parents[3] / ".cache" / "interpreters"
"""Where tests/interpreters/set_up.py puts what it fetches."""
PROGRAMS = Path(__file__).parent / "programs"
_REST_S, _LOOKS_FOR_REST = 0.02, 15
_ASK = (
    "import sys, platform, sysconfig; print(platform.python_implementation(), '%d.%d' % sys.version_info[:2], "
    "int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))"
)


@functools.cache
def interpreters() -> dict[str, str]:
    """One CPython (with GIL) for each minor version: the one that runs this, PATH's, pyenv's, uv's, those set up."""
    found: dict[str, str] = {}
    candidates = [sys.executable]
    candidates += [path for minor in range(8, 20) if (path := shutil.which(f"python3.{minor}"))]
    pyenv = _pyenv_versions()
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for folder in (pyenv, uv):
        candidates += sorted(str(path) for path in folder.glob("*/bin/python3"))
    candidates += sorted(str(path) for path in (INTERPRETERS / "bin").glob("python3.[0-9]*"))
    for path in candidates:
        try:
            answer = subprocess.run(
                [path, "-c", _ASK], capture_output=True, text=True, timeout=20, check=False
            ).stdout.split()
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer[:1] == ["CPython"] and answer[2] == "0":
            found.setdefault(answer[1], path)
    return found


def _pyenv_versions() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def old_interpreters() -> dict[str, str]:
    """CPythons that are older than any known layout, where pyenv has them."""
    found = {}
    for version in ("2.7", "3.6", "3.7"):
        for path in sorted(_pyenv_versions().glob(f"{version}.*/bin/python{version}")):
            found[version] = str(path)
    return found


@functools.cache
def can_import(python: str, module: str) -> bool:
    """Whether a module is there for this interpreter."""
    return (
        subprocess.run([python, "-c", f"import {module}"], capture_output=True, timeout=30, check=False).returncode == 0
    )


def packages_of(version: str) -> Path | None:
    """The folder of uvloop, anyio and others for this version, where they were set up."""
    folder = INTERPRETERS / f"packages-{version}"
    return folder if folder.is_dir() else None


def python_with_uvloop(version: str) -> str | None:
    """An interpreter of this version that has uvloop: the one found here, or the environment of the live tests.

    Its process has to be given `packages_of(version)`.
    """
    python = interpreters().get(version)
    packages = packages_of(version)
    if python is not None and packages is not None and (packages / "uvloop").is_dir():
        return python
    if python is not None and can_import(python, "uvloop"):
        return python
    if version == "{}.{}".format(*sys.version_info[:2]):
        return str(standard_environment(NEWEST).python)
    return None


class TargetProcess:
    """A program that says one line of JSON on stdout when it stands as wanted, and ends when its stdin is closed."""

    def __init__(self, python: str, *arguments: str | Path, packages: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [python, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUTF8": "1", **({"PYTHONPATH": str(packages)} if packages else {})},
        )
        self.pid = self.process.pid

    def __enter__(self) -> TargetProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def told(self) -> Any:
        """What the program says once it is ready, and has come to rest (or shows that it never does)."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program ended before it was ready"
        self._wait_for_rest()
        return json.loads(line)

    def _wait_for_rest(self) -> None:
        """Until no thread has been given the CPU for a while: what a program tells, it tells while it still moves."""
        before = None
        for _ in range(_LOOKS_FOR_REST):
            time.sleep(_REST_S)
            switches = self._context_switches()
            if switches == before:
                return
            before = switches

    def _context_switches(self) -> list[str]:
        lines: list[str] = []
        with contextlib.suppress(OSError):
            for status in sorted(Path(f"/proc/{self.process.pid}/task").glob("*/status")):
                lines += [line for line in status.read_text().splitlines() if "ctxt_switches" in line]
        return lines

    def say(self, line: str = "") -> None:
        """A line on the program's stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
