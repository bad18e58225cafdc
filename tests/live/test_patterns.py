"""Each pattern on a real gunicorn: a run that shows it, and one close by that must not."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environments import NEWEST, Environment, standard_environment
from tests.live.cgroups import command_in, own_cgroup
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

APPLICATION = "pattern_causes:application"
TIMEOUT_S = 4


def kinds(report: dict[str, Any]) -> set[str]:
    return {pattern["kind"] for pattern in report["patterns"]}


def the(report: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [pattern for pattern in report["patterns"] if pattern["kind"] == kind]
    assert isinstance(found, dict)
    return found


def environment(version: str = NEWEST) -> Environment:
    return standard_environment(version)


@contextlib.contextmanager
def asked(gunicorn: GunicornProcess, path: str) -> Iterator[None]:
    """A request whose answer nobody waits for; with no path, a connection on which nothing is sent."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", gunicorn.port))) as client:
        if path:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield


def ready(gunicorn: GunicornProcess, workers: int = 1) -> None:
    gunicorn.wait_for_workers(workers)
    for _ in range(workers):
        connection = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            assert connection.getresponse().status == 200


def watched(gunicorn: GunicornProcess, for_s: float) -> dict[str, Any]:
    return run_gtdiag("watch", str(gunicorn.pid), "--for", f"{for_s:g}s", "--format", "json").report()


def later(seconds: float, action: Any) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


# --- the client ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/sleep"])
def test_a_client_that_sends_nothing(path: str, tmp_path: Path) -> None:
    with running_gunicorn(environment(), APPLICATION, folder=tmp_path, timeout_s=TIMEOUT_S) as gunicorn:
        ready(gunicorn)
        with asked(gunicorn, path):
            report = watched(gunicorn, 8)
        log = gunicorn.log_path
        assert [i["kind"] for i in report["incidents"]][:1] == ["worker_timeout"]
        assert ("idle_client" in kinds(report)) is (path == "")
        saved = run_gtdiag("analyze", str(log), "--format", "json").report()
        assert ("idle_client" in kinds(saved)) is (path == "")
        if not path:
            assert "127.0.0.1" in the(report, "idle_client")["summary"]


# --- CPU and memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quota_us", "path", "fires"), [("4000", "/compute", True), ("4000", "/sleep", False)])
def test_a_cpu_quota(quota_us: str, path: str, fires: bool, tmp_path: Path) -> None:
    version = environment("21.2.0")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_cgroup("cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"}))
        gunicorn = stack.enter_context(
            running_gunicorn(
                version,
                APPLICATION,
                folder=tmp_path,
                timeout_s=TIMEOUT_S,
                command=command_in(folder, version.gunicorn),
            )
        )
        ready(gunicorn)
        (folder / "cpu.cfs_quota_us").write_text(quota_us)
        stack.enter_context(asked(gunicorn, path))
        report = watched(gunicorn, 8)
        (folder / "cpu.cfs_quota_us").write_text("-1")
    assert [i["kind"] for i in report["incidents"]][:1] == ["worker_timeout"]
    assert ("cpu_starvation" in kinds(report)) is fires
    if fires:
        found = the(report, "cpu_starvation")
        assert found["confidence"] == "high"
        assert "quota of 0.04 cores" in found["summary"]
        assert "throttled" in " ".join(found["evidence"])


def test_computing_without_a_quota_is_no_starvation(tmp_path: Path) -> None:
    with running_gunicorn(environment(), APPLICATION, folder=tmp_path, timeout_s=TIMEOUT_S) as gunicorn:
        ready(gunicorn)
        with asked(gunicorn, "/compute"):
            assert "cpu_starvation" not in kinds(watched(gunicorn, 6))


@pytest.mark.parametrize(
    ("path", "limit_mib", "fires"), [("/grow", 128, True), ("/keep", 300, True), ("/", 300, False)]
)
def test_a_memory_limit(path: str, limit_mib: int, fires: bool, tmp_path: Path) -> None:
    version = environment()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_cgroup("memory", {"memory.limit_in_bytes": str(limit_mib << 20)}))
        gunicorn = stack.enter_context(
            running_gunicorn(
                version,
                APPLICATION,
                folder=tmp_path,
                variables={"KEEP_FILE": str(tmp_path / "keep")},
                command=command_in(folder, version.gunicorn),
            )
        )
        ready(gunicorn)
        used_mib = int((folder / "memory.usage_in_bytes").read_text()) >> 20
        (tmp_path / "keep").write_text(str(max(1, int(0.93 * limit_mib) - used_mib)))
        timer = later(2, lambda: _ask(gunicorn, path))
        report = watched(gunicorn, 10)
        timer.join()
    assert ("memory_limit" in kinds(report)) is fires
    assert ("oom_kill" in {i["kind"] for i in report["incidents"]}) is (path == "/grow")
    if path == "/grow":
        incident = next(i for i in report["incidents"] if i["kind"] == "oom_kill")
        assert incident["killed_by"] == "kernel_oom"
        assert "memory.oom_control rose" in " ".join(incident["evidence"])


def test_a_sigkill_from_outside_is_told_from_the_kernels(tmp_path: Path) -> None:
    """The test kills a worker that it started itself."""
    with running_gunicorn(environment(), APPLICATION, folder=tmp_path) as gunicorn:
        ready(gunicorn)
        timer = later(2, lambda: os.kill(gunicorn.worker_pids()[0], signal.SIGKILL))
        report = watched(gunicorn, 6)
        timer.join()
    (incident,) = report["incidents"]
    assert (incident["kind"], incident["killed_by"]) == ("external_kill", "external")
    assert "did not rise" in " ".join(incident["evidence"])
    assert "misleading_oom_message" in kinds(report)


def _ask(gunicorn: GunicornProcess, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=30)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse()


# --- the host --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_a_host_that_stood_still(whole: bool, tmp_path: Path) -> None:
    """The test stops the master and workers that it started itself, as a suspended host does."""
    with running_gunicorn(environment(), APPLICATION, folder=tmp_path, workers=3, timeout_s=TIMEOUT_S) as gunicorn:
        ready(gunicorn, 3)
        workers = gunicorn.worker_pids()
        stopped = [gunicorn.pid, *workers] if whole else workers[:1]

        def suspend() -> None:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(6)
            for pid in stopped:  # the master first: a worker that runs before it beats in time
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                time.sleep(1.5 if pid == gunicorn.pid else 0)

        timer = later(2, suspend)
        report = watched(gunicorn, 13)
        timer.join()
    assert "worker_timeout" in {i["kind"] for i in report["incidents"]}
    assert ("group_stall" in kinds(report)) is whole
    if whole:
        assert "stopped" in the(report, "group_stall")["summary"]


@pytest.fixture
def freezable(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 of its own, which the kernel can freeze: writes to it then hang, as on a disk that is away."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system of its own can be mounted here: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["fsfreeze", "-u", str(folder)], check=False, capture_output=True)
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_heartbeat_file_on_a_disk_that_does_not_answer(frozen: bool, freezable: Path, tmp_path: Path) -> None:
    options = ["--worker-tmp-dir", str(freezable)]
    with running_gunicorn(
        environment(), APPLICATION, folder=tmp_path, timeout_s=TIMEOUT_S, options=options
    ) as gunicorn:
        ready(gunicorn)
        if frozen:
            subprocess.run(["fsfreeze", "-f", str(freezable)], check=True)
        report = watched(gunicorn, 8)
        subprocess.run(["fsfreeze", "-u", str(freezable)], check=frozen, capture_output=True)
    assert ("slow_heartbeat_disk" in kinds(report)) is frozen
    if frozen:
        assert "ext4" in the(report, "slow_heartbeat_disk")["summary"]


# --- the fork --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preload", [True, False])
def test_a_connection_through_the_fork(preload: bool, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                environment(),
                APPLICATION,
                folder=tmp_path,
                workers=2,
                options=["--preload"] if preload else [],
                variables={"CAUSE": "connection", "PEER": server.peer},
            )
        )
        ready(gunicorn, 2)
        workers = sorted(gunicorn.worker_pids())
        report = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json").report()
    assert ("shared_socket" in kinds(report)) is preload
    if preload:
        found = the(report, "shared_socket")
        assert sorted(found["pids"]) == workers
        assert server.peer in found["summary"]


@pytest.mark.parametrize("preload", [True, False])
def test_a_lock_through_the_fork(preload: bool, tmp_path: Path) -> None:
    with running_gunicorn(
        environment(),
        APPLICATION,
        folder=tmp_path,
        timeout_s=TIMEOUT_S,
        options=["--preload"] if preload else [],
        variables={"CAUSE": "lock"},
    ) as gunicorn:
        ready(gunicorn)
        with asked(gunicorn, "/lock"):
            report = watched(gunicorn, 7)
    assert report["incidents"][0]["blocked"]["category"] == "lock"
    assert ("fork_inherited_lock" in kinds(report)) is preload
    if preload:
        assert the(report, "fork_inherited_lock")["confidence"] == "medium"


# --- the pool, and the way out ---------------------------------------------------------------------------------------


def test_a_pool_that_ran_out(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(
            running_gunicorn(environment(), "pattern_causes:application", folder=_folder(tmp_path, "upstream"))
        )
        ready(upstream)
        gunicorn = stack.enter_context(
            running_gunicorn(
                environment(),
                APPLICATION,
                folder=_folder(tmp_path, "served"),
                timeout_s=TIMEOUT_S,
                variables={"UPSTREAM_URL": upstream.url("/")},
            )
        )
        ready(gunicorn)
        stack.enter_context(asked(gunicorn, "/pool"))
        report = watched(gunicorn, 7)
    found = the(report, "pool_exhausted")
    assert (found["call"], found["category"]) == ("use_pool", "http")
    assert "urllib3" in found["summary"]


def test_a_slow_upstream_is_no_pool_that_ran_out(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                environment(),
                APPLICATION,
                folder=tmp_path,
                timeout_s=TIMEOUT_S,
                variables={"UPSTREAM_URL": f"http://{server.peer}/"},
            )
        )
        ready(gunicorn)
        stack.enter_context(asked(gunicorn, "/pool"))
        report = watched(gunicorn, 7)
    assert report["incidents"][0]["blocked"]["call"] == "use_pool"
    assert "pool_exhausted" not in kinds(report)


@pytest.mark.parametrize("max_requests", [2, 0])
def test_recycling_that_ends_in_a_time_out(max_requests: int, tmp_path: Path) -> None:
    # Later versions go on beating while a gthread worker finishes.
    with running_gunicorn(
        environment("23.0.0"),
        APPLICATION,
        folder=tmp_path,
        worker_class="gthread",
        timeout_s=TIMEOUT_S,
        options=["--threads", "4", "--graceful-timeout", "30", "--max-requests", str(max_requests)],
    ) as gunicorn:
        ready(gunicorn)
        with asked(gunicorn, "/sleep"):
            report = watched(gunicorn, 10)
    assert ("drain_timeout" in kinds(report)) is (max_requests > 0)


@pytest.mark.parametrize("path", ["/sleep", "/"])
def test_a_worker_that_does_not_stop_in_time(path: str, tmp_path: Path) -> None:
    with running_gunicorn(environment(), APPLICATION, folder=tmp_path, options=["--graceful-timeout", "3"]) as gunicorn:
        ready(gunicorn)
        timer = later(2, lambda: gunicorn.signal(signal.SIGTERM))
        with asked(gunicorn, path):
            report = watched(gunicorn, 9)
        timer.join()
    assert ("graceful_timeout_kill" in kinds(report)) is (path == "/sleep")
    if path == "/sleep":
        incident = next(i for i in report["incidents"] if i["kind"] == "worker_exit")
        assert incident["killed_by"] == "gunicorn"


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
