"""gunicorn in a container, looked at from its host, from inside, and from a sidecar with files of its own."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from typing import Any

import pytest

from tests.environments import Environment
from tests.live.gtdiag_command import Done, run_gtdiag
from tests.live.namespaces import OTHER_USER, Container, container, sidecar_command

pytestmark = pytest.mark.live

FLAGS = {"FEATURE_FLAGS_URL": "http://127.0.0.1:5432/flags"}
DATABASE = {"DATABASE_URL": "postgresql://app:word@127.0.0.1:5432/app"}
LIFESPAN = "startup_contention:app"
AS_ITS_USER = (f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups", "--bounding-set=-all")


def gaps(report: dict[str, Any]) -> set[str]:
    return {gap["what"] for gap in report["gaps"]}


def snapshot(command: list[str], *arguments: str) -> dict[str, Any]:
    return run_gtdiag("snapshot", *arguments, "--format", "json", command=[*command, *sidecar_command()]).report()


def wait_for_hang(inside: Container, environment: Environment) -> None:
    """Until both workers are over their time-out (2 s) and wait for the database."""
    subprocess.run([environment.python, "-c", "import time; time.sleep(4)"], check=True)


def assert_silent_hang(report: dict[str, Any]) -> None:
    blamed = [incident["blocked"] for incident in report["incidents"] if incident["kind"] == "startup_hang"]
    assert [blocked["call"] for blocked in blamed] == ["verify_database_migrations"] * 2, report["verdict"]
    assert all(blocked["file"] == "/srv/app/startup_contention.py" for blocked in blamed)
    assert {blocked["waiting_on"]["peer"] for blocked in blamed} == {"127.0.0.1:5432"}
    assert report["verdict"]["confidence"] == "high"


def test_from_the_host_a_sync_worker_is_blamed_and_the_log_is_followed(environment_21: Environment) -> None:
    """Thread ids and pids are the container's in memory and log; the log is behind a link that leads elsewhere here."""
    options = ("--workers", "2", "--timeout", "3")
    with container(environment_21, "sync_startup:application", *options, variables=FLAGS) as inside:
        listed = json.loads(run_gtdiag("ps", "--format", "json").stdout)["masters"]
        report = run_gtdiag("watch", str(inside.master_pid), "--for", "9s", "--format", "json").report()
        mistaken = run_gtdiag("snapshot", "1")
    [row] = [row for row in listed if row["pid"] == inside.master_pid]
    assert (row["inner_pid"], row["version"]) == (1, "21.2.0")
    assert mistaken.status == 3
    [hint] = [line for line in mistaken.stderr.splitlines() if "hint: 1 is a pid inside a container" in line]
    assert str(inside.master_pid) in hint
    timed_out = [incident for incident in report["incidents"] if incident["kind"] == "worker_timeout"]
    assert len(timed_out) >= 4
    assert {incident["blocked"]["call"] for incident in timed_out} == {"load_feature_flags"}
    assert {incident["blocked"]["how"] for incident in timed_out} == {"thread"}
    assert {incident["killed_by"] for incident in timed_out} == {"gunicorn"}
    assert all(any("WORKER TIMEOUT" in line for line in incident["evidence"]) for incident in timed_out)
    assert len(report["workers"]) == len({worker["pid"] for worker in report["workers"]}) <= 8, "each worker once"
    assert report["source"]["files"] != [] and "log" not in gaps(report)
    zones = {datetime.fromisoformat(worker["booted_at"]).utcoffset() for worker in report["workers"]}
    assert len(zones) == 1, "the log's times are Tokyo's, the samples' are not"


def test_a_silent_hang_from_the_host_from_inside_and_from_a_sidecar(newest_environment: Environment) -> None:
    options = ("--workers", "2", "--timeout", "2", "--worker-class", newest_environment.uvicorn_worker_class)
    with container(newest_environment, LIFESPAN, *options, variables=DATABASE, user=OTHER_USER) as inside:
        wait_for_hang(inside, newest_environment)
        from_host = snapshot([], str(inside.master_pid))
        from_inside = snapshot(inside.enter("--pid", "--net", "--mount", "--time"))
        beside = snapshot(inside.beside())
        without_any_right = snapshot(inside.beside(*AS_ITS_USER))
    for report, pid in ((from_host, inside.master_pid), (from_inside, 1), (beside, 1), (without_any_right, 1)):
        assert_silent_hang(report)
        assert report["gunicorn"]["master_pid"] == pid
        assert gaps(report) <= {"log"}, report["gaps"]
        assert all(worker["heartbeat_age_s"] < 60 for worker in report["workers"]), "the container's clock is ahead"


def test_a_sidecar_in_another_group_or_as_root_without_capabilities_says_what_to_set(
    newest_environment: Environment,
) -> None:
    other_group = (f"--reuid={OTHER_USER}", "--regid=10002", "--clear-groups", "--bounding-set=-all")
    with container(newest_environment, "sync_startup:application", variables=FLAGS, user=OTHER_USER) as inside:
        as_other_group = diagnose(inside.beside(*other_group))
        as_bare_root = diagnose(inside.beside("--bounding-set=-all", "--inh-caps=-all"))
        report = snapshot(inside.beside(*other_group))
    assert as_other_group.status == as_bare_root.status == 1
    assert f"belongs to group {OTHER_USER}, gtdiag runs as group 10002" in as_other_group.stdout
    assert f"runAsUser: {OTHER_USER}, runAsGroup: {OTHER_USER}" in as_other_group.stdout
    assert "SYS_PTRACE" in as_bare_root.stdout
    assert report["incidents"] == []
    assert report["verdict"]["confidence"] == "low", "neither heartbeats nor stacks: nothing may be called well"
    assert {"heartbeat", "stacks"} <= gaps(report)


def diagnose(command: list[str]) -> Done:
    return run_gtdiag("doctor", "1", command=[*command, *sidecar_command()], variables={"COLUMNS": "400"})
