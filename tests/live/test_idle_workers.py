"""A worker that serves and has nothing to do is in no call, whatever its application awaits until it is shut down."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gunicorn_process import running_gunicorn
from tests.live.test_requests import asked, seen_by_snapshot

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("worker_class", ["uvicorn", "asgi"])
def test_an_idle_worker_and_one_with_a_request(worker_class: str, tmp_path: Path) -> None:
    """Its own code awaits the message of the shut-down, and a task of its own sleeps for ever beside it."""
    with running_gunicorn(
        standard_environment(NEWEST),
        "asgi_serving:application",
        folder=tmp_path,
        worker_class=worker_class,
        timeout_s=60,
        variables={"BACKGROUND": "1"},
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        with urllib.request.urlopen(gunicorn.url("/"), timeout=20) as answer:
            assert answer.status == 200
        idle = seen_by_snapshot(gunicorn)
        assert (idle["phase"], idle["blocked"]) == ("serving", None)
        with asked(gunicorn, "/slow"):
            busy = seen_by_snapshot(gunicorn)
    assert (busy["blocked"]["call"], busy["blocked"]["category"]) == ("handle", "sleep")
    assert (busy["blocked"]["path"], busy["blocked"]["confidence"]) == (["application", "handle"], "high")
