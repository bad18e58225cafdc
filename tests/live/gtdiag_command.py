"""Runs the real `gtdiag` command as a user would, and gives back what it wrote.

done = run_gtdiag("watch", str(pid), "--for", "9s", "--format", "json")
done.status, done.stdout, done.stderr, done.report()
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from tests.environments import REPOSITORY

GTDIAG = (sys.executable, "-m", "gtdiag")
if (_beside := Path(sys.executable).with_name("gtdiag")).exists():
    GTDIAG = (os.fspath(_beside),)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    def report(self) -> dict[str, Any]:
        """The report on standard output, checked against the published schema."""
        assert self.status in (0, 1), f"exit code {self.status}\n{self.stderr}"
        report = json.loads(self.stdout)
        jsonschema.validate(report, report_schema())
        assert isinstance(report, dict)
        return report


def run_gtdiag(
    *arguments: str,
    deadline_s: float = 90,
    command: Sequence[str] = GTDIAG,
    variables: Mapping[str, str] | None = None,
) -> Done:
    """Run gtdiag to its end."""
    with start_gtdiag(*arguments, command=command, variables=variables) as process:
        return finish(process, deadline_s)


def start_gtdiag(
    *arguments: str,
    command: Sequence[str] = GTDIAG,
    variables: Mapping[str, str] | None = None,
    stderr: Path | None = None,
) -> subprocess.Popen[str]:
    """Start gtdiag; `finish` waits for it. `stderr`: a file for it, which can be read while gtdiag runs."""
    with contextlib.ExitStack() as stack:
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if stderr is None else stack.enter_context(stderr.open("w")),
            text=True,
            encoding="utf-8",
            env={**os.environ, **(variables or {})},
        )


def finish(process: subprocess.Popen[str], deadline_s: float = 90) -> Done:
    """What it wrote, once it has ended; it is killed when it does not end in time, which fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"gtdiag did not end within {deadline_s} s\n{stderr[-3000:]}") from None
    return Done(process.returncode, stdout, stderr)


@functools.cache
def report_schema() -> dict[str, Any]:
    """What `gtdiag schema` prints."""
    done = run_gtdiag("schema")
    assert done.status == 0, done.stderr
    schema = json.loads(done.stdout)
    assert isinstance(schema, dict)
    return schema


def as_module(python: Path | None = None) -> list[str]:
    """The command gtdiag, run by a given interpreter."""
    program = "from gtdiag.cli.main import main; main()"
    return [os.fspath(python or sys.executable), "-c", program]


def installation_without_py_spy(folder: Path) -> list[str]:
    """gtdiag in an installation of its own that has everything but py-spy; its folder bin/ is where py-spy would be."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    subprocess.run([base, "-m", "venv", "--without-pip", os.fspath(folder)], check=True)
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "gtdiag.pth").write_text(f"{sysconfig.get_path('purelib')}\n{REPOSITORY}\n")
    return as_module(folder / "bin" / "python")


def path_without_py_spy() -> str:
    """PATH without the folders that have a py-spy."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / "py-spy").exists())
