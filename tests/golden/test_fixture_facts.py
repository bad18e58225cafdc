"""Every log of fixtures/logs to its report, against what the run itself knew (case.toml) and, where given, whole.

expected.json and expected.txt, where a case has them, are compared whole (the version of gtdiag masked).
`GTDIAG_WRITE_EXPECTED=1 pytest tests/golden` writes them anew; the facts are asserted before anything is written.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.report import Confidence, IncidentKind, KilledBy, Report

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOGS = Path(__file__).resolve().parent.parent.parent / "fixtures" / "logs"
CASES = sorted(path.parent for path in LOGS.glob("*/case.toml"))
WRITE_EXPECTED = bool(os.environ.get("GTDIAG_WRITE_EXPECTED"))


def cases_with(expected: str) -> list[Path]:
    return [case for case in CASES if WRITE_EXPECTED or (case / expected).exists()]


@pytest.fixture(params=CASES, ids=lambda path: path.name)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case's folder; it is the working directory, so that the report names its file as log.txt."""
    monkeypatch.chdir(request.param)
    return Path(request.param)


def facts_of(case: Path) -> dict[str, Any]:
    return tomllib.loads((case / "case.toml").read_text(encoding="utf-8"))


def report_of_log() -> Report:
    analysis = Analysis()
    for event in collect_log_events(["log.txt"]):
        analysis.add(event)
    return analysis.report()


def pids(report: Report, kind: IncidentKind) -> list[int | None]:
    return sorted((incident.pid for incident in report.incidents if incident.kind is kind), key=str)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 14


def test_facts(case: Path) -> None:
    facts = facts_of(case)
    report = report_of_log()

    assert report.gunicorn.version == facts["gunicorn"]
    assert sorted(worker.pid for worker in report.workers) == sorted(facts["booted"])
    found = {kind.value: pids(report, kind) for kind in IncidentKind if kind is not IncidentKind.STARTUP_HANG}
    # gunicorn's own kill at the end of graceful_timeout may be told; not every one of them is in the log.
    found["worker_exit"] = [pid for pid in found["worker_exit"] if pid not in facts["killed_at_shutdown"]]
    assert found == {
        "worker_timeout": sorted(facts["timed_out"], key=str),
        "external_kill": sorted(facts["killed_from_outside"], key=str),
        "worker_crash": sorted(facts["crashed"], key=str),
        "worker_exit": sorted(facts["exited"], key=str),
        "boot_failure": sorted(facts["boot_failed"], key=str),
        "oom_kill": [],
        "master_hang": [],
    }
    # A log may be too short, or silent on the time-out, to say that a start-up hung; it never names another worker.
    assert set(pids(report, IncidentKind.STARTUP_HANG)) <= set(facts["hung_in_startup"])


def test_who_killed(case: Path) -> None:
    facts = facts_of(case)
    killed_by = {incident.pid: incident.killed_by for incident in report_of_log().incidents}
    for pid in set(facts["timed_out"]) & set(facts["sigkilled_by_gunicorn"]):
        assert killed_by[pid] is KilledBy.GUNICORN
    for pid in facts["killed_from_outside"]:
        assert killed_by[pid] in (KilledBy.EXTERNAL, KilledBy.UNKNOWN)  # a log cannot tell which
    for pid in set(facts["killed_at_shutdown"]) & set(killed_by):
        assert killed_by[pid] in (KilledBy.GUNICORN, KilledBy.NONE, KilledBy.UNKNOWN)
    assert KilledBy.KERNEL_OOM not in killed_by.values()


def test_silence_is_not_health(case: Path) -> None:
    """A worker that hung in its start-up leaves next to nothing in the log: no reason to be sure all is well."""
    report = report_of_log()
    if facts_of(case)["hung_in_startup"] and not report.incidents:
        assert report.verdict.confidence is not Confidence.HIGH


def test_blame(case: Path) -> None:
    facts = facts_of(case)
    blamed = {incident.pid: incident.blocked for incident in report_of_log().incidents if incident.blocked is not None}
    wanted = {int(pid): blame for pid, blame in facts.get("blame", {}).items()}
    assert set(blamed) == set(wanted)
    for pid, blame in wanted.items():
        assert blamed[pid].call == blame["call"]
        if "category" in blame:
            assert blamed[pid].category.value == blame["category"]


def test_patterns(case: Path) -> None:
    facts = facts_of(case)
    found = {pattern.kind.value for pattern in report_of_log().patterns}
    assert found >= set(facts["patterns"])
    assert ("restart_loop" in found) == ("restart_loop" in facts["patterns"])
    if "Perhaps out of memory" not in (case / "log.txt").read_text(encoding="utf-8"):
        assert "misleading_oom_message" not in found
    if not any(facts[name] for name in ("timed_out", "hung_in_startup", "sigkilled_by_gunicorn")):
        assert found == set()


@pytest.mark.parametrize("case", cases_with("expected.json"), ids=lambda path: path.name, indirect=True)
def test_whole_report_as_json(case: Path) -> None:
    from gtdiag.renderers.json_report import render_json

    compare_whole(case / "expected.json", masked(render_json(report_of_log())))


@pytest.mark.parametrize("case", cases_with("expected.txt"), ids=lambda path: path.name, indirect=True)
def test_whole_report_as_text(case: Path) -> None:
    from gtdiag.renderers.text import render_text

    compare_whole(case / "expected.txt", masked(render_text(report_of_log(), width=100, colour=False, ascii=False)))


def masked(report: str) -> str:
    """The report without the version of gtdiag, which changes with every release."""
    from gtdiag import __version__

    return re.sub(rf"\b{re.escape(__version__)}\b(?=\"?,?$)", "VERSION", report, flags=re.MULTILINE)


def compare_whole(expected: Path, found: str) -> None:
    if WRITE_EXPECTED:
        test_facts(expected.parent)
        test_blame(expected.parent)
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")
    if expected.suffix == ".json":
        assert json.loads(found)["schema"] == "gtdiag.report/1"
