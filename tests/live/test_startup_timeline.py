"""A start-up whose parts are known, watched live: the report says where its time went, each part to within a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("version", ["21.2.0", NEWEST])
def test_where_the_time_of_a_start_up_went(version: str, tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "slow_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import time\n\ntime.sleep(2.5)\n")
    recording = tmp_path / "start.jsonl"
    with running_gunicorn(
        standard_environment(version),
        "startup_phases:app",
        folder=tmp_path,
        worker_class="uvicorn",
        timeout_s=40,
        options=("--pythonpath", str(package.parent)),
        variables={"WAIT_S": "3", "COMPUTE_S": "2"},
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", "12s", "--format", "json", "--record", str(recording))
    (worker,) = done.report()["workers"]
    assert worker["ready_at"] is not None
    steps = {(step["kind"], step["name"]): step for step in worker["startup_steps"]}
    assert steps["import", "slow_package"]["seconds"] == pytest.approx(2.5, abs=1.2)
    assert steps["lifespan", "await_the_service"]["seconds"] == pytest.approx(3, abs=1.2)
    assert steps["lifespan", "compute_the_index"]["seconds"] >= 1
    assert sum(step["seconds"] for step in steps.values()) == pytest.approx(worker["startup_s"], abs=1.1)
    again = run_gtdiag("analyze", str(recording))
    assert "import of slow_package" in again.stdout
    assert "await_the_service  [lifespan]" in again.stdout
