"""`watch --health` beside real gunicorn: answers, latency, the first answer; the secrets of the URL are not kept."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.health_probe import HealthProbe
from gtdiag.errors import UsageError
from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_a_health_endpoint_is_measured_while_it_is_watched(tmp_path: Path) -> None:
    recording = tmp_path / "run.jsonl"
    environment = standard_environment(NEWEST)
    with running_gunicorn(environment, "sync_serving:application", folder=tmp_path, workers=2) as gunicorn:
        url = gunicorn.url("/?token=sesame").replace("http://", "http://user:letmein@")
        options = ("--for", "5s", "--health", url, "--record", str(recording), "--format", "json")
        watched = run_gtdiag("watch", str(gunicorn.pid), *options)
    health = watched.report()["health"]
    assert health["answered"] == health["probes"] >= 3
    assert 0 < health["median_latency_s"] <= health["worst_latency_s"] < 2
    assert (health["outages"], health["url"]) == ([], f"http://127.0.0.1:{gunicorn.port}/?***")
    assert not {"sesame", "letmein"} & set(recording.read_text().replace('"', " ").replace(":", " ").split())
    again = run_gtdiag("analyze", str(recording), "--format", "json").report()
    assert again["health"] == health


def test_a_server_that_is_not_ready_gives_no_answer(tmp_path: Path) -> None:
    environment = standard_environment(NEWEST)
    variables = {"WAIT_S": "4", "COMPUTE_S": "0"}
    (tmp_path / "slow_package.py").write_text("")
    options = ("--pythonpath", str(tmp_path))
    with running_gunicorn(
        environment,
        "startup_phases:app",
        folder=tmp_path,
        worker_class="uvicorn",
        options=options,
        variables=variables,
    ) as gunicorn:
        url = gunicorn.url("/docs")
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", "10s", "--health", url)
    assert "HEALTH" in done.stdout
    assert "no answer" in done.stdout
    assert "after the master's start" in done.stdout
    assert f"{url} answers: status 200" in done.stderr


@pytest.mark.parametrize(
    "url", ["ftp://h/", "healthz", "http://", "http://h:99999/", "http://h/\r\nX: y", "file:///etc"]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        HealthProbe(url, SystemClock())


def test_a_refused_connection_is_an_answer_with_its_reason() -> None:
    probe = HealthProbe("http://127.0.0.1:1/", SystemClock(), every_s=0.05)
    probe.start()
    threading.Event().wait(0.5)
    probe.stop()
    samples = probe.poll()
    assert samples and all(sample.status is None and "refused" in sample.error for sample in samples)
    assert [sample.changed for sample in samples][:2] == [True, False]
