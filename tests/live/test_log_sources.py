"""A watch that finds its log by itself where an engine or journald takes it: real gunicorn, real pipes and cgroups.

The engine is a reader that writes what docker's and the kubelet's would, into folders that only the watch sees at their
real places (a mount namespace); the journal is a real journald of the test's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from tests.environments import standard_environment
from tests.live.gtdiag_command import GTDIAG, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

pytestmark = pytest.mark.live

ID = "0a1b2c3d4e5f" * 5 + "0a1b"
UID = "3f1c1c1e-7b7a-4c7e-9d70-0a1b2c3d4e5f"
TIMEOUT_S = 2


def docker_line(line: str) -> str:
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return json.dumps({"log": line + "\n", "stream": "stderr", "time": at}) + "\n"


def cri_line(line: str) -> str:
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return f"{at} stderr F {line}\n"


class Engine:
    """Reads the pipe that is the server's standard error and writes the container's log; can rotate it."""

    def __init__(self, folder: Path, log: Path, write: Callable[[str], str]) -> None:
        self.pipe = folder / "stderr.fifo"
        os.mkfifo(self.pipe)
        self._log, self._write = log, write
        log.parent.mkdir(parents=True)
        log.touch()
        self._plain = folder / "gunicorn.log"
        self._descriptor = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        held = b""
        while not self._ended.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                held += os.read(self._descriptor, 1 << 16)
            *lines, held = held.split(b"\n")
            with self._lock, self._log.open("a") as log, self._plain.open("a") as plain:
                for line in lines:
                    log.write(self._write(line.decode()))
                    plain.write(line.decode() + "\n")

    def rotate(self) -> None:
        """As docker and the kubelet do: another name for the old one, a new one by the same name."""
        with self._lock:
            self._log.rename(f"{self._log}.1")
            self._log.touch()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._descriptor)


@contextlib.contextmanager
def cgroup_named(*names: str) -> Iterator[Path]:
    """A cgroup of version 2 by this path; skips where it cannot be made."""
    root = next(
        (r for r in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if (r / "cgroup.procs").exists()), None
    )
    if root is None:
        pytest.skip("no cgroup of version 2 is mounted here")
    made: list[Path] = []
    try:
        for name in names:
            folder = (made[-1] if made else root) / name
            if not folder.exists():
                folder.mkdir()
            made.append(folder)
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        yield made[-1]
    finally:
        for folder in reversed(made):
            for _ in range(50):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)


def in_container(cgroup: Path, pipe: Path, program: Path) -> list[str]:
    return ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$0" "$@" > {pipe} 2>&1', os.fspath(program)]


def seeing(place: str, folder: Path) -> list[str]:
    """gtdiag where `folder` is mounted on `place`."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    return ["unshare", "-m", "sh", "-c", f'mount --bind {folder} {place} && exec "$@"', "sh", *GTDIAG]


def let_one_time_out(url: str) -> None:
    """A request that hangs until the worker is killed."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=TIMEOUT_S * 4)


ENGINES = {
    "docker": (
        ("docker-{ID}.scope",),
        "var/lib",
        f"docker/containers/{ID}/{ID}-json.log",
        docker_line,
    ),
    "kubelet": (
        ("kubepods.slice", f"kubepods-pod{UID.replace('-', '_')}.slice", "cri-containerd-{ID}.scope"),
        "var/log",
        f"pods/shop_web-7d9f-x2x_{UID}/app/0.log",
        cri_line,
    ),
}


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_log_of_a_container_is_found_and_followed_through_its_rotation(tmp_path: Path, engine_name: str) -> None:
    groups, place, name, write = ENGINES[engine_name]
    engine = Engine(tmp_path, tmp_path / "root" / place / name, write)
    environment = standard_environment("23.0.0")
    try:
        with (
            cgroup_named(*(group.format(ID=ID) for group in groups)) as cgroup,
            running_gunicorn(
                environment,
                "sync_serving:application",
                folder=tmp_path,
                timeout_s=TIMEOUT_S,
                command=in_container(cgroup, engine.pipe, environment.gunicorn),
            ) as gunicorn,
        ):
            gunicorn.wait_until_listening()
            [first] = gunicorn.wait_for_workers(1)
            engine.rotate()
            threading.Timer(3.0, let_one_time_out, (gunicorn.url("/slow"),)).start()
            threading.Timer(4.0, engine.rotate).start()
            done = run_gtdiag(
                *("watch", str(gunicorn.pid), "--for", "9s", "--no-live", "--format", "json"),
                command=seeing("/" + place, tmp_path / "root" / place),
            )
    finally:
        engine.close()
    report = done.report()
    assert [gap for gap in report["gaps"] if gap["what"] == "log"] == []
    [incident] = [one for one in report["incidents"] if one["kind"] == "worker_timeout"]
    assert incident["pid"] == first
    assert any(f"WORKER TIMEOUT (pid:{first}) (/{place}/{name}:" in line for line in incident["evidence"])


JOURNALD = Path("/lib/systemd/systemd-journald")
OWN_FOLDERS = (
    "mkdir -p /run/systemd /run/log && mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/log && "
    "mount -t tmpfs none /var/log && mkdir -p /run/systemd/journal && exec"
)


@contextlib.contextmanager
def own_journal() -> Iterator[list[str]]:
    """A journald whose folders only it sees; gives the command that runs another one there."""
    if not JOURNALD.exists() or shutil.which("systemd-cat") is None or shutil.which("nsenter") is None:
        pytest.skip("no journald here")
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{OWN_FOLDERS} {JOURNALD}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            if Path(f"/proc/{process.pid}/root/run/systemd/journal/stdout").exists():
                break
            if process.poll() is not None:
                pytest.skip("journald cannot be run here")
            time.sleep(0.1)
        yield ["nsenter", "-t", str(process.pid), "-m"]
    finally:
        process.terminate()
        process.wait(10)


def test_a_service_that_logs_to_the_journal_is_followed(tmp_path: Path) -> None:
    environment = standard_environment("23.0.0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with own_journal() as inside, cgroup_named("system.slice", "web.service") as cgroup:
        join = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$@"', "sh", *inside, "systemd-cat"]
        with running_gunicorn(
            environment,
            "sync_serving:application",
            folder=tmp_path,
            timeout_s=TIMEOUT_S,
            command=[*join, os.fspath(environment.gunicorn)],
            options=("--bind", f"127.0.0.1:{port}"),
        ) as gunicorn:
            first = wait_for_worker(gunicorn)
            threading.Timer(3.0, let_one_time_out, (f"http://127.0.0.1:{port}/slow",)).start()
            done = run_gtdiag(
                *("watch", str(gunicorn.pid), "--for", "9s", "--no-live", "--format", "json"),
                command=[*inside, *GTDIAG],
            )
            left = [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == "journalctl"]
    report = done.report()
    assert [gap for gap in report["gaps"] if gap["what"] == "log"] == []
    [incident] = [one for one in report["incidents"] if one["kind"] == "worker_timeout"]
    assert incident["pid"] == first
    assert any(f"WORKER TIMEOUT (pid:{first}) (the journal of web.service:" in line for line in incident["evidence"])
    assert left == []


def wait_for_worker(gunicorn: GunicornProcess) -> int:
    for _ in range(300):
        if workers := gunicorn.worker_pids():
            return workers[0]
        time.sleep(0.1)
    raise AssertionError("gunicorn has booted no worker")
