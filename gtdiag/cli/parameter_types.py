"""Words of the command line to values: durations, kinds of findings, moments."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from gtdiag.cli.suggestions import did_you_mean
from gtdiag.model.report import IncidentKind, PatternKind

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|m|h|d)")
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.1, 60.0
_MAX_S = 10 * 365 * 86400.0

KINDS: tuple[str, ...] = tuple(kind.value for kind in IncidentKind) + tuple(kind.value for kind in PatternKind)


def parse_duration(text: str) -> float:
    """Return the seconds of "90s", "1.5h", "1h30m", "500ms", or of a bare number of seconds.

    Raises ValueError for anything else, for nothing at all ("0s") and for more than ten years.
    """
    words = text.strip().lower()
    parts = _PART.findall(words)
    if parts and "".join(number + unit for number, unit in parts) == words:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    elif re.fullmatch(r"[0-9]+(\.[0-9]+)?", words):
        seconds = float(words)
    else:
        raise ValueError(f"{text!r} is not a duration")
    if not math.isfinite(seconds) or not 0 < seconds <= _MAX_S:
        raise ValueError(f"{text!r} is not a duration that makes sense here")
    return seconds


def duration(value: str | float) -> float:
    """Return the seconds of a duration on the command line."""
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise click.BadParameter(f"{error}; write it like 90s, 10m, 1h30m or 500ms") from error


def interval(value: str | float) -> float:
    """Return the seconds of a time between two looks: watching must stay cheap for the watched host."""
    seconds = duration(value)
    if not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise click.BadParameter(f"{value!r}: choose a time from {MIN_INTERVAL_S * 1000:g}ms to {MAX_INTERVAL_S:g}s")
    return seconds


@dataclass(frozen=True, slots=True)
class FailOn:
    """The kinds of incidents and patterns for which a command exits with 1."""

    kinds: frozenset[str]


def fail_on(value: str | FailOn) -> FailOn:
    """Return the kinds of a comma-separated list, of `any`, or of `none`."""
    if isinstance(value, FailOn):
        return value
    words = [word.strip().lower().replace("-", "_") for word in value.split(",") if word.strip()]
    if words == ["any"]:
        return FailOn(frozenset(KINDS))
    if words == ["none"]:
        return FailOn(frozenset())
    unknown = [word for word in words if word not in KINDS]
    if unknown or not words:
        wrong = ", ".join(repr(word) for word in unknown) or "nothing given"
        close = did_you_mean(unknown, KINDS)
        # A list of twenty-five words hides the one that was meant.
        raise click.BadParameter(
            f"{wrong} is no kind.{close}" if close else f"{wrong}; choose any, none, or some of: {', '.join(KINDS)}"
        )
    return FailOn(frozenset(words))


def moment(value: str | datetime | timedelta) -> datetime | timedelta:
    """Return the aware time of an ISO 8601 text (local time where it has no offset), or the time back from the end."""
    if isinstance(value, (datetime, timedelta)):
        return value
    text = value.strip()
    if not text.isdigit():  # digits alone may be a date (20250722), so a duration needs its unit here
        with contextlib.suppress(ValueError):
            return timedelta(seconds=parse_duration(text))
    try:
        # Python 3.10 does not read the "Z" of ISO 8601.
        at = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a time like 2025-07-22T15:06:03+02:00 nor a duration back from the end like 10m"
        ) from error
    return at if at.tzinfo is not None else at.astimezone()
