"""The same report from a cluster of two workers, each a process of its own, as from one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtdiag.cli.main import run
from tests.fleet_logs import make_fleet

distributed = pytest.importorskip("distributed")


def test_a_cluster_gives_the_report_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_fleet(tmp_path / "logs", 12, 20_000)
    monkeypatch.chdir(tmp_path)
    assert run(["analyze", "logs", "--format", "json", "-o", "alone.json"]) == 1
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        assert run(["analyze", "logs", "--scheduler", address, "--format", "json", "-o", "cluster.json"]) == 1
    assert (tmp_path / "cluster.json").read_bytes() == (tmp_path / "alone.json").read_bytes()
