"""The main job: real gunicorn whose workers hang in start-up, the real `gtdiag watch`, and what its report must say.

21.2.0 is the last that times such workers out (a restart loop); 27.0.1 hangs in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

LAST_THAT_KILLS = "21.2.0"
# Long against the import of FastAPI on a busy machine, so that the budget is spent in the call that hangs; watched for
# two time-outs and the start after them, or for one that does not come.
TIMEOUT_S = 8
WATCH_S = {LAST_THAT_KILLS: 21, NEWEST: 13}

each_version = pytest.mark.parametrize("version", [LAST_THAT_KILLS, NEWEST])


def watched(
    version: str,
    application: str,
    folder: Path,
    *,
    worker_class: str,
    workers: int,
    variables: Mapping[str, str],
) -> tuple[list[int], dict[str, Any]]:
    """The pids of the first workers, and the report of watching them hang."""
    with running_gunicorn(
        standard_environment(version),
        application,
        folder=folder,
        worker_class=worker_class,
        workers=workers,
        timeout_s=TIMEOUT_S,
        variables=variables,
    ) as gunicorn:
        pids = gunicorn.wait_for_workers(workers)
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", f"{WATCH_S[version]}s", "--format", "json")
        assert gunicorn.returncode is None, "gtdiag must not disturb the master"
    assert done.status == 1, done.stderr
    return pids, done.report()


def is_sure(blocked: dict[str, Any]) -> bool:
    return bool(blocked["confidence"] == "high")


def assert_hang_is_named(
    version: str, pids: list[int], report: dict[str, Any], *, call: str, category: str
) -> list[dict[str, Any]]:
    """Every first worker is in one incident of the right kind, blamed on the right call; the patterns say the same.

    Returns the incidents' blames.
    """
    assert report["source"] == {
        "kind": "live",
        "pid": report["gunicorn"]["master_pid"],
        "files": report["source"]["files"],
    }
    assert report["gunicorn"]["version"] == version
    assert report["gunicorn"]["timeout_s"] == TIMEOUT_S
    assert report["gunicorn"]["workers"] == len(pids)
    could_not_look = [gap for gap in report["gaps"] if gap["what"] in ("stacks", "suspended_code", "heartbeat", "log")]
    assert could_not_look == []

    kind, pattern = (
        ("worker_timeout", "restart_loop") if version == LAST_THAT_KILLS else ("startup_hang", "silent_startup_hang")
    )
    hangs = [incident for incident in report["incidents"] if incident["kind"] == kind]
    assert {incident["kind"] for incident in report["incidents"]} <= {kind, "startup_hang"}
    assert {incident["pid"] for incident in hangs} >= set(pids)
    first = [incident for incident in hangs if incident["pid"] in pids]
    assert len(first) == len(pids)
    for incident in first:
        blocked = incident["blocked"]
        assert incident["phase"] == "startup"
        assert blocked is not None, incident
        assert (blocked["call"], blocked["category"]) == (call, category)
        assert blocked["confidence"] in ("high", "medium")  # medium: few looks fit into so short a time-out
    # Nothing else is blamed with confidence, in any generation.
    sure = {incident["blocked"]["call"] for incident in hangs if incident["blocked"] and is_sure(incident["blocked"])}
    assert sure <= {call}

    patterns = {found["kind"]: found for found in report["patterns"]}
    assert pattern in patterns
    assert ("restart_loop" in patterns) != ("silent_startup_hang" in patterns)
    contention = patterns["startup_contention"]
    assert (contention["call"], contention["category"]) == (call, category)
    assert contention["of_workers"] == len(pids)
    assert set(contention["pids"]) >= set(pids) if version == NEWEST else len(contention["pids"]) >= len(pids)
    assert call in report["verdict"]["summary"]
    assert report["verdict"]["remedies"]
    return [incident["blocked"] for incident in first]


@each_version
def test_lifespan_stuck_in_the_database(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        pids, report = watched(
            version,
            "startup_contention:app",
            tmp_path,
            worker_class="uvicorn",
            workers=4,
            variables={"DATABASE_URL": f"postgresql://app:secret@{server.peer}/orders"},
        )
    blames = assert_hang_is_named(version, pids, report, call="verify_database_migrations", category="database")
    for blocked in blames:
        assert blocked["path"] == ["lifespan", "verify_database_migrations"]
        assert blocked["library"] == "asyncpg"
        assert blocked["how"] == "asyncio_task"
        assert blocked["waiting_on"]["peer"] == server.peer
        assert blocked["waiting_on"]["state"] == "ESTABLISHED"
    assert "secret" not in str(report)


@each_version
def test_lifespan_stuck_in_the_http_api(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        pids, report = watched(
            version,
            "startup_contention:app",
            tmp_path,
            worker_class="uvicorn",
            workers=4,
            variables={"MODEL_SERVICE_URL": f"https://{server.peer}/models"},
        )
    blames = assert_hang_is_named(version, pids, report, call="get_model_mapping", category="http")
    for blocked in blames:
        assert blocked["path"] == ["lifespan", "get_model_mapping"]
        assert blocked["library"] == "httpx"
        assert blocked["waiting_on"]["peer"] == server.peer


@each_version
def test_lifespan_stuck_in_routers(version: str, tmp_path: Path) -> None:
    pids, report = watched(
        version,
        "startup_contention:app",
        tmp_path,
        worker_class="uvicorn",
        workers=4,
        variables={"ROUTERS": "1000000"},
    )
    hangs = [incident for incident in report["incidents"] if incident["pid"] in pids]
    assert {incident["pid"] for incident in hangs} == set(pids)
    for incident in hangs:
        assert incident["kind"] == ("worker_timeout" if version == LAST_THAT_KILLS else "startup_hang")
        assert incident["blocked"]["category"] == "router"
        # Which of the two is the innermost depends on what takes longer, making a router or including it.
        assert incident["blocked"]["call"] in ("configure_routers", "make_model_router")
        assert incident["blocked"]["path"][:2] == ["lifespan", "configure_routers"]
    kinds = {pattern["kind"] for pattern in report["patterns"]}
    assert ("restart_loop" if version == LAST_THAT_KILLS else "silent_startup_hang") in kinds


@each_version
def test_import_stuck_in_psycopg2(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        pids, report = watched(
            version,
            "sync_startup:application",
            tmp_path,
            worker_class="sync",
            workers=2,
            variables={"DATABASE_URL": f"postgresql://app:secret@{server.peer}/orders"},
        )
    for blocked in assert_hang_is_named(version, pids, report, call="open_database", category="database"):
        assert blocked["library"] == "psycopg2"
        assert blocked["how"] == "thread"
        assert blocked["waiting_on"]["peer"] == server.peer


@each_version
def test_import_stuck_in_requests(version: str, tmp_path: Path) -> None:
    with mute_server() as server:
        pids, report = watched(
            version,
            "sync_startup:application",
            tmp_path,
            worker_class="sync",
            workers=2,
            variables={"FEATURE_FLAGS_URL": f"http://{server.peer}/flags"},
        )
    for blocked in assert_hang_is_named(version, pids, report, call="load_feature_flags", category="http"):
        assert blocked["library"] == "requests"
        assert blocked["waiting_on"]["peer"] == server.peer


@each_version
def test_nothing_is_found_where_all_is_well(version: str, tmp_path: Path) -> None:
    with running_gunicorn(
        standard_environment(version),
        "startup_contention:app",
        folder=tmp_path,
        worker_class="uvicorn",
        workers=2,
        timeout_s=TIMEOUT_S,
    ) as gunicorn:
        gunicorn.wait_for_log("Application startup complete", 2)
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", "6s", "--format", "json")
    assert done.status == 0, done.stdout
    report = done.report()
    assert report["incidents"] == []
    assert report["patterns"] == []
    assert {worker["phase"] for worker in report["workers"]} == {"serving"}
