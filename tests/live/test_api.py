"""The blocks of docs/api.md that need a running master, on real gunicorn; and a watch whose server goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

import gtdiag
from tests.documented_code import read_blocks
from tests.environments import Environment
from tests.live.gunicorn_process import running_gunicorn

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_the_documented_code_on_a_running_server(
    newest_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with running_gunicorn(newest_environment, "sync_serving:application", folder=tmp_path, workers=2) as gunicorn:
        gunicorn.wait_until_listening()
        for block in read_blocks("api.md"):
            if block.live:
                names = {"PID": gunicorn.pid}
                exec(compile(block.code, "docs/api.md", "exec"), names)
                report = names["report"]
                assert isinstance(report, gtdiag.Report)
                assert (report.source.pid, len(report.workers), report.incidents) == (gunicorn.pid, 2, ())
        watching = gtdiag.Watch(gunicorn.pid, interval_s=0.2)
        assert watching.running and watching.master_pid == gunicorn.pid
    assert watching.wait(30), "the watch ends with its master"
    assert watching.stop().workers
