"""Thread ids of a PID namespace and those seen from outside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gtdiag.interpreter.thread_ids import ThreadIds, parse_ids

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

THREADS = """
import threading, sys
told = threading.Event()
thread = threading.Thread(target=told.wait)
thread.start()
print(threading.main_thread().native_id, thread.native_id, flush=True)
sys.stdin.readline()
told.set()
"""


def test_the_line_of_a_status_file() -> None:
    assert parse_ids("Name:\tx\nNSpid:\t4711\t7\nNSpgid:\t1\t1\n") == (4711, 7)
    assert parse_ids("Name:\tx\n") == ()


def test_in_the_same_namespace_they_are_the_same() -> None:
    ids = ThreadIds(os.getpid())
    assert ids.outer(threading.get_native_id()) == threading.get_native_id()
    assert ids.outer(0) == 0


def test_in_another_namespace_they_are_translated() -> None:
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", THREADS]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare (util-linux)")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        words = process.stdout.readline().split()
        if len(words) != 2:
            pytest.skip("no PID namespace can be made here")
        main, thread = (int(word) for word in words)
        [outer] = [int(word) for word in _children(process.pid)]
        ids = ThreadIds(outer)
        assert (main, ids.outer(main)) == (1, outer)
        assert {ids.outer(main), ids.outer(thread)} == {
            int(task.name) for task in Path(f"/proc/{outer}/task").iterdir()
        }
        assert ids.outer(99) == 0, "no such thread"
        process.stdin.write("\n")
        process.stdin.close()


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
