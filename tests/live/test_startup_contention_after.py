"""examples/startup_contention/after.py on real gunicorn: one worker is slow, the others are not, nobody times out."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.environments import NEWEST, REPOSITORY, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.real_postgres import find_program, real_postgres
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

EXAMPLE = REPOSITORY / "examples" / "startup_contention"
MIGRATION = "4f1c2a9d7b3e"
WORKERS = 4
TIMEOUT_S = 8
ELECTED = r"worker (\d+) is elected to initialise"
COMPLETE = r"\[(\d{4}-.{20})\] \[(\d+)\] \[INFO\] Application startup complete"
WAITING = r"\[(\d{4}-.{20})\] \[(\d+)\] \[INFO\] Waiting for application startup"

each_version = pytest.mark.parametrize("version", ["21.2.0", NEWEST])
needs_postgres = pytest.mark.skipif(find_program("postgres") is None, reason="no PostgreSQL (apt install postgresql)")


@contextlib.contextmanager
def running_example(
    version: str, folder: Path, database_url: str, service_url: str, *, timeout_s: float = TIMEOUT_S, **variables: str
) -> Iterator[GunicornProcess]:
    with running_gunicorn(
        standard_environment(version),
        "after:app",
        folder=folder,
        worker_class="uvicorn",
        workers=WORKERS,
        timeout_s=timeout_s,
        working_directory=EXAMPLE,
        variables={
            "DATABASE_URL": database_url,
            "MODEL_SERVICE_URL": service_url,
            "STARTUP_FOLDER": os.fspath(folder / "shared"),
            **variables,
        },
    ) as gunicorn:
        yield gunicorn


@contextlib.contextmanager
def model_service() -> Iterator[str]:
    """The address of a service that answers at once."""

    class Mapping(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"small": "model-s", "large": "model-l"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mapping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/models"
        finally:
            server.shutdown()


def get(gunicorn: GunicornProcess, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(gunicorn.url(path), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def lifespan_seconds(gunicorn: GunicornProcess) -> dict[int, float]:
    """How long each worker's lifespan took before it served, by the stamps in the log (whole seconds)."""
    began = {int(m[2]): stamp(m[1]) for m in gunicorn.wait_for_log(WAITING, WORKERS)}
    ended = {int(m[2]): stamp(m[1]) for m in gunicorn.wait_for_log(COMPLETE, WORKERS)}
    return {pid: (ended[pid] - began[pid]).total_seconds() for pid in ended}


def stamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")


@each_version
@needs_postgres
@pytest.mark.parametrize("elect_by", ["file", "database"])
def test_one_worker_is_slow_and_three_are_ready_at_once(version: str, elect_by: str, tmp_path: Path) -> None:
    with real_postgres() as database, model_service() as service:
        # What the check reads takes its time: longer than the others may take.
        database.execute(f"CREATE VIEW alembic_version AS SELECT '{MIGRATION}'::text AS version_num FROM pg_sleep(2.9)")
        with running_example(
            version, tmp_path, database.url, service, ELECT_BY=elect_by, CLIENT_TIMEOUT_S="7", START_UP_S="7"
        ) as gunicorn:
            ready = [int(match[2]) for match in gunicorn.wait_for_log(COMPLETE, WORKERS)]
            elected = [int(match[1]) for match in gunicorn.wait_for_log(ELECTED)]
            taken_s = lifespan_seconds(gunicorn)
            assert len(elected) == 1, "one worker does the work, and once"
            assert ready[-1] == elected[0], "the elected worker is the last to be ready"
            assert 2 <= taken_s.pop(elected[0]) <= 7
            assert max(taken_s.values()) <= 2, "the others do not wait for it"
            for _ in range(3 * WORKERS):  # whoever answers: what one worker found out is there for all
                assert get(gunicorn, "/large/") == (200, '{"model":"model-l"}')
            assert get(gunicorn, "/healthz")[0] == 200
            assert get(gunicorn, "/unknown/")[0] == 404


@each_version
def test_a_database_that_stays_away_costs_no_worker(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        url = f"postgresql://orders:secret@{server.peer}/orders"
        with running_example(version, tmp_path, url, f"https://{server.peer}/models") as gunicorn:
            pids = gunicorn.wait_for_workers(WORKERS)
            done = run_gtdiag("watch", str(gunicorn.pid), "--for", f"{2 * TIMEOUT_S}s", "--format", "json")
            (elected, *_) = [int(match[1]) for match in gunicorn.wait_for_log(ELECTED)]
            taken_s = lifespan_seconds(gunicorn)
            assert taken_s.pop(elected) <= 6, "it does not wait for longer than START_UP_S"
            assert max(taken_s.values()) <= 2
            assert set(gunicorn.worker_pids()) == set(pids), "no worker was replaced"
            assert "WORKER TIMEOUT" not in gunicorn.log_text()
            # The server answers; what needs the database says that it does not, and when to come back.
            assert get(gunicorn, "/healthz")[0] == 503
            assert get(gunicorn, "/large/")[0] == 503
    report = done.report()
    assert report["incidents"] == [], done.stdout
    assert {pattern["kind"] for pattern in report["patterns"]} <= {"slow_startup"}, "a slow start-up is no incident"
    assert {worker["phase"] for worker in report["workers"]} == {"serving"}


@each_version
@needs_postgres
def test_the_service_is_there_once_the_database_is_back(version: str, tmp_path: Path) -> None:
    with (
        real_postgres() as database,
        model_service() as service,
        running_example(version, tmp_path, database.url, service) as gunicorn,
    ):
        gunicorn.wait_for_log(COMPLETE, WORKERS)  # there is no table of migrations yet
        assert get(gunicorn, "/healthz")[0] == 503
        database.execute(f"CREATE TABLE alembic_version AS SELECT '{MIGRATION}'::text AS version_num")
        stored = tmp_path / "shared" / f"{MIGRATION}.json"
        while not stored.exists():  # bounded by the time-out of the test
            time.sleep(0.05)
        assert get(gunicorn, "/small/") == (200, '{"model":"model-s"}')


@each_version
def test_a_killed_elected_worker_hands_the_election_over(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        url = f"postgresql://orders:secret@{server.peer}/orders"
        # The first one elected would hold the election for a minute.
        with running_example(
            version,
            tmp_path,
            url,
            f"https://{server.peer}/models",
            timeout_s=90,
            CLIENT_TIMEOUT_S="60",
            START_UP_S="60",
        ) as gunicorn:
            gunicorn.wait_for_log(COMPLETE, WORKERS - 1)
            first = int(gunicorn.wait_for_log(ELECTED)[0][1])
            os.kill(first, signal.SIGKILL)
            second = int(gunicorn.wait_for_log(ELECTED, 2, deadline_s=20)[1][1])
            assert second != first
            serving = {int(match[2]) for match in gunicorn.wait_for_log(COMPLETE, WORKERS - 1)}
            replacement = set(gunicorn.wait_for_workers(WORKERS + 1)[WORKERS:])
            assert second in serving | replacement
