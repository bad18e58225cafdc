from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtdiag.cli.report_options import deliver_report
from gtdiag.errors import ExitCode
from gtdiag.renderers.formats import ReportFormat
from tests.unit.cli.test_report_delivery import options, with_secret
from tests.unit.renderers import sample_reports


def test_the_summary_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(summary))
    deliver_report(with_secret(), options(format=ReportFormat.GITHUB))
    written = summary.read_text()
    assert written.startswith("before\n> **4 of 4 workers")
    assert "hunter2" not in written


@pytest.mark.parametrize("format", [ReportFormat.TEXT, ReportFormat.MARKDOWN])
def test_other_formats_leave_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: ReportFormat) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(tmp_path / "summary.md"))
    deliver_report(sample_reports.restart_loop(), options(format=format))
    assert not (tmp_path / "summary.md").exists()


def test_a_summary_that_cannot_be_written_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(tmp_path / "gone" / "summary.md"))
    assert deliver_report(sample_reports.restart_loop(), options(format=ReportFormat.GITHUB)) == ExitCode.FOUND
    captured = capsys.readouterr()
    assert captured.out.startswith("::error ")
    assert "the step's summary could not be written" in captured.err


def test_files_are_named_from_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("GITHUB_WORKSPACE", "/srv")
    deliver_report(sample_reports.silent_hang(), options(format=ReportFormat.GITHUB))
    assert capsys.readouterr().out.startswith("::error file=app/main.py,line=41,")
