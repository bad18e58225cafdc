"""Short of descriptors, of memory, of disk: gtdiag says what it found, or in one line why it could not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import NEWEST
from tests.live.gtdiag_command import as_module, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess
from tests.live.hanging_start_up import hanging_start_up

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornProcess]:
    with hanging_start_up(tmp_path_factory.mktemp("served"), version=NEWEST, workers=2, timeout_s=2) as (gunicorn, _):
        yield gunicorn


def limited(limit: str) -> list[str]:
    """gtdiag under a limit of ulimit's."""
    return ["sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *as_module()]


@pytest.mark.parametrize("limit", ["-n 16", "-v 400000"])
def test_with_little_it_still_finds_the_call(limit: str, hanging: GunicornProcess) -> None:
    """`-v` in KiB; what it maps is many times what it uses."""
    done = run_gtdiag("watch", str(hanging.pid), "--for", "8s", "--format", "json", command=limited(limit))
    calls = [incident["blocked"]["call"] for incident in done.report()["incidents"] if incident["blocked"]]
    assert calls == ["verify_database_migrations"] * 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("limit", ["-n 5", "-v 60000"])
def test_with_too_little_it_says_so_in_a_line(limit: str, hanging: GunicornProcess) -> None:
    done = run_gtdiag("watch", str(hanging.pid), "--for", "3s", command=limited(limit))
    assert "bug in gtdiag" not in done.stderr
    if done.status not in (0, 1):
        assert done.status == 3
        assert len(done.stderr.strip().splitlines()) <= 12, done.stderr


def test_a_disk_that_fills_up_costs_the_recording_and_not_the_report(hanging: GunicornProcess, tmp_path: Path) -> None:
    """The limit is on the size of a file, which write(2) reports much as it does a full disk."""
    recording = tmp_path / "watch.jsonl"
    done = run_gtdiag(
        *("watch", str(hanging.pid), "--for", "20s", "--record", str(recording)),
        command=["sh", "-c", 'trap "" XFSZ; ulimit -f 48 && exec "$@"', "sh", *as_module()],
    )
    assert done.status == 3
    assert "cannot go on writing the recording watch.jsonl" in done.stderr
    assert "verify_database_migrations" in done.stdout, "the report of what was seen until then"
    again = run_gtdiag("analyze", str(recording), "--format", "json")
    assert again.report()["workers"]
