"""What a heartbeat file shows, for the methods of all versions. The real files are in tests/live."""

from __future__ import annotations

import pytest

from gtdiag.gunicorn.heartbeat import Heartbeat, judge_heartbeat, major_of

WALL_S = 1_795_456_000.0
UPTIME_S = 5_000.0
MADE_S = WALL_S - 40


def judge(*, mtime_s: float, ctime_s: float, mode: int = 0o100600, major: int | None = None) -> tuple[float, bool]:
    heartbeat = judge_heartbeat(
        mtime_s=mtime_s,
        ctime_s=ctime_s,
        mode=mode,
        wall_now_s=WALL_S,
        monotonic_now_s=UPTIME_S,
        version_major=major,
    )
    return heartbeat.age_s, heartbeat.ever


@pytest.mark.parametrize("major", [None, 22, 27])
def test_monotonic_mtime_is_a_beat(major: int | None) -> None:
    assert judge(mtime_s=UPTIME_S - 3, ctime_s=WALL_S - 3, major=major) == (3, True)


@pytest.mark.parametrize("major", [None, 22, 27])
def test_wall_clock_mtime_has_never_beaten(major: int | None) -> None:
    assert judge(mtime_s=MADE_S, ctime_s=MADE_S, major=major) == (40, False)


@pytest.mark.parametrize("mode", [0o100000, 0o100001])
@pytest.mark.parametrize("major", [None, 20, 21])
def test_spinner_mode_is_a_beat_at_ctime(major: int | None, mode: int) -> None:
    assert judge(mtime_s=MADE_S, ctime_s=WALL_S - 7, mode=mode, major=major) == (7, True)


@pytest.mark.parametrize("major", [None, 20, 21])
def test_mode_of_mkstemp_has_never_beaten(major: int | None) -> None:
    assert judge(mtime_s=MADE_S, ctime_s=MADE_S, major=major) == (40, False)


def test_umask_that_leaves_no_mode_is_no_beat_on_22() -> None:
    assert judge(mtime_s=MADE_S, ctime_s=MADE_S, mode=0o100000, major=22) == (40, False)


def test_a_beat_after_the_clock_was_read_is_age_zero() -> None:
    assert judge(mtime_s=UPTIME_S + 0.01, ctime_s=WALL_S) == (0, True)


def test_a_clock_set_back_gives_no_negative_age() -> None:
    assert judge(mtime_s=WALL_S + 100, ctime_s=WALL_S + 100) == (0, False)


def test_heartbeat_is_a_value() -> None:
    assert Heartbeat(1.0, True) == Heartbeat(1.0, True)


@pytest.mark.parametrize(
    ("version", "major"),
    [("21.2.0", 21), ("27.0.1", 27), ("20", 20), (None, None), ("", None), ("dev", None)],
)
def test_major_of(version: str | None, major: int | None) -> None:
    assert major_of(version) == major
