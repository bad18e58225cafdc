"""Pairs of the logs in fixtures/logs, as a person would compare them after an upgrade or a fix, to the answer."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from gtdiag.cli.main import cli, run
from gtdiag.renderers.json_report import read_schema

LOGS = Path(__file__).resolve().parent.parent.parent / "fixtures" / "logs"

PAIRS = [
    # A log of gunicorn 27's sync worker without a request shows nothing of its start-ups: no lines are no proof.
    ("sync-20.1.0-startup-loop", "sync-27.0.1-healthy", (), "cannot_tell", 0),
    ("uvicorn-21.2.0-startup-loop", "uvicorn-26.2.0-reload-scale", (), "better", 0),
    # The upgrade that looks like a fix: no time-outs any more, and no worker that ever starts.
    ("uvicorn-21.2.0-startup-loop", "uvicorn-27.0.1-silent-startup-hang", (), "cannot_tell", 0),
    ("uvicorn-21.2.0-startup-loop", "uvicorn-27.0.1-silent-startup-hang", ("--timeout", "3"), "unchanged", 0),
    ("uvicorn-26.2.0-reload-scale", "uvicorn-27.0.1-silent-startup-hang", ("--timeout", "3"), "worse", 1),
    ("uvicorn-26.2.0-reload-scale", "uvicorn-26.2.0-lifespan-failure", (), "worse", 1),
    ("uvicorn-26.2.0-reload-scale", "uvicorn-26.2.0-reload-scale", (), "unchanged", 0),
]


@pytest.mark.parametrize(("before", "after", "options", "outcome", "status"), PAIRS)
def test_the_answer(before: str, after: str, options: tuple[str, ...], outcome: str, status: int) -> None:
    files = [str(LOGS / case / "log.txt") for case in (before, after)]
    done = CliRunner().invoke(cli, ["compare", *options, "--format", "json", *files], standalone_mode=False)
    value = json.loads(done.stdout)
    jsonschema.validate(value, json.loads(read_schema("compare")))
    assert (value["outcome"], done.return_value) == (outcome, status), value["summary"]


def compare(*options: str) -> int:
    healthy, hanging = (LOGS / case / "log.txt" for case in ("uvicorn-26.2.0-reload-scale", PAIRS[3][1]))
    return run(["compare", "--timeout", "3", *options, str(healthy), str(hanging)])


def test_exit_codes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert compare() == 1
    assert compare("--exit-zero") == 0
    assert compare("--fail-on", "none") == 0
    assert compare("--fail-on", "cannot_tell,unchanged") == 0
    assert compare("--fail-on", "rubbish") == 2
    assert run(["compare", "-", "-"]) == 2
    assert run(["compare", str(tmp_path / "missing.log"), str(tmp_path / "missing.log")]) == 3
    assert "missing.log" in capsys.readouterr().err


def test_the_comparison_goes_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "comparison.json"
    assert compare("--format", "json", "-o", str(target)) == 1
    assert json.loads(target.read_text())["outcome"] == "worse"
    assert capsys.readouterr().out == ""
