"""Recordings of older schemas are brought up step by step."""

from __future__ import annotations

from typing import Any

import pytest

from gtdiag.recording.migrations import MIGRATIONS, RECORDING_SCHEMA, SCHEMA_VERSION, migrate, parse_schema

Line = dict[str, Any]


def _rename_age(line: Line) -> Line:
    if line.get("event") == "HeartbeatSample" and "age_ms" in line:
        line = {**line, "age_s": line["age_ms"] / 1000}
        del line["age_ms"]
    return line


def _leave_out_noise(line: Line) -> Line | None:
    return None if line.get("event") == "Noise" else {**line, "seen": [*line.get("seen", []), 2]}


STEPS = {1: _rename_age, 2: _leave_out_noise}


def test_each_version_takes_the_steps_from_it_on() -> None:
    old = {"event": "HeartbeatSample", "age_ms": 1500}
    assert migrate(old, 1, 3, STEPS) == {"event": "HeartbeatSample", "age_s": 1.5, "seen": [2]}
    assert migrate(old, 2, 3, STEPS) == {**old, "seen": [2]}, "it is of version 2, so the first step is not its own"
    assert migrate(old, 3, 3, STEPS) == old


def test_a_line_that_a_step_leaves_out_stays_out() -> None:
    assert migrate({"event": "Noise"}, 1, 3, STEPS) is None
    assert migrate({"event": "Noise"}, 1, 4, {**STEPS, 3: lambda line: pytest.fail("asked about nothing")}) is None


def test_there_is_a_step_from_every_older_version() -> None:
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize(
    ("schema", "version"),
    [
        (RECORDING_SCHEMA, SCHEMA_VERSION),
        ("gtdiag.recording/12", 12),
        ("gtdiag.report/1", None),
        ("gtdiag.recording/", None),
        ("gtdiag.recording/-1", None),
        ("gtdiag.recording/\u0661", None),
        ("gtdiag.recording/" + "9" * 5000, None),
        (1, None),
        (None, None),
    ],
)
def test_the_version_of_a_header(schema: object, version: int | None) -> None:
    assert parse_schema(schema) == version
