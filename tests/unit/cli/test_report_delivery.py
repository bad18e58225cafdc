"""What becomes of a finished report: format, place, redaction, exit code."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from gtdiag.cli.observation import Observation, conclude
from gtdiag.cli.output_file import OutputError
from gtdiag.cli.parameter_types import fail_on
from gtdiag.cli.report_options import ReportOptions, deliver_report, exit_code_of
from gtdiag.errors import ExitCode, RecordingError
from gtdiag.model.report import Report
from gtdiag.renderers.formats import RENDERERS, STACK_FORMATS, ReportFormat
from tests.unit.renderers import sample_reports


def options(
    kinds: str = "any",
    *,
    format: ReportFormat = ReportFormat.TEXT,
    output: str | None = None,
    exit_zero: bool = False,
    redact: bool = True,
) -> ReportOptions:
    return ReportOptions(format=format, output=output, fail_on=fail_on(kinds), exit_zero=exit_zero, redact=redact)


@pytest.mark.parametrize(
    ("report", "kinds", "exit_zero", "code"),
    [
        (sample_reports.nothing_found(), "any", False, 0),
        (sample_reports.restart_loop(), "any", False, 1),
        (sample_reports.restart_loop(), "any", True, 0),
        (sample_reports.restart_loop(), "none", False, 0),
        (sample_reports.restart_loop(), "oom_kill", False, 0),
        (sample_reports.restart_loop(), "worker_timeout", False, 1),
        (sample_reports.restart_loop(), "oom_kill,restart_loop", False, 1),
        (sample_reports.silent_hang(), "silent_startup_hang", False, 1),
    ],
)
def test_exit_codes(report: Report, kinds: str, exit_zero: bool, code: int) -> None:
    assert exit_code_of(report, options(kinds, exit_zero=exit_zero)) == code


def with_secret() -> Report:
    report = sample_reports.restart_loop()
    incident = dataclasses.replace(report.incidents[0], evidence=("GET /p?token=hunter2",))
    return dataclasses.replace(report, incidents=(incident,))


@pytest.mark.parametrize("format", sorted(set(RENDERERS) - STACK_FORMATS))
def test_secrets_are_masked_unless_asked_for(format: ReportFormat, capsys: pytest.CaptureFixture[str]) -> None:
    assert deliver_report(with_secret(), options(format=format)) == ExitCode.FOUND
    assert "hunter2" not in capsys.readouterr().out
    deliver_report(with_secret(), options(format=format, redact=False))
    assert "hunter2" in capsys.readouterr().out


def test_a_file_instead_of_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    deliver_report(sample_reports.hostile(), options(format=ReportFormat.JSON, output=os.fspath(target)))
    assert json.loads(target.read_text())["schema"] == "gtdiag.report/1"
    assert capsys.readouterr().out == ""


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    deliver_report(sample_reports.nothing_found(), options(output="-"))
    assert capsys.readouterr().out.startswith("Nothing found")


def test_what_was_collected_before_an_error_is_delivered_first(capsys: pytest.CaptureFixture[str]) -> None:
    error = RecordingError("the disk is full")
    with pytest.raises(RecordingError):
        conclude(Observation(sample_reports.restart_loop(), error), options())
    assert capsys.readouterr().out.startswith("4 of 4 workers")


def test_a_report_that_cannot_be_written_to_its_file_is_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutputError):
        deliver_report(sample_reports.restart_loop(), options(output=os.fspath(tmp_path / "missing" / "report")))
    assert capsys.readouterr().out.startswith("4 of 4 workers")


@pytest.mark.parametrize("format", sorted(STACK_FORMATS))
def test_a_report_without_stacks_says_so(format: ReportFormat, capsys: pytest.CaptureFixture[str]) -> None:
    assert deliver_report(sample_reports.nothing_found(), options(format=format)) == ExitCode.NOTHING_FOUND
    captured = capsys.readouterr()
    assert "no stacks were seen" in captured.out
    assert captured.err.startswith("gtdiag: no stacks were seen\n  hint: ")
