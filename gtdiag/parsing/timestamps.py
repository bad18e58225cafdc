"""Text to aware times: every shape of time stamp that log lines carry, each with how exact it is."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_MONTH = "|".join(_MONTHS)

_ISO = (
    r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9}))?(?: ?(?P<zone>Z|UTC\b|GMT\b|[+-]\d\d:?\d\d(?!\d)))?"
)
_ACCESS_LOG = (
    rf"(?P<aday>\d\d)/(?P<amonth>{_MONTH})/(?P<ayear>\d{{4}}):(?P<ahour>\d\d):(?P<aminute>\d\d):(?P<asecond>\d\d)"
    r" (?P<azone>[+-]\d{4})"
)
_SYSLOG = (
    rf"(?P<smonth>{_MONTH}) {{1,2}}(?P<sday>\d{{1,2}}) (?P<shour>\d\d):(?P<sminute>\d\d):(?P<ssecond>\d\d)"
    r"(?:\.(?P<sfraction>\d{1,9}))?(?: (?P<syear>\d{4})\b)?"
)

STAMP = re.compile(rf"(?<!\d)(?:{_ISO}|{_ACCESS_LOG}|\b{_SYSLOG})")
"""Any stamp with a date in it; a time of day alone is none."""

_LOOK_AT_CHARACTERS = 400
"""A stamp stands at the head of a line; further in, a date is the application's own talk."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time as a line gives it. `naive`: the line names no offset, so UTC is assumed."""

    at: datetime
    resolution_s: float
    naive: bool = False


@functools.lru_cache(maxsize=256)
def _zone(text: str) -> timezone | None:
    if text in ("Z", "UTC", "GMT"):
        return timezone.utc
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    if offset >= timedelta(hours=24):
        return None
    return timezone(-offset if text[0] == "-" else offset)


def _make(
    year: str, month: int, day: str, hour: str, minute: str, second: str, fraction: str | None, zone: str | None
) -> Stamp | None:
    offset = _zone(zone) if zone else None
    microseconds = int(f"{fraction[:6]:0<6}") if fraction else 0
    try:
        # A leap second (60) has no datetime of its own; it is kept as the second before it.
        at = datetime(
            int(year),
            month,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            microseconds,
            tzinfo=offset or timezone.utc,
        )
        at.utctimetuple()
    except (ValueError, OverflowError):
        return None
    return Stamp(at, 10.0 ** -min(len(fraction), 6) if fraction else 1.0, naive=offset is None)


def parse_stamp_match(match: re.Match[str], *, newest: datetime | None = None) -> Stamp | None:
    """A match of `STAMP` to a time; None where the numbers are no date.

    `newest`: a moment at or after the last line; gives the year to stamps that have none (RFC 3164). Without it
    such a stamp is no time.
    """
    part = match.groupdict()
    if part["year"]:
        return _make(
            part["year"],
            int(part["month"]),
            part["day"],
            part["hour"],
            part["minute"],
            part["second"],
            part["fraction"],
            part["zone"],
        )
    if part["ayear"]:
        return _make(
            part["ayear"],
            _MONTHS[part["amonth"]],
            part["aday"],
            part["ahour"],
            part["aminute"],
            part["asecond"],
            None,
            part["azone"],
        )
    month, year = _MONTHS[part["smonth"]], part["syear"]
    if year is None:
        if newest is None:
            return None
        # One day of grace: the stamp is in the server's zone, `newest` may be in another.
        after = (month, int(part["sday"])) > ((newest + timedelta(days=1)).month, (newest + timedelta(days=1)).day)
        year = str(newest.year - 1 if after else newest.year)
    return _make(year, month, part["sday"], part["shour"], part["sminute"], part["ssecond"], part["sfraction"], None)


def parse_stamp(text: str, *, newest: datetime | None = None) -> Stamp | None:
    """The first stamp in the head of `text`, or None."""
    match = STAMP.search(text, 0, _LOOK_AT_CHARACTERS)
    return None if match is None else parse_stamp_match(match, newest=newest)


def parse_epoch(value: float | int | str) -> Stamp | None:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970 (told apart by their size) to a time."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not 1e8 <= number < 1e20:
        return None
    exact = 1.0 if isinstance(value, int) or (isinstance(value, str) and "." not in value) else 1e-6
    for _ in range(3):
        if number < 1e11:
            break
        number /= 1000
        exact = max(exact / 1000, 1e-6)
    try:
        return Stamp(datetime.fromtimestamp(number, tz=timezone.utc), exact)
    except (ValueError, OverflowError, OSError):
        return None


def choose_stamp(inner: Stamp | None, outer: Stamp | None) -> Stamp | None:
    """The best time of a line that may carry two: gunicorn's own (`inner`) and its carrier's (`outer`).

    The writer's own is right even where the carrier was late; the carrier's is finer and, for a writer without an
    offset, in a known zone. A carrier's stamp within the writer's second is the same moment said more exactly.
    """
    if inner is None:
        return outer
    if outer is None:
        return inner
    if inner.naive and not outer.naive:
        return outer
    if outer.naive or outer.resolution_s >= inner.resolution_s:
        return inner
    if timedelta(0) <= outer.at - inner.at < timedelta(seconds=inner.resolution_s):
        return outer
    return inner
