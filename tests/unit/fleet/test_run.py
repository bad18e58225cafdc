from __future__ import annotations

from pathlib import Path

from gtdiag.collectors.log_search import find_log_files
from gtdiag.fleet.run import analyze_fleet
from gtdiag.fleet.sources import group_sources
from gtdiag.fleet.work import WorkSettings
from gtdiag.renderers.json_report import render_json
from tests.fleet_logs import make_fleet


def test_one_process_and_two_give_the_same_bytes_and_an_unreadable_log_is_a_gap(tmp_path: Path) -> None:
    make_fleet(tmp_path, 40, 20_000)
    (tmp_path / "web-0003" / "gunicorn.log").write_bytes(bytes(5000))
    sources = group_sources(find_log_files([str(tmp_path)]))
    assert len(sources) == 40
    one, two = (analyze_fleet(sources, WorkSettings(), jobs=jobs).report for jobs in (1, 2))
    assert render_json(one) == render_json(two)
    assert one.fleet is not None
    assert (one.fleet.hosts, len(one.fleet.unread)) == (39, 1)
    assert one.fleet.causes[0].call == "read_upstream"
