"""A watch that nobody looks at: a real hang as figures over HTTP, as JSON lines, and as a line for each incident."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gtdiag.renderers.json_report import read_schema
from tests.live.gtdiag_command import as_module, finish, start_gtdiag
from tests.live.hanging_start_up import hanging_start_up

pytestmark = [pytest.mark.live, pytest.mark.slow]

HANG = 'gtdiag_open_incidents{kind="startup_hang"} 2.0'
COUNTED = 'gtdiag_incidents_total{kind="startup_hang"} 2.0'
DEADLINE_S = 60


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def wait_for(url: str, figure: str) -> str:
    deadline_s = time.monotonic() + DEADLINE_S
    while figure not in (text := scrape(url)):
        assert time.monotonic() < deadline_s, text
        time.sleep(0.2)
    return text


def wait_for_url(errors: Path) -> str:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        found = re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", errors.read_text())
        if found:
            return found.group(1)
        time.sleep(0.1)
    raise AssertionError(f"no address was said\n{errors.read_text()}")


def test_a_hang_as_figures_as_lines_and_as_json(tmp_path: Path) -> None:
    errors, report = tmp_path / "errors.txt", tmp_path / "report.json"
    with hanging_start_up(tmp_path, timeout_s=6) as (gunicorn, peer):
        options = ("--metrics", "0", "--json-events", "--format", "json", "-o", str(report))
        with start_gtdiag("watch", str(gunicorn.pid), *options, stderr=errors) as process:
            url = wait_for_url(errors)
            assert process.stdout is not None
            lines = []
            for line in process.stdout:  # as they happen: the watch goes on
                lines.append(json.loads(line))
                if sum(line["event"] == "Incident" for line in lines) == 2:
                    break
            text = wait_for(url, COUNTED)
            process.terminate()
            done = finish(process)
    assert done.status == 1
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    assert HANG in text
    assert 'gtdiag_workers_blocked{category="database"} 2.0' in text
    [blocked] = families["gtdiag_blocked_seconds"]
    assert blocked.labels == {"category": "database", "call": "verify_database_migrations"}
    assert blocked.value > 4
    ages = {sample.labels["pid"]: sample.value for sample in families["gtdiag_worker_heartbeat_age_seconds"]}
    assert len(ages) == 2 and all(age > 6 for age in ages.values())
    assert families["gtdiag_process_cpu_seconds"][0].value > 0
    with pytest.raises(urllib.error.URLError):
        scrape(url)

    lines += [json.loads(line) for line in done.stdout.splitlines()]
    schema = jsonschema.Draft202012Validator(json.loads(read_schema("event")))
    for line in lines:
        schema.validate(line)
    assert lines[-1]["event"] == "ObservationEnded"
    told = [line for line in lines if line["event"] == "Incident" and line["revision"] == 1]
    assert {line["pid"] for line in told} == {int(pid) for pid in ages}
    for line in told:
        assert (line["kind"], line["category"]) == ("startup_hang", "database")
        assert (line["call"], line["peer"]) == ("verify_database_migrations", peer)
        assert line["confidence"] in ("high", "medium")
        assert "verify_database_migrations" in line["summary"]
    assert "app:secret" not in json.dumps(lines)
    assert len(json.loads(report.read_text())["incidents"]) == 2


def test_a_reader_of_the_events_that_stops_reading_holds_nothing_up(tmp_path: Path) -> None:
    report, recording = tmp_path / "report.json", tmp_path / "watch.jsonl"
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # full after some ten events
    with hanging_start_up(tmp_path, timeout_s=4) as (gunicorn, _):
        options = ("--json-events", "--format", "json", "-o", str(report), "--record", str(recording))
        command = [*as_module(), "watch", str(gunicorn.pid), "--until-incident", "2", *options]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as events:
        lines = events.read().splitlines()
    assert done.returncode == 1, done.stderr
    assert "the reader of --json-events did not take the last " in done.stderr
    assert json.loads(lines[0])["event"] == "ObservationStarted"
    assert len(json.loads(report.read_text())["incidents"]) >= 2
    assert len(recording.read_text().splitlines()) > len(lines)
