"""Figures as Prometheus gets them, read back by prometheus_client's own parser."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gtdiag.errors import UsageError
from gtdiag.exporters import prometheus_file
from gtdiag.exporters.prometheus_file import PrometheusFile
from gtdiag.exporters.prometheus_http import PrometheusServer
from gtdiag.exporters.prometheus_text import render_prometheus
from gtdiag.model.metrics import MetricFamily, MetricKind, MetricSample, MetricSpec, MetricUnit
from gtdiag.rules.metric_catalog import read_metric_catalog
from tests.environments import REPOSITORY
from tests.unit.exporters.sample_figures import watched

RULES = REPOSITORY / "examples" / "prometheus"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) not there")


def parse(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    return {
        family.name: {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_the_parser_reads_every_family_back() -> None:
    families, _news = watched()
    text = render_prometheus(families)
    found = parse(text)
    assert set(found) == {spec.full_name.removesuffix("_total") for spec in read_metric_catalog().values()}
    assert found["gtdiag_worker_heartbeat_age_seconds"] == {(("pid", "8"),): 0.5}
    assert found["gtdiag_worker_timeouts"][(("phase", "serving"),)] == 1
    assert found["gtdiag_incident_causes"] == {(("category", "http"), ("kind", "worker_timeout")): 1}
    assert 'gtdiag_incidents_total{kind="worker_timeout"} 1.0' in text
    assert "_created" not in text


def test_a_hostile_name_stays_one_label() -> None:
    spec = MetricSpec("x", MetricKind.GAUGE, MetricUnit.NONE, "Say \\ and\nso.", ("call",))
    name = 'f"} 1\ngtdiag_y{call="\\\x1b[31m'
    text = render_prometheus((MetricFamily(spec, (MetricSample((name,), 2.0),)),))
    assert parse(text) == {"gtdiag_x": {(("call", name),): 2.0}}


@contextlib.contextmanager
def serving() -> Iterator[PrometheusServer]:
    server = PrometheusServer("127.0.0.1", 0)
    try:
        yield server
    finally:
        server.close()


def test_a_scrape_gets_what_was_published_last() -> None:
    families, _news = watched()
    with serving() as server:
        for wanted in ((), families):
            server.publish(wanted)
            with urllib.request.urlopen(server.url, timeout=10) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain")
                assert answer.read().decode() == render_prometheus(wanted)
    assert server.url.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot serve metrics on 127.0.0.1 port {port}: Address already in use"):
            PrometheusServer("127.0.0.1", port)


def test_the_file_is_replaced_whole_and_may_be_read_by_others(tmp_path: Path) -> None:
    families, _news = watched()
    path = tmp_path / "gtdiag.prom"
    exporter = PrometheusFile(str(path))
    with path.open() as before:
        exporter.publish(families)
        assert before.read() == "", "who has the old file open sees the old file"
    assert path.read_text() == render_prometheus(families)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_not_written_each_time_but_at_the_end(tmp_path: Path) -> None:
    families, _news = watched()
    path = tmp_path / "gtdiag.prom"
    exporter = PrometheusFile(str(path))
    exporter.publish(families[:1])
    exporter.publish(families)
    assert path.read_text() == render_prometheus(families[:1])
    exporter.close()
    assert path.read_text() == render_prometheus(families)


def test_a_folder_that_goes_away_is_a_problem_and_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_file, "WRITE_EVERY_S", 0.0)
    folder = tmp_path / "textfile"
    folder.mkdir()
    exporter = PrometheusFile(str(folder / "gtdiag.prom"))
    assert exporter.problem() is None
    shutil.rmtree(folder)
    exporter.publish(())
    exporter.publish(())
    assert exporter.dropped() == 2
    assert "No such file or directory" in (exporter.problem() or "")
    folder.mkdir()
    exporter.publish(watched()[0])
    assert (folder / "gtdiag.prom").read_text()


@pytest.mark.parametrize("where", ["missing/gtdiag.prom", "."])
def test_a_file_that_cannot_be_written_at_all(where: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write metrics to"):
        PrometheusFile(str(tmp_path / where))


def run_promtool(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, cwd=RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_promtool
def test_promtool_has_nothing_to_say_about_the_figures() -> None:
    assert run_promtool("check", "metrics", given=render_prometheus(watched()[0])) == ""


@needs_promtool
def test_the_alert_rules_fire_when_they_should() -> None:
    assert "SUCCESS" in run_promtool("check", "rules", "gtdiag.rules.yml")
    assert "SUCCESS" in run_promtool("test", "rules", "gtdiag.rules.test.yml")


def test_the_alert_rules_speak_of_figures_that_there_are() -> None:
    import re

    names = {spec.full_name for spec in read_metric_catalog().values()}
    for file in RULES.glob("*.yml"):
        used = set(re.findall(r"\bgtdiag_\w+", file.read_text()))
        assert used and used <= names, file
