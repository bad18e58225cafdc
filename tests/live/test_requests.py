"""The request in flight: real servers that hang in one, the real commands, and what these say and do not say of it.

Each request carries secrets in its query, its authorization and its cookie; none of them may be in any output.
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
from tests.environments import NEWEST, gunicorn_environment, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.unit.interpreter.target_process import interpreters

pytestmark = [pytest.mark.live, pytest.mark.slow]

LAST_THAT_KILLS = "21.2.0"
SECRET = "opensesame"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}"}
WSGI, ASGI = "sync_serving:application", "asgi_serving:application"

each_version = pytest.mark.parametrize("version", [LAST_THAT_KILLS, NEWEST])


def wait_until_handling(worker: int, number: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(InterpreterStartingError), open_interpreter(worker) as interpreter:
            if len(interpreter.read_requests()) == number:
                return
        time.sleep(0.05)
    raise AssertionError(f"worker {worker} does not handle {number} requests")


@contextlib.contextmanager
def asked(gunicorn: GunicornProcess, *targets: str) -> Iterator[int]:
    """Send each request on a connection of its own, in this order, and wait until the worker handles all of them."""
    (worker,) = gunicorn.wait_for_workers(1)
    with contextlib.ExitStack() as stack:
        for number, target in enumerate(targets, start=1):
            connection = stack.enter_context(
                contextlib.closing(http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=60))
            )
            connection.request("GET", target, headers={**HEADERS, "X-Request-ID": f"request-{number}"})
            wait_until_handling(worker, number)
        yield worker


def the_worker(report: dict[str, Any]) -> dict[str, Any]:
    (worker,) = [worker for worker in report["workers"] if worker["end"] == "running"]
    assert isinstance(worker, dict)
    return worker


def seen_by_snapshot(gunicorn: GunicornProcess) -> dict[str, Any]:
    done = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json")
    assert SECRET not in done.stdout + done.stderr
    return the_worker(done.report())


@each_version
def test_a_sync_worker_that_times_out(version: str, tmp_path: Path) -> None:
    recording = tmp_path / "watch.jsonl"
    with (
        running_gunicorn(standard_environment(version), WSGI, folder=tmp_path, timeout_s=5) as gunicorn,
        asked(gunicorn, f"/slow?token={SECRET}&{SECRET}") as worker,
    ):
        # Until the log has said all it has to say of the time-out: the newer version shows the request in it.
        done = run_gtdiag(
            *("watch", str(gunicorn.pid), "--for", "9s", "--format", "json"),
            *("--record", str(recording), "--json-events"),
        )
        assert SECRET in gunicorn.log_text() or version == LAST_THAT_KILLS
    (incident,) = [incident for incident in done.report()["incidents"] if incident["pid"] == worker]
    assert incident["kind"] == "worker_timeout"
    request = incident["request"]
    assert (request["method"], request["path"]) == ("GET", "/slow?token=***&***")
    assert (request["client"], request["request_id"]) == ("127.0.0.1", "request-1")
    assert 2.0 < request["seconds"] < 8.0
    assert SECRET not in done.stdout
    assert SECRET not in done.stderr
    assert SECRET not in recording.read_text()
    text = run_gtdiag("analyze", str(recording))
    assert "GET /slow?token=***&***, for " in text.stdout
    assert "from 127.0.0.1, id request-1" in text.stdout
    again = run_gtdiag("analyze", str(recording), "--format", "json").report()
    assert next(i for i in again["incidents"] if i["pid"] == worker)["request"] == request


def test_no_redact_shows_the_query_and_still_no_header(tmp_path: Path) -> None:
    with (
        running_gunicorn(standard_environment(), WSGI, folder=tmp_path) as gunicorn,
        asked(gunicorn, "/slow?page=77"),
    ):
        done = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json", "--no-redact")
    assert the_worker(done.report())["request"]["path"] == "/slow?page=77"
    assert SECRET not in done.stdout


@each_version
def test_two_requests_in_the_threads_of_one_worker(version: str, tmp_path: Path) -> None:
    with (
        running_gunicorn(
            standard_environment(version), WSGI, folder=tmp_path, worker_class="gthread", options=("--threads", "4")
        ) as gunicorn,
        asked(gunicorn, f"/slow?token={SECRET}", "/slow?page=2"),
    ):
        worker = seen_by_snapshot(gunicorn)
    assert [(request["path"], request["request_id"]) for request in worker["requests"]] == [
        ("/slow?token=***", "request-1"),
        ("/slow?page=***", "request-2"),
    ]
    assert worker["requests"][0]["seconds"] >= worker["requests"][1]["seconds"]
    assert worker["request"] == worker["requests"][0]


@each_version
@pytest.mark.parametrize("worker_class", ["gevent", "eventlet"])
def test_requests_in_greenlets(version: str, worker_class: str, tmp_path: Path) -> None:
    if worker_class == "eventlet" and version == NEWEST:
        pytest.skip("gunicorn has no eventlet worker since 26")
    # gunicorn's newest gevent worker imports packaging, which neither of them brings along.
    standard = version == LAST_THAT_KILLS
    environment = standard_environment(version) if standard else gunicorn_environment(version, "gevent", "packaging")
    with (
        running_gunicorn(environment, WSGI, folder=tmp_path, worker_class=worker_class) as gunicorn,
        asked(gunicorn, f"/slow?token={SECRET}", "/slow?page=2"),
    ):
        worker = seen_by_snapshot(gunicorn)
    assert [request["path"] for request in worker["requests"]] == ["/slow?token=***", "/slow?page=***"]
    assert {request["client"] for request in worker["requests"]} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("version", "worker_class"),
    [(LAST_THAT_KILLS, "uvicorn"), (NEWEST, "uvicorn"), ("25.3.0", "asgi"), (NEWEST, "asgi")],
)
def test_the_request_that_blocks_the_event_loop_leads(version: str, worker_class: str, tmp_path: Path) -> None:
    with (
        running_gunicorn(standard_environment(version), ASGI, folder=tmp_path, worker_class=worker_class) as gunicorn,
        asked(gunicorn, f"/slow?token={SECRET}", f"/blocking?token={SECRET}"),
    ):
        worker = seen_by_snapshot(gunicorn)
    assert {request["path"] for request in worker["requests"]} == {"/slow?token=***", "/blocking?token=***"}
    request = worker["request"]
    assert (request["method"], request["path"]) == ("GET", "/blocking?token=***")
    assert (request["client"], request["request_id"]) == ("127.0.0.1", "request-2")


@pytest.mark.parametrize("python_version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "uvicorn"])
def test_each_python(python_version: str, worker_class: str, tmp_path: Path) -> None:
    python = interpreters().get(python_version)
    if python is None:
        pytest.skip(f"no CPython {python_version} here")
    environment = gunicorn_environment("23.0.0", "uvicorn<0.30", python=python)
    with (
        running_gunicorn(
            environment,
            ASGI if worker_class == "uvicorn" else WSGI,
            folder=tmp_path,
            worker_class=worker_class,
            options=("--threads", "2") if worker_class == "gthread" else (),
        ) as gunicorn,
        asked(gunicorn, f"/slow?token={SECRET}"),
    ):
        (request,) = seen_by_snapshot(gunicorn)["requests"]
    assert (request["method"], request["path"]) == ("GET", "/slow?token=***")
    assert (request["client"], request["request_id"]) == ("127.0.0.1", "request-1")
    assert (request["seconds"] is None) == (worker_class == "uvicorn")


def test_gunicorns_asgi_worker_tells_the_age_where_it_logs_accesses(tmp_path: Path) -> None:
    with (
        running_gunicorn(
            standard_environment(),
            ASGI,
            folder=tmp_path,
            worker_class="asgi",
            options=("--access-logfile", str(tmp_path / "access.log")),
        ) as gunicorn,
        asked(gunicorn, "/slow"),
    ):
        first = seen_by_snapshot(gunicorn)["request"]["seconds"]
        second = seen_by_snapshot(gunicorn)["request"]["seconds"]
    assert 0 < first < second


def test_a_worker_without_a_request_has_none(tmp_path: Path) -> None:
    with running_gunicorn(standard_environment(), WSGI, folder=tmp_path) as gunicorn:
        gunicorn.wait_for_workers(1)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=60)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        worker = seen_by_snapshot(gunicorn)
    assert worker["request"] is None
    assert worker["requests"] == []
