from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from gtdiag.analysis.comparing import compare_runs
from gtdiag.model.comparison import Comparison, StartupEnd, WorkerStartup
from gtdiag.renderers.comparison import MAX_WORKERS, render_comparison_json, render_comparison_text
from gtdiag.renderers.json_report import read_schema
from gtdiag.renderers.page import Page
from tests.unit.analysis.test_comparing import BLANK, BLIND, GOOD, HANGING, TRUTH
from tests.unit.renderers.screen_files import assert_screen

FAILED = tuple(WorkerStartup(7 + n, 1 + n, StartupEnd.FAILED, None, "verify_database_migrations") for n in range(4))
STARTED = tuple(WorkerStartup(17 + n, 1 + n, StartupEnd.READY, 1.0 + n) for n in range(4))


def fixed() -> Comparison:
    before = replace(HANGING, workers=FAILED, calls=("verify_database_migrations",), files=("before.jsonl",))
    return compare_runs(before, replace(GOOD, workers=STARTED, files=("after.jsonl",)))


@pytest.mark.parametrize("width", [80, 120])
def test_a_fix_that_worked(width: int) -> None:
    text = render_comparison_text(fixed(), Page(width=width))
    assert text.startswith("Fixed: ")
    assert_screen(f"compare_{width}", text)


def test_what_cannot_be_told_is_said_with_its_reason() -> None:
    text = render_comparison_text(compare_runs(HANGING, BLIND), Page(width=100))
    assert "WHAT CANNOT BE TOLD" in text
    assert "gtdiag watch --record" in text


def test_many_workers_are_counted() -> None:
    workers = tuple(WorkerStartup(n, n, StartupEnd.READY, 1.0) for n in range(1, 41))
    text = render_comparison_text(compare_runs(GOOD, replace(GOOD, workers=workers)), Page(width=100))
    assert f"{40 - MAX_WORKERS} more in --format json" in text


def test_terminal_escapes_in_names_are_data() -> None:
    hostile = replace(BLANK, files=("\x1b]0;owned\x07.log",), worker_class="\x1b[31m")
    assert "\x1b" not in render_comparison_text(compare_runs(hostile, hostile), Page(width=100))


@pytest.mark.parametrize("row", TRUTH)
def test_the_json_of_every_answer_is_valid(row: tuple[object, ...]) -> None:
    before, after = replace(row[0], workers=FAILED), replace(row[1], workers=STARTED)  # type: ignore[type-var]
    value = json.loads(render_comparison_json(compare_runs(before, after)))  # type: ignore[arg-type]
    jsonschema.Draft202012Validator(json.loads(read_schema("compare"))).validate(value)
    assert value["schema"] == "gtdiag.compare/1"
