"""gtdiag under strace, beside workers that hang: it signals and traces nobody, and writes to nothing but its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import as_module, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

STRACE = shutil.which("strace")
CALLS = (
    "kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal,ptrace,process_vm_writev,process_madvise,"
    "open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,truncate,ftruncate,link,linkat,symlink,symlinkat,"
    "mkdir,mkdirat,chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,setxattr,prlimit64,sched_setaffinity,setpriority"
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)")
_WRITES = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)")
_ON_PATHS = ("open", "creat", "unlink", "rename", "truncate", "link", "symlink", "mkdir", "chmod", "fchmodat", "chown")
_SIGNALS = ("kill", "tkill", "tgkill")
_NEVER = (
    *("ptrace", "process_vm_writev", "process_madvise", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("sched_setaffinity", "setpriority"),
)
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(STRACE is None, reason="needs strace (apt-get install strace)"),
]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[GunicornProcess]:
    """Two workers that hang in their start-up, in a folder of their own."""
    folder = tmp_path / "served"
    folder.mkdir()
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(NEWEST),
            "startup_contention:app",
            folder=folder,
            workers=2,
            worker_class="uvicorn",
            timeout_s=4,
            variables={"DATABASE_URL": f"postgresql://app:word@{server.peer}/app"},
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(2)
        yield gunicorn


def traced(tmp_path: Path, *arguments: str) -> tuple[set[int], list[tuple[str, str]]]:
    """The processes that the command consisted of, and its system calls: names and arguments."""
    trace = tmp_path / "trace"
    strace = [str(STRACE), "-f", "-qq", "-s", "400", "-e", f"trace={CALLS}", "-o", os.fspath(trace), *as_module()]
    done = run_gtdiag(*arguments, command=strace, deadline_s=180, variables={"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.status in (0, 1), done.stderr
    found = [match.groups() for match in map(_LINE.match, trace.read_text(errors="replace").splitlines()) if match]
    return {int(pid) for pid, _, _ in found}, [(name, rest) for _, name, rest in found]


def written_paths(calls: list[tuple[str, str]]) -> set[str]:
    """Every path that was opened for writing, made, renamed or taken away."""
    return {
        path
        for name, rest in calls
        if name.startswith(_ON_PATHS) and (not name.startswith("open") or _WRITES.search(rest))
        for path in _PATH.findall(rest)
    }


@pytest.mark.parametrize("command", ["snapshot", "watch"])
def test_it_only_reads(command: str, hanging: GunicornProcess, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    options = ("--for", "9s", "--record", str(own / "watch.jsonl")) if command == "watch" else ()
    wait_until_overdue()
    own_pids, calls = traced(tmp_path, command, str(hanging.pid), *options, "-o", str(own / "report.txt"))
    assert "verify_database_migrations" in (own / "report.txt").read_text(), "it looked into the workers"
    served = {hanging.pid, *(child.pid for child in psutil.Process(hanging.pid).children(recursive=True))}
    assert not served & own_pids
    for name, rest in calls:
        assert name not in _NEVER, f"{name}({rest}"
        if name in _SIGNALS:
            target, signal = (word.strip(" )") for word in rest.split(")")[0].split(",")[:2])
            assert signal == "0" or int(target) in own_pids, f"{name}({rest}"
    written = {path for path in written_paths(calls) if path not in ("/dev/null", "/dev/tty")}
    assert {path for path in written if not path.startswith(f"{own}/")} == set()
    assert any(path.startswith(f"{own}/") for path in written), "what is written is seen"


def wait_until_overdue() -> None:
    """The workers have no heartbeat for longer than the time-out, whatever is told of them is told by then."""
    subprocess.run([sys.executable, "-c", "import time; time.sleep(5)"], check=True)
