"""Real logs with labels made by reading: what each label names is in the report, and nothing else is.

The logs lie beside the project and are not part of it; without them these tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.errors import LogReadError
from gtdiag.model.report import IncidentKind, Report

LOGS = Path(__file__).resolve().parents[3] / "shared" / "logs" / "public"
LABELS: list[dict[str, Any]] = (
    json.loads((LOGS / "labels.json").read_text(encoding="utf-8")) if (LOGS / "labels.json").exists() else []
)
# Two of the labels' categories are not the tool's own; their README says which of the tool's they stand for.
TOOL_CATEGORY = {"queue": "lock", "other": "network"}

pytestmark = pytest.mark.skipif(not LABELS, reason="the labelled logs are not beside this checkout")


def report_of(name: str) -> Report:
    analysis = Analysis()
    try:
        for event in collect_log_events([str(LOGS / name)]):
            analysis.add(event)
    except LogReadError:
        pass  # some samples hold not one line of gunicorn's: the report is then empty
    return analysis.report()


def pids(report: Report, kind: IncidentKind) -> list[int | None]:
    return sorted((incident.pid for incident in report.incidents if incident.kind is kind), key=lambda pid: pid or 0)


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label["file"])
def test_report_says_what_the_label_says(label: dict[str, Any]) -> None:
    report = report_of(label["file"])

    assert pids(report, IncidentKind.WORKER_TIMEOUT) == sorted(set(label["timeouts"]))
    assert len(pids(report, IncidentKind.WORKER_TIMEOUT)) == label["timeout_incidents"]
    assert len(pids(report, IncidentKind.BOOT_FAILURE)) == label["boot_failures"]
    assert [record.pid for record in report.kernel_oom_kills] == label["oom_kernel"]

    # A log may repeat a line (two collectors, a doubled stream); a life is reported once.
    ended_by = {signal: sorted(w.pid for w in report.workers if w.end_signal == signal) for signal in SIGNALS}
    assert ended_by["SIGKILL"] == sorted(set(label["sigkill"]))
    assert ended_by["SIGABRT"] == sorted(set(label["sigabrt"]))
    assert sorted(w.pid for w in report.workers if w.booted_at or w.startup_step) == sorted(set(label["booted"]))
    assert sorted({(w.pid, w.end_code) for w in report.workers if w.end_code}) == sorted(
        {(pid, code) for pid, code in label["exited_with_code"]}
    )

    blamed = {str(worker.pid): worker.blocked.category.value for worker in report.workers if worker.blocked}
    assert blamed == {pid: TOOL_CATEGORY.get(c, c) for pid, c in label["blocked_by_pid"].items()}


SIGNALS = ("SIGKILL", "SIGABRT")


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label["file"])
def test_masters_are_kept_apart(label: dict[str, Any]) -> None:
    masters = [master.master_pid for master in report_of(label["file"]).masters if master.master_pid is not None]
    # The labels name masters by the writer's pid in a line's prefix; `Listening at: ... (PID)` names one without it.
    assert sorted(set(masters)) == sorted(masters) or label["masters"].count(masters[0]) > 1
    assert set(label["masters"]) <= set(masters)
    if label["masters"]:
        assert set(masters) == set(label["masters"])
