"""gevent and eventlet workers of real gunicorn that wait in a greenlet, the real commands, and what their reports say.

A thread's stack shows nothing of such a wait but the hub; while the application is imported nothing beats either.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gtdiag.interpreter import InterpreterStartingError, open_interpreter
from tests.environments import NEWEST, Environment, gunicorn_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import Address, mute_server
from tests.unit.interpreter.target_process import interpreters

pytestmark = [pytest.mark.live, pytest.mark.slow]

TIMEOUT_S = 5
_CLIENTS = ("requests", "psycopg2-binary")
_GEVENT = ("gevent", "packaging", "psycogreen", *_CLIENTS)
_EVENTLET = ("eventlet", *_CLIENTS)


def environment(worker_class: str, version: str) -> Environment:
    return gunicorn_environment(version, *(_GEVENT if worker_class == "gevent" else _EVENTLET))


def variables(server: Address, start_up: str) -> dict[str, str]:
    return {
        "START_UP": start_up,
        "UPSTREAM_URL": f"http://{server.peer}",
        "DATABASE_URL": f"postgresql://app:secret@{server.peer}/orders",
    }


# how the application waits | worker class | gunicorn | the function | category | what it called | whose stack shows it
START_UPS = """
http     | gevent   | 21.2.0 | fetch_feature_flags | http     | requests get     | greenlet
http     | gevent   | 27.0.1 | fetch_feature_flags | http     | requests get     | greenlet
http     | eventlet | 23.0.0 | fetch_feature_flags | http     | requests get     | greenlet
http     | eventlet | 25.3.0 | fetch_feature_flags | http     | requests get     | greenlet
sleep    | gevent   | 27.0.1 | wait_for_warm_up    | sleep    | gevent sleep     | greenlet
sleep    | eventlet | 25.3.0 | wait_for_warm_up    | sleep    | gevent sleep     | greenlet
database | gevent   | 27.0.1 | check_migrations    | database | psycopg2 connect | thread
patched  | gevent   | 27.0.1 | check_migrations    | database | psycopg2 connect | greenlet
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in START_UPS.strip().splitlines()]


@pytest.mark.parametrize(
    ("start_up", "worker_class", "version", "call", "category", "called", "how"),
    ROWS,
    ids=["-".join(row[:3]) for row in ROWS],
)
def test_a_start_up_that_waits(
    start_up: str,
    worker_class: str,
    version: str,
    call: str,
    category: str,
    called: str,
    how: str,
    tmp_path: Path,
) -> None:
    with (
        mute_server() as server,
        running_gunicorn(
            environment(worker_class, version),
            "greenlet_startup:application",
            folder=tmp_path,
            worker_class=worker_class,
            workers=2,
            timeout_s=TIMEOUT_S,
            variables=variables(server, start_up),
        ) as gunicorn,
    ):
        pids = gunicorn.wait_for_workers(2)
        report = run_gtdiag("watch", str(gunicorn.pid), "--for", "9s", "--format", "json").report()
        assert gunicorn.returncode is None

    kind = "worker_timeout" if version == "21.2.0" else "startup_hang"
    hangs = [incident for incident in report["incidents"] if incident["pid"] in pids and incident["kind"] == kind]
    assert len(hangs) == 2, report["incidents"]
    for incident in hangs:
        blocked = incident["blocked"]
        assert incident["phase"] == "startup"
        assert (blocked["call"], blocked["category"], blocked["how"]) == (call, category, how)
        assert f"{blocked['library']} {blocked['library_call']}" == called
        assert blocked["path"] == ["<module>", "load_configuration", call]
        if category != "sleep":
            assert blocked["waiting_on"]["peer"] == server.peer
    assert call in report["verdict"]["summary"]
    assert [gap for gap in report["gaps"] if gap["what"] in ("stacks", "suspended_code")] == []


@pytest.mark.parametrize("python", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_a_start_up_that_waits_on_each_python(python: str, tmp_path: Path) -> None:
    path = interpreters().get(python)
    if path is None:
        pytest.skip(f"no CPython {python} on this machine")
    built = gunicorn_environment("23.0.0", "gevent", "requests", python=path)
    with (
        mute_server() as server,
        running_gunicorn(
            built,
            "greenlet_startup:application",
            folder=tmp_path,
            worker_class="gevent",
            variables=variables(server, "http"),
        ) as gunicorn,
    ):
        (pid,) = gunicorn.wait_for_workers(1)
        wait_until(pid, "fetch_feature_flags")
        blocked = snapshot_of(gunicorn)["blocked"]
    assert blocked is not None
    assert (blocked["call"], blocked["category"], blocked["how"]) == ("fetch_feature_flags", "http", "greenlet")
    assert (blocked["library"], blocked["library_call"]) == ("requests", "get")


def suspended_functions(pid: int) -> list[list[str]]:
    with open_interpreter(pid) as interpreter:
        found = interpreter.read_suspended().suspended
    return [[frame.function for frame in code.frames] for code in found if code.kind == "greenlet"]


def wait_until(pid: int, *functions: str) -> None:
    """Until the worker has a suspended greenlet with each of these functions on its stack."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(InterpreterStartingError):
            on_stacks = [name for stack in suspended_functions(pid) for name in stack]
            if all(any(name.endswith(function) for name in on_stacks) for function in functions):
                return
        time.sleep(0.05)
    raise AssertionError(f"{functions} not in {suspended_functions(pid)}")


@contextlib.contextmanager
def serving(worker_class: str, version: str, folder: Path) -> Iterator[tuple[GunicornProcess, int]]:
    """A worker that has started and waits for requests."""
    with (
        mute_server() as server,
        running_gunicorn(
            environment(worker_class, version),
            "greenlet_startup:application",
            folder=folder,
            worker_class=worker_class,
            timeout_s=30,
            variables=variables(server, "none"),
        ) as gunicorn,
    ):
        (worker,) = gunicorn.wait_for_workers(1)
        wait_until(worker, "Worker.run", "sleep")
        yield gunicorn, worker


each_server = pytest.mark.parametrize(
    ("worker_class", "version"), [("gevent", "21.2.0"), ("gevent", NEWEST), ("eventlet", "25.3.0")]
)


def snapshot_of(gunicorn: GunicornProcess) -> dict[str, Any]:
    report = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json").report()
    (worker,) = report["workers"]
    assert isinstance(worker, dict)
    return worker


@each_server
def test_a_worker_without_requests_is_idle(worker_class: str, version: str, tmp_path: Path) -> None:
    with serving(worker_class, version, tmp_path) as (gunicorn, _worker):
        assert snapshot_of(gunicorn)["blocked"] is None


@each_server
def test_a_request_that_waits(worker_class: str, version: str, tmp_path: Path) -> None:
    with serving(worker_class, version, tmp_path) as (gunicorn, pid), contextlib.ExitStack() as stack:
        for target in ("/idle", "/flags"):
            client = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=60)
            stack.enter_context(contextlib.closing(client))
            client.request("GET", target)
            if target == "/idle":  # the connection stays open and waits for another request
                assert client.getresponse().read() == b"ok"
        wait_until(pid, "fetch_feature_flags")
        worker = snapshot_of(gunicorn)
    blocked = worker["blocked"]
    assert blocked is not None
    assert (blocked["call"], blocked["category"], blocked["how"]) == ("fetch_feature_flags", "http", "greenlet")
    assert f"{blocked['library']} {blocked['library_call']}" == "requests get"
