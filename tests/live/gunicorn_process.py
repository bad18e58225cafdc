"""Starts a real gunicorn master for a test, says when it is up, and leaves no process behind.

    with running_gunicorn(environment, "sync_serving:application", folder=tmp_path, workers=2, timeout_s=4) as gunicorn:
        gunicorn.wait_until_listening()
        ... gunicorn.pid, gunicorn.url("/slow"), gunicorn.log_path, gunicorn.worker_pids() ...

Applications are those of tests/live/applications, by module name. Everything runs in a session of its own, so that one
killpg in the end reaches the master, a re-executed master and every worker, also when the test failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from tests.environments import Environment

APPLICATIONS = Path(__file__).resolve().parent / "applications"

_POLL_S = 0.02
_LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+) \((\d+)\)")
_BOOTING = re.compile(r"Booting worker with pid: (\d+)")


class GunicornDidNotError(AssertionError):
    """Something that the test waits for did not come; the message ends with the log."""


class GunicornProcess:
    """A running gunicorn master."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path, stderr_path: Path) -> None:
        self._process = process
        self.log_path = log_path
        self.stderr_path = stderr_path

    @property
    def pid(self) -> int:
        """The master's pid."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The master's exit status; None while it runs."""
        return self._process.poll()

    def log_text(self) -> str:
        """What gunicorn has logged so far ("" when there is no log file yet)."""
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_log(self, pattern: str, count: int = 1, deadline_s: float = 30.0) -> list[re.Match[str]]:
        """The matches of a regular expression in the log, as soon as there are `count` of them."""
        compiled = re.compile(pattern)
        end = time.monotonic() + deadline_s
        while True:
            matches = list(compiled.finditer(self.log_text()))
            if len(matches) >= count:
                return matches
            if time.monotonic() > end or self.returncode is not None:
                matches = list(compiled.finditer(self.log_text()))
                if len(matches) >= count:
                    return matches
                raise self._did_not(f"log {pattern!r} {count} times in {deadline_s} s")
            time.sleep(_POLL_S)

    def wait_until_listening(self, deadline_s: float = 30.0) -> int:
        """The port, once the master listens. Workers may still be booting, or hang there."""
        return int(self.wait_for_log(_LISTENING.pattern, deadline_s=deadline_s)[0].group(1))

    def wait_for_workers(self, count: int, deadline_s: float = 30.0) -> list[int]:
        """The pids in the first `count` boot lines."""
        matches = self.wait_for_log(_BOOTING.pattern, count, deadline_s)
        return [int(match.group(1)) for match in matches[:count]]

    def wait_for_exit(self, deadline_s: float = 30.0) -> int:
        """The master's exit status, once it has ended by itself."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise self._did_not(f"exit in {deadline_s} s") from None

    @property
    def port(self) -> int:
        """The port gunicorn listens on (it chose a free one)."""
        return self.wait_until_listening()

    def url(self, path: str = "/") -> str:
        """The address of a path on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    def worker_pids(self) -> list[int]:
        """The master's children as the kernel lists them now, oldest first."""
        try:
            children = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children]

    def signal(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        self._process.send_signal(number)

    def stop(self, grace_s: float = 1.0) -> None:
        """End the master with TERM, then kill whatever is left of its session."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        kill_group(self.pid)
        self._process.wait(10)

    def _did_not(self, what: str) -> GunicornDidNotError:
        state = "runs" if self.returncode is None else f"ended with {self.returncode}"
        stderr = self.stderr_path.read_text(errors="replace") if self.stderr_path != self.log_path else ""
        return GunicornDidNotError(f"gunicorn {self.pid} ({state}) did not {what}\n{self.log_text()}{stderr}")


def kill_group(group: int) -> None:
    """Kill a process group and wait until nothing of it runs any more."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        if not any(_runs(pid) for pid in _members(group)):
            return
        time.sleep(_POLL_S)
    raise AssertionError(f"process group {group} could not be ended: {_members(group)}")


def _members(group: int) -> list[int]:
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == group:
                members.append(pid)
    return members


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running_gunicorn(
    environment: Environment,
    application: str,
    *,
    folder: Path,
    workers: int = 1,
    worker_class: str = "sync",
    timeout_s: float = 30,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    log: str = "stderr",
    working_directory: Path = APPLICATIONS,
    command: Sequence[str] | None = None,
) -> Iterator[GunicornProcess]:
    """Run `gunicorn application` in `environment` until the block ends.

    `worker_class`: gunicorn's words, or "uvicorn" for the one that fits the environment.
    `log`: "stderr" (descriptors 1 and 2 are the file) or "error-logfile" (gunicorn opens it; stderr goes elsewhere).
    `folder`: where the log goes; `options`: more of gunicorn's command line; `variables`: more environment variables.
    `command`: instead of the environment's `gunicorn` program (a wrapper such as setpriv: end it with that program).
    """
    log_path = folder / "gunicorn.log"
    stderr_path = log_path if log == "stderr" else folder / "stderr.log"
    arguments = [
        *(command or [os.fspath(environment.gunicorn)]),
        *("--chdir", os.fspath(working_directory)),
        *("--bind", "127.0.0.1:0"),
        *("--workers", str(workers)),
        *("--worker-class", environment.uvicorn_worker_class if worker_class == "uvicorn" else worker_class),
        *("--timeout", f"{timeout_s:g}"),
        *(("--error-logfile", os.fspath(log_path)) if log == "error-logfile" else ()),
        *options,
        application,
    ]
    # gunicorn 25 and later put a control socket under HOME: not the caller's, and not a path too long for a socket.
    home = tempfile.TemporaryDirectory(prefix="gunicorn-")
    with home, stderr_path.open("ab") as stderr:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            cwd=working_directory,
            env=environment.run_environment(**{"HOME": home.name, **(variables or {})}),
            start_new_session=True,
        )
        gunicorn = GunicornProcess(process, log_path, stderr_path)
        try:
            yield gunicorn
        finally:
            gunicorn.stop()
