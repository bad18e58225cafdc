"""A synchronous call inside `async def`, in a real UvicornWorker: named as such, with the coroutine that makes it."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from typing import Any

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

LAST_THAT_KILLS = "21.2.0"
TIMEOUT_S = 6
PATTERN = "blocking_call_in_event_loop"


def watched(version: str, folder: Path, *, path: str = "", startup: str = "") -> dict[str, Any]:
    """The report of a worker that is asked for a path, or whose lifespan does something."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(mute_server())
        variables = {"UPSTREAM_URL": f"http://{server.peer}/prices"}
        if startup:
            variables["STARTUP"] = startup
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(version),
                "blocking_in_loop:app",
                folder=folder,
                worker_class="uvicorn",
                timeout_s=TIMEOUT_S,
                variables=variables,
            )
        )
        if path:
            gunicorn.wait_for_log("Application startup complete")
            connection = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=60)
            stack.enter_context(contextlib.closing(connection)).request("GET", path)
        else:
            gunicorn.wait_for_workers(1)
        return run_gtdiag("watch", str(gunicorn.pid), "--for", "9s", "--format", "json").report()


def blocking_call(report: dict[str, Any]) -> tuple[str, str, str]:
    (pattern,) = [pattern for pattern in report["patterns"] if pattern["kind"] == PATTERN]
    assert pattern["coroutine"] in pattern["summary"]
    assert pattern["coroutine"] in report["verdict"]["summary"]
    return pattern["call"], pattern["coroutine"], pattern["category"]


@pytest.mark.parametrize(
    ("version", "path", "named"),
    [
        (LAST_THAT_KILLS, "/requests", ("fetch_prices", "read_prices", "http")),
        (NEWEST, "/requests", ("fetch_prices", "read_prices", "http")),
        (NEWEST, "/sleep", ("poll_job", "poll_job", "sleep")),
        (NEWEST, "/dependency", ("fetch_prices", "current_user", "http")),
    ],
)
def test_while_serving(version: str, path: str, named: tuple[str, str, str], tmp_path: Path) -> None:
    report = watched(version, tmp_path, path=path)
    assert blocking_call(report) == named
    incident = report["incidents"][0]
    assert (incident["kind"], incident["phase"]) == ("worker_timeout", "serving")
    assert incident["request"]["path"] == path


@pytest.mark.parametrize(
    ("version", "startup", "named"),
    [
        (LAST_THAT_KILLS, "sleep", ("wait_for_service", "wait_for_service", "sleep")),
        (NEWEST, "requests", ("fetch_prices", "warm_up_cache", "http")),
    ],
)
def test_in_the_lifespan(version: str, startup: str, named: tuple[str, str, str], tmp_path: Path) -> None:
    report = watched(version, tmp_path, startup=startup)
    assert blocking_call(report) == named
    assert {incident["phase"] for incident in report["incidents"]} == {"startup"}


def test_a_plain_dependency_runs_in_a_thread_and_blocks_nothing(tmp_path: Path) -> None:
    report = watched(NEWEST, tmp_path, path="/plain")
    assert report["incidents"] == []
    assert report["patterns"] == []
