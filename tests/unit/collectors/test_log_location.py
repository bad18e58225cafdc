"""Where a process's error log is: this process and children whose descriptors are known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gtdiag.collectors.log_location import find_log

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@contextmanager
def process(*, cwd: Path | None = None, **streams: Any) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=cwd, **streams) as child:
        try:
            yield child.pid
        finally:
            child.communicate(b"\n")


def test_standard_error_that_is_a_file(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    with log.open("w") as stream, process(stdout=subprocess.DEVNULL, stderr=stream) as pid:
        location = find_log(pid, "-")
    assert (location.path, location.shown) == (log, str(log))


def test_standard_output_when_standard_error_is_a_pipe(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    with log.open("w") as stream, process(stdout=stream, stderr=subprocess.PIPE) as pid:
        assert find_log(pid, None).path == log


def test_a_deleted_log_is_read_through_its_descriptor(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    with log.open("w") as stream, process(stdout=subprocess.DEVNULL, stderr=stream) as pid:
        log.unlink()
        assert find_log(pid, "-").path == Path(f"/proc/{pid}/fd/2")


def test_a_pipe_names_the_command_that_gives_the_log() -> None:
    with process(stdout=subprocess.PIPE, stderr=subprocess.PIPE) as pid:
        location = find_log(pid, "-")
    assert location.path is None
    assert location.why == "the master's standard error is a pipe, which cannot be tailed"
    assert f"gtdiag watch {pid} --log -" in location.hint


def test_a_log_that_is_thrown_away() -> None:
    with process(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pid:
        location = find_log(pid, "-")
    assert location.path is None
    assert "/dev/null" in location.why
    assert "--error-logfile" in location.hint


def test_a_named_log_relative_to_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "error.log"
    log.write_text("")
    with process(cwd=tmp_path, stderr=subprocess.DEVNULL) as pid:
        location = find_log(pid, "logs/error.log")
    assert location.path == log
    assert location.shown == str(log)


def test_a_named_log_relative_to_another_folder(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_text("")
    with process(cwd=Path("/"), stderr=subprocess.DEVNULL) as pid:
        assert find_log(pid, "error.log", chdir=os.fspath(tmp_path)).path == log


def test_a_named_log_that_is_open_wherever_it_is(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with log.open("w") as stream, process(cwd=Path("/"), stderr=stream) as pid:
        assert find_log(pid, "error.log").path == log


def test_a_named_log_that_is_nowhere(tmp_path: Path) -> None:
    with process(cwd=tmp_path, stderr=subprocess.DEVNULL) as pid:
        location = find_log(pid, "missing.log")
    assert location.path is None
    assert "missing.log" in location.why
    assert "--log PATH" in location.hint


APPENDING = "import sys; files = [open(name, 'a') for name in sys.argv[1:]]; print('ready', flush=True); input()"


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["app.log", "access.log"], "app.log"), (["one.log", "two.log"], None), (["access.log"], None)],
)
def test_the_only_file_that_a_logging_configuration_appends_to(
    tmp_path: Path, names: list[str], expected: str | None
) -> None:
    paths = [os.fspath(tmp_path / name) for name in names]
    with subprocess.Popen(
        [sys.executable, "-c", APPENDING, *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        location = find_log(child.pid, "-")
        child.communicate(b"\n")
    assert location.path == (None if expected is None else tmp_path / expected)
    assert ("is taken for its log" in location.why) is (expected is not None), "a guess is said to be one"
