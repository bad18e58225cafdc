"""py-spy's answers to stacks, and every way in which it can fail, on a real process that must not notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gtdiag.collectors.stacks import StackReader, StackReadError, find_py_spy, parse_stacks
from gtdiag.model.stacks import Frame

RUNS_ON = (psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
"""Neither stopped, nor traced, nor ended."""

PROGRAM = """
import sys, threading
def wait_for_line():
    print("ready", flush=True)
    return sys.stdin.readline()
wait_for_line()
"""


@pytest.fixture
def target() -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that waits in a known function."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.communicate(b"\n")


def script(folder: Path, body: str) -> StackReader:
    path = folder / "py-spy"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return StackReader(command=(str(path),), deadline_s=0.5)


@pytest.mark.live
def test_a_real_process(target: subprocess.Popen[bytes]) -> None:
    threads = StackReader.found().read(target.pid)
    [main] = [thread for thread in threads if thread.main]
    assert [frame.function for frame in main.frames] == ["<module>", "wait_for_line"]
    assert main.frames[-1].line == 5
    assert target.poll() is None


@pytest.mark.live
def test_a_hanging_py_spy_is_ended_and_the_target_runs_on(target: subprocess.Popen[bytes], tmp_path: Path) -> None:
    reader = script(tmp_path, f"echo $$ > {tmp_path}/pid\nexec sleep 60")
    started = time.monotonic()
    with pytest.raises(StackReadError, match=r"did not answer within 0\.5 s") as raised:
        reader.read(target.pid)
    assert time.monotonic() - started < 10
    assert raised.value.hung
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert psutil.Process(target.pid).status() in RUNS_ON


@pytest.mark.live
def test_a_killed_py_spy_leaves_the_target_running(target: subprocess.Popen[bytes]) -> None:
    py_spy = find_py_spy()
    assert py_spy is not None
    for delay_s in (0.0, 0.002, 0.005):
        look = subprocess.Popen(
            [py_spy, "dump", "--json", "--nonblocking", "--pid", str(target.pid)], stdout=subprocess.DEVNULL
        )
        time.sleep(delay_s)
        look.kill()
        look.wait()
        assert psutil.Process(target.pid).status() in RUNS_ON
    assert target.stdin is not None
    target.stdin.write(b"go on\n")
    target.stdin.flush()
    assert target.wait(10) == 0


def test_a_py_spy_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StackReadError, match="cannot be run") as raised:
        StackReader(command=(str(tmp_path / "py-spy"),)).read(os.getpid())
    assert raised.value.lasting
    assert "pip install py-spy" in raised.value.hint


def test_permission_denied_names_reason_and_command(tmp_path: Path) -> None:
    reader = script(tmp_path, 'echo "Error: Permission denied (os error 13)" >&2; exit 1')
    with pytest.raises(StackReadError, match="ptrace not permitted") as raised:
        reader.read(os.getpid(), master_pid=77)
    assert raised.value.lasting
    assert raised.value.hint


def test_an_error_is_tried_once_more_and_quoted(tmp_path: Path) -> None:
    reader = script(tmp_path, f'echo x >> {tmp_path}/calls; echo "Error: no such luck" >&2; exit 1')
    with pytest.raises(StackReadError, match="no such luck") as raised:
        reader.read(os.getpid())
    assert not raised.value.lasting
    assert (tmp_path / "calls").read_text() == "x\nx\n"


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    reader = script(tmp_path, 'echo "Error: Failed to open process" >&2; exit 1')
    with pytest.raises(StackReadError) as raised:
        reader.read(ended.pid)
    assert raised.value.gone


@pytest.mark.parametrize("answer", ["", "no json", "{}", '[{"thread_id": 1}]', '[{"frames": [{}]}]', "[1]"])
def test_an_answer_that_makes_no_sense(tmp_path: Path, answer: str) -> None:
    (tmp_path / "answer").write_text(answer)
    with pytest.raises(StackReadError, match="could not be read"):
        script(tmp_path, f"cat {tmp_path}/answer").read(os.getpid())


def test_frames_are_turned_outermost_first() -> None:
    frame = {"name": "inner", "filename": "a.py", "line": 3}
    answer = [
        {
            "pid": 9,
            "thread_id": 140,
            "thread_name": "MainThread",
            "os_thread_id": 9,
            "active": True,
            "owns_gil": True,
            "frames": [frame, {"name": "<module>", "filename": "b.py", "line": 0}],
        },
        {"thread_id": 141, "thread_name": None, "os_thread_id": 10, "frames": []},
    ]
    main, other = parse_stacks(json.dumps(answer), 9)
    assert main.frames == (Frame("<module>", "b.py", None), Frame("inner", "a.py", 3))
    assert (main.main, main.active, main.holds_gil) == (True, True, True)
    assert (other.main, other.active, other.holds_gil, other.name) == (False, False, False, None)


def test_py_spy_is_found_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = find_py_spy()
    if found is None:
        pytest.skip("py-spy is not installed beside this interpreter")
    assert found.name == "py-spy"
    assert os.access(found, os.X_OK)
