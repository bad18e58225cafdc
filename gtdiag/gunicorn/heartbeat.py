"""Times and mode of a worker's heartbeat file to the heartbeat's age and whether there has ever been one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MONOTONIC_TOLERANCE_S = 2.0
"""How far past the reader's monotonic clock a heartbeat may lie: reading order and a clock read a moment earlier."""

FIRST_MONOTONIC_MAJOR = 22
"""gunicorn 22.0.0 replaced `fchmod` (seen in st_ctime) by `os.utime(time.monotonic())` (seen in st_mtime)."""

SPINNER_MODES = frozenset({0, 1})
"""Up to 21.2 each heartbeat is `fchmod(0)` or `fchmod(1)` in turn; `mkstemp` makes the file with mode 0600."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """`age_s`: seconds since the last heartbeat, or since the file was made where `ever` is False.

    `ever`: whether the worker has ever beaten.
    """

    age_s: float
    ever: bool


def judge_heartbeat(
    *,
    mtime_s: float,
    ctime_s: float,
    mode: int,
    wall_now_s: float,
    monotonic_now_s: float,
    version_major: int | None = None,
    stepped_s: float = 0.0,
) -> Heartbeat:
    """Say what a heartbeat file shows, in any gunicorn version (read in the sources of 20.1.0 to 27.0.1).

    The file alone tells the version's method: an mtime that the monotonic clock can have reached was set by 22 or
    later; mode 0 or 1 was set by 21 or earlier; a file with neither has not been touched since it was made, which in
    every version means that the worker has never beaten. `version_major` only keeps a strange umask (which can take
    mkstemp's 0600 down to 0) from looking like a heartbeat on 22 and later. `stepped_s`: how far the wall clock was set
    since the watch began; a file may have been touched before that or after it.
    """
    if mtime_s <= monotonic_now_s + MONOTONIC_TOLERANCE_S:
        return Heartbeat(age_s=max(0.0, monotonic_now_s - mtime_s), ever=True)
    spinner_possible = version_major is None or version_major < FIRST_MONOTONIC_MAJOR
    if spinner_possible and (mode & 0o777) in SPINNER_MODES:
        return Heartbeat(age_s=_wall_age_s(ctime_s, wall_now_s, stepped_s), ever=True)
    made_at_s = ctime_s if spinner_possible else mtime_s
    return Heartbeat(age_s=_wall_age_s(made_at_s, wall_now_s, stepped_s), ever=False)


def _wall_age_s(touched_at_s: float, wall_now_s: float, stepped_s: float) -> float:
    """By the clock as it is, or as it would be had nobody set it: the younger one of those that can be."""
    ages_s = (wall_now_s - touched_at_s, wall_now_s - stepped_s - touched_at_s)
    return min((max(0.0, age_s) for age_s in ages_s if age_s >= -MONOTONIC_TOLERANCE_S), default=0.0)


def major_of(version: str | None) -> int | None:
    """The first number of a version ("21.2.0" -> 21), None where there is none."""
    head = (version or "").split(".", 1)[0]
    return int(head) if head.isdigit() else None
