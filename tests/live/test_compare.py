"""`gtdiag compare` of two watches of a real server: the start-up that hangs, and the one that was mended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.environments import REPOSITORY, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

EXAMPLE = REPOSITORY / "examples" / "startup_contention"
TIMEOUT_S = 5


def watch(application: str, folder: Path, watched_for: str) -> tuple[Path, str]:
    """Record a watch of the example's application, whose database does not answer; also the gunicorn's own log."""
    folder.mkdir()
    recording = folder / "run.jsonl"
    with (
        mute_server() as database,
        running_gunicorn(
            standard_environment("21.2.0"),
            application,
            folder=folder,
            worker_class="uvicorn",
            workers=2,
            timeout_s=TIMEOUT_S,
            working_directory=EXAMPLE,
            variables={
                "DATABASE_URL": f"postgresql://orders:secret@{database.host}:{database.port}/orders",
                "MODEL_SERVICE_URL": f"http://{database.host}:{database.port}/models",
                "STARTUP_FOLDER": os.fspath(folder / "shared"),
                "CLIENT_TIMEOUT_S": "1",
                "START_UP_S": "2",
            },
        ) as gunicorn,
    ):
        url = gunicorn.url("/openapi.json")
        run_gtdiag("watch", str(gunicorn.pid), "--for", watched_for, "--health", url, "--record", str(recording))
        return recording, gunicorn.log_text()


def test_a_fix_that_worked_and_one_that_was_taken_back(tmp_path: Path) -> None:
    before, before_log = watch("before:app", tmp_path / "before", "14s")
    after, after_log = watch("after:app", tmp_path / "after", "14s")
    assert "WORKER TIMEOUT" in before_log and "WORKER TIMEOUT" not in after_log

    fixed = run_gtdiag("compare", str(before), str(after), "--format", "json")
    comparison = json.loads(fixed.stdout)
    assert (fixed.status, comparison["outcome"]) == (0, "fixed"), comparison["summary"]
    assert "verify_database_migrations" in comparison["summary"] and "2 of 2 workers ready" in comparison["summary"]
    changes = {measure["name"]: measure["change"] for measure in comparison["measures"]}
    assert (changes["failed_startups"], changes["ready_workers"], changes["health"]) == ("gone", "better", "better")
    assert comparison["before"]["health_answered"] == 0 < comparison["after"]["health_answered"]

    worse = run_gtdiag("compare", str(after), str(before))
    assert (worse.status, worse.stdout[:6]) == (1, "Worse:"), worse.stdout
    assert "health endpoint" in worse.stdout
