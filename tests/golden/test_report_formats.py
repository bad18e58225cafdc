"""Some logs of fixtures/logs to every written format, whole, and the one fact of each that matters.

`GTDIAG_WRITE_EXPECTED=1 pytest tests/golden` writes the expected files anew; the facts are asserted first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gtdiag import __version__
from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.stack_profile import StackProfile
from gtdiag.renderers.formats import RENDERERS, ReportFormat
from gtdiag.renderers.material import ReportMaterial
from gtdiag.renderers.page import Page
from tests.golden.test_fixture_facts import LOGS, WRITE_EXPECTED
from tests.unit.renderers.junit_rules import check_junit, outcomes
from tests.unit.renderers.speedscope_rules import check_speedscope, stacks_of

FILES = {
    ReportFormat.MARKDOWN: "expected.md",
    ReportFormat.JUNIT: "expected.junit.xml",
    ReportFormat.GITHUB: "expected.github.txt",
    ReportFormat.SPEEDSCOPE: "expected.speedscope.json",
    ReportFormat.COLLAPSED: "expected.collapsed.txt",
}


def failed(junit: str) -> list[str]:
    return [name for name, outcome in outcomes(check_junit(junit)).items() if outcome == "failure"]


def annotation(output: str) -> str:
    return output.partition("\n")[0]


TIMEOUT = "sync-23.0.0-timeout-urllib"
LOOP = "uvicorn-21.2.0-startup-loop"
BOOT = "gthread-27.0.1-boot-failure"
HEALTHY = "sync-27.0.1-healthy"

FACTS: dict[tuple[str, ReportFormat], Callable[[str], bool]] = {
    (TIMEOUT, ReportFormat.MARKDOWN): lambda text: "\n- blocked in: `read_upstream  [http]`\n" in text,
    (TIMEOUT, ReportFormat.JUNIT): lambda text: (
        failed(text)[0] == "worker_timeout: read_upstream (http: urllib.urlopen)"
    ),
    (TIMEOUT, ReportFormat.GITHUB): lambda text: annotation(text).startswith("::error file=sync_serving.py,line=24,"),
    (TIMEOUT, ReportFormat.SPEEDSCOPE): lambda text: (
        [
            name
            for name, stacks in stacks_of(check_speedscope(text)).items()
            if "> read_upstream > urlopen" in stacks[0][0]
        ]
        == ["worker 9303 (number 1)"]
    ),
    (TIMEOUT, ReportFormat.COLLAPSED): lambda text: (
        text.startswith("worker 9303 (number 1);serving;traceback in the log;") and text.count("\n") == 1
    ),
    (LOOP, ReportFormat.MARKDOWN): lambda text: "\n- **restart loop (confidence: high)**" in text,
    (LOOP, ReportFormat.JUNIT): lambda text: "restart_loop" in failed(text),
    (LOOP, ReportFormat.GITHUB): lambda text: "title=gtdiag%3A restart loop" in text,
    (BOOT, ReportFormat.MARKDOWN): lambda text: "boot failure" in text.partition("### Workers")[0],
    (BOOT, ReportFormat.JUNIT): lambda text: failed(text) == ["boot_failure"],
    (BOOT, ReportFormat.GITHUB): lambda text: annotation(text).startswith("::error title=gtdiag%3A boot failure"),
    (HEALTHY, ReportFormat.MARKDOWN): lambda text: "What happened" not in text,
    (HEALTHY, ReportFormat.JUNIT): lambda text: failed(text) == [],
    (HEALTHY, ReportFormat.GITHUB): lambda text: annotation(text).startswith("::notice title=gtdiag::"),
}


def material_of_log() -> ReportMaterial:
    analysis = Analysis(keep_stacks=True)
    for event in collect_log_events(["log.txt"]):
        analysis.add(event)
    report = analysis.report()
    return ReportMaterial(report, stacks=analysis.stacks() or StackProfile())


@pytest.mark.parametrize(("case", "format"), FACTS, ids=lambda value: getattr(value, "value", value))
def test_whole_report(case: str, format: ReportFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(LOGS / case)
    text = RENDERERS[format](material_of_log(), Page(width=100, root="/srv/app"))
    assert FACTS[case, format](text)
    masked = re.sub(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])", "VERSION", text)
    masked = re.sub(r"\b[0-9a-f]{64}\b", "TOKEN", masked)
    expected = Path(FILES[format])
    if WRITE_EXPECTED:
        expected.write_text(masked, encoding="utf-8")
    assert masked == expected.read_text(encoding="utf-8")
