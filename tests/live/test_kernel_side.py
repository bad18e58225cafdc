"""What is said of a wait by the kernel's side of it: real gunicorn, real libraries, peers that are known."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import GTDIAG, Done, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import full_backlog, mute_server, trickling_server
from tests.live.without_ptrace import NO_RIGHTS, needs_root_and_tools, ptrace_denied

pytestmark = [pytest.mark.live, pytest.mark.slow]

TIMEOUT_S = 3
WATCH_S = 8


@contextlib.contextmanager
def waiting(
    wait: str, target: str, folder: Path, *, prefix: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[GunicornProcess]:
    environment = standard_environment(NEWEST)
    with running_gunicorn(
        environment,
        "waiting_startup:application",
        folder=folder,
        timeout_s=TIMEOUT_S,
        variables={"WAIT": wait, "TARGET": target},
        command=[*prefix, os.fspath(environment.gunicorn)],
        options=options,
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        yield gunicorn


def watch(gunicorn: GunicornProcess, command: Sequence[str] = GTDIAG) -> dict[str, Any]:
    done: Done = run_gtdiag("watch", str(gunicorn.pid), "--for", f"{WATCH_S}s", "--format", "json", command=command)
    return done.report()


def hang_of(report: dict[str, Any]) -> dict[str, Any]:
    (hang,) = [incident for incident in report["incidents"] if incident["kind"] == "startup_hang"]
    blocked = hang["blocked"]
    assert isinstance(blocked, dict), hang
    return blocked


def test_an_unreachable_peer(tmp_path: Path) -> None:
    with full_backlog() as server, waiting("psycopg2", f"postgresql://{server.peer}/x", tmp_path) as gunicorn:
        report = watch(gunicorn)
    blocked = hang_of(report)
    waiting_on = blocked["waiting_on"]
    assert (blocked["call"], blocked["category"], blocked["confidence"]) == ("ask_psycopg2", "database", "high")
    assert (waiting_on["peer"], waiting_on["state"]) == (server.peer, "SYN_SENT")
    assert waiting_on["condition"] == "unreachable"
    assert waiting_on["retransmits"] >= 1
    assert waiting_on["system_call"] in ("poll", "ppoll", "select", "pselect6")
    assert blocked["kernel_agrees"] is True
    assert waiting_on["process_pid"] == os.getpid()  # this test listens, and does not accept
    summary = report["verdict"]["summary"]
    assert server.peer in summary and "unreachable: nobody answers the TCP connect (SYN_SENT)" in summary


def test_a_peer_that_accepts_and_says_nothing(tmp_path: Path) -> None:
    with mute_server() as server, waiting("requests", f"http://{server.peer}/", tmp_path) as gunicorn:
        report = watch(gunicorn)
    blocked = hang_of(report)
    waiting_on = blocked["waiting_on"]
    assert (blocked["call"], blocked["category"], blocked["confidence"]) == ("ask_requests", "http", "high")
    assert (waiting_on["peer"], waiting_on["condition"]) == (server.peer, "mute")
    assert waiting_on["bytes_sent"] > 0 and waiting_on["bytes_received"] == 0
    assert waiting_on["last_received_s"] > TIMEOUT_S
    assert waiting_on["system_call"] == "recvfrom"
    assert waiting_on["process_pid"] == os.getpid()  # the server is this test
    summary = report["verdict"]["summary"]
    assert f"process {waiting_on['process_name']} at {server.peer}, TCP connected, 0 bytes back" in summary


def test_a_peer_that_is_slow(tmp_path: Path) -> None:
    with trickling_server() as server, waiting("requests", f"http://{server.peer}/", tmp_path) as gunicorn:
        report = watch(gunicorn)
    waiting_on = hang_of(report)["waiting_on"]
    assert (waiting_on["peer"], waiting_on["condition"]) == (server.peer, "slow")
    assert waiting_on["bytes_received"] > 0
    assert "slow but moving" in report["verdict"]["summary"]


def test_a_pool_of_ones_own(tmp_path: Path) -> None:
    with trickling_server() as server, waiting("pool", f"http://{server.peer}/", tmp_path) as gunicorn:
        report = watch(gunicorn)
    blocked = hang_of(report)
    waiting_on = blocked["waiting_on"]
    assert (blocked["call"], blocked["category"]) == ("ask_pool", "http")
    assert (waiting_on["kind"], waiting_on["peer"], waiting_on["condition"]) == ("lock", None, "own_pool")
    assert waiting_on["system_call"] == "futex"
    assert "its own pool" in report["verdict"]["summary"]


def test_a_child_is_named(tmp_path: Path) -> None:
    with waiting("child", "", tmp_path) as gunicorn:
        report = watch(gunicorn)
    blocked = hang_of(report)
    assert (blocked["call"], blocked["category"]) == ("convert_in_child", "subprocess")
    assert (blocked["waiting_on"]["kind"], blocked["waiting_on"]["process_name"]) == ("child", "sleep")
    assert "waiting for the process sleep" in report["verdict"]["summary"]


def test_a_locked_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "app.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with waiting("flock", str(path), tmp_path) as gunicorn:
            report = watch(gunicorn)
    blocked = hang_of(report)
    assert (blocked["category"], blocked["waiting_on"]["kind"]) == ("lock", "file_lock")
    assert (blocked["waiting_on"]["file"], blocked["confidence"]) == (str(path), "high")


def test_a_unix_socket_leads_to_its_server(tmp_path: Path) -> None:
    path = tmp_path / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        with waiting("psycopg2", f"host={tmp_path} port=5432 dbname=x", tmp_path) as gunicorn:
            accepted, _ = server.accept()
            with accepted:
                report = watch(gunicorn)
    blocked = hang_of(report)
    waiting_on = blocked["waiting_on"]
    assert (blocked["category"], blocked["confidence"]) == ("database", "high")
    assert (waiting_on["peer"], waiting_on["service"]) == (str(path), "postgresql")
    assert waiting_on["process_pid"] == os.getpid()


# --- without the right to ptrace -------------------------------------------------------------------------------------


def test_without_ptrace_the_sockets_still_give_a_verdict(tmp_path: Path) -> None:
    needs_root_and_tools()
    with (
        full_backlog() as server,
        waiting("psycopg2", f"postgresql://{server.peer}/x", tmp_path, prefix=NO_RIGHTS) as gunicorn,
        ptrace_denied(gunicorn.pid, *gunicorn.worker_pids()) as command,
    ):
        report = watch(gunicorn, command)
    blocked = hang_of(report)
    waiting_on = blocked["waiting_on"]
    assert (blocked["call"], blocked["library"], blocked["how"]) == (None, None, "socket")
    assert blocked["confidence"] in ("low", "medium")
    assert (waiting_on["peer"], waiting_on["condition"]) == (server.peer, "unreachable")
    assert {gap["what"] for gap in report["gaps"]} >= {"stacks", "suspended_code"}
    summary = report["verdict"]["summary"]
    assert server.peer in summary and "cannot be seen from here" in summary and "SYS_PTRACE" in summary
    assert report["verdict"]["confidence"] != "high"


def test_without_ptrace_an_idle_worker_is_not_blamed(tmp_path: Path) -> None:
    """Idle workers poll, as blocked ones may: nothing but a stale heartbeat tells them apart."""
    needs_root_and_tools()
    environment = standard_environment(NEWEST)
    with (
        running_gunicorn(
            environment,
            "sync_serving:application",
            folder=tmp_path,
            workers=2,
            timeout_s=30,
            command=[*NO_RIGHTS, os.fspath(environment.gunicorn)],
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(2)
        time.sleep(1.5)  # until they have beaten for the first time
        with ptrace_denied(gunicorn.pid, *gunicorn.worker_pids()) as command:
            report = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json", command=command).report()
    assert report["incidents"] == []
    assert [worker["blocked"] for worker in report["workers"]] == [None, None]


def test_what_may_not_be_read_at_all_is_not_called_healthy(tmp_path: Path) -> None:
    """A worker that made itself undumpable hides its descriptors too: no heartbeat, no sockets."""
    needs_root_and_tools()
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("import ctypes\ndef post_fork(server, worker): ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n")
    with (
        mute_server() as server,
        waiting(
            "requests", f"http://{server.peer}/", tmp_path, prefix=NO_RIGHTS, options=("-c", str(configuration))
        ) as gunicorn,
    ):
        report = watch(gunicorn, [*NO_RIGHTS, *GTDIAG])
    assert {gap["what"] for gap in report["gaps"]} >= {"heartbeat", "sockets", "stacks", "suspended_code"}
    assert all(gap["hint"] for gap in report["gaps"])
    assert report["verdict"]["confidence"] == "low"
    assert "would not have been seen" in report["verdict"]["summary"]
