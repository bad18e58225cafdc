from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.cli.parameter_types import KINDS, fail_on, interval, moment, parse_duration
from gtdiag.model.report import IncidentKind, PatternKind


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("2d", 172800),
        ("45", 45),
        ("5min", 300),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(f" {text.upper()} ") == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-5s", "0", "0s", "5x", "1e9", "inf", "nan", "5 s", "5s5", "9999999999999d", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_duration_or_a_clear_error(text: str) -> None:
    try:
        assert parse_duration(text) > 0
    except ValueError as error:
        assert "duration" in str(error)


def test_kinds_to_fail_on() -> None:
    assert fail_on("any").kinds == set(KINDS)
    assert fail_on("none").kinds == frozenset()
    assert fail_on("oom_kill, Restart-Loop").kinds == {"oom_kill", "restart_loop"}
    assert len(KINDS) == len(IncidentKind) + len(PatternKind) == len(set(KINDS))


@pytest.mark.parametrize(
    ("text", "meant"),
    [("oom_kil", "oom_kill"), ("any,restart-lop", "restart_loop"), ("Worker_Timeouts", "worker_timeout")],
)
def test_a_kind_that_was_mistyped(text: str, meant: str) -> None:
    with pytest.raises(click.BadParameter, match=f"Did you mean {meant}[?]$"):
        fail_on(text)


@pytest.mark.parametrize("text", ["", ",", "oom", "any,none", "oom_kill,nope"])
def test_what_is_no_list_of_kinds(text: str) -> None:
    with pytest.raises(click.BadParameter, match="choose any, none"):
        fail_on(text)


def test_moments() -> None:
    at = datetime(2025, 7, 22, 15, 6, 3, tzinfo=timezone.utc)
    assert moment("2025-07-22T15:06:03Z") == at
    assert moment("2025-07-22 17:06:03+02:00") == at
    assert moment("10m") == timedelta(minutes=10)
    local = moment("2025-07-22T15:06:03")
    assert isinstance(local, datetime)
    assert local.tzinfo is not None
    assert local.replace(tzinfo=None) == at.replace(tzinfo=None)


@pytest.mark.parametrize("text", ["", "yesterday", "10", "25:00", "-10m", "2025-13-01"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="back from the end"):
        moment(text)


def test_intervals() -> None:
    assert interval("250ms") == 0.25
    for text in ("1ms", "2m", "x"):
        with pytest.raises(click.BadParameter):
            interval(text)
