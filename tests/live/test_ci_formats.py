"""The recipes of docs/formats.md on real gunicorn: a request hangs, and the CI job says where."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.environments import NEWEST, REPOSITORY, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.unit.renderers.junit_rules import check_junit, outcomes
from tests.unit.renderers.test_github_report import run_commands

pytestmark = [pytest.mark.live]

APPLICATION = "tests/live/applications/sync_serving.py"


def line_of(text: str) -> int:
    lines = (REPOSITORY / APPLICATION).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def ask(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            answer.read()
    except (urllib.error.URLError, OSError):
        pass  # the worker is killed under it: that is what the test is about


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ci")
    environment = standard_environment(NEWEST)
    with running_gunicorn(
        environment,
        "sync_serving:application",
        folder=folder,
        timeout_s=2,
        log="error-logfile",
        options=["--capture-output"],
        variables={"PYTHONDONTWRITEBYTECODE": "1"},
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        client = threading.Thread(target=ask, args=(gunicorn.url("/slow"),))
        client.start()
        gunicorn.wait_for_workers(2)
        client.join()
    return gunicorn.log_path


def test_github(log: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = run_gtdiag(
        "analyze",
        "--format=github",
        "--fail-on=worker_timeout,restart_loop,boot_failure",
        str(log),
        variables={**os.environ, "GITHUB_WORKSPACE": str(REPOSITORY), "GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert done.status == 1
    commands, _ = run_commands(done.stdout)
    assert commands[0].name == "error"
    assert commands[0].properties["file"] == APPLICATION
    assert commands[0].properties["line"] == str(line_of("time.sleep("))
    assert "killed by: gunicorn" in commands[0].message
    assert "### What happened" in summary.read_text(encoding="utf-8")


def test_junit(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "gunicorn.xml"
    done = run_gtdiag("analyze", "--format=junit", "-o", str(target), str(log))
    assert (done.status, done.stdout) == (1, "")
    found = outcomes(check_junit(target.read_text(encoding="utf-8")))
    failed = [name for name, outcome in found.items() if outcome == "failure"]
    assert [name for name in failed if name.startswith("worker_timeout: ")]
    assert found["boot_failure"] == "passed"
