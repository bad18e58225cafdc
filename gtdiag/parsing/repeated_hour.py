"""Stamps without an offset at the end of daylight saving time, when an hour is written twice, to times in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from gtdiag.parsing.timestamps import Stamp

LEAST_BACK = timedelta(minutes=1)
"""Lines of several processes are out of order by less."""
MOST_BACK = timedelta(hours=1)
_MONTHS = frozenset({3, 4, 5, 9, 10, 11})
"""Both hemispheres."""
_HOURS = frozenset({22, 23, 0, 1, 2, 3})
"""On the clock on the wall, when it is put back: at 24, 2 or 3 in nearly all of the world."""
_AFTER = timezone(-MOST_BACK)
"""As UTC stands for the zone that is not told: an hour less, so that what is written is shown as it is written."""


class RepeatedHour:
    """Remembers for each stream how far its own stamps have come."""

    def __init__(self, most_streams: int) -> None:
        self._most_streams = most_streams
        self._newest: dict[str, datetime] = {}
        self._after: set[str] = set()

    def note(self, stamp: Stamp | None, stream: str) -> bool:
        """Take the stamp of a record of gunicorn's; whether it shows, for the first time, that the hour is repeated."""
        if stamp is None or not stamp.naive or stream in self._after:
            return False
        newest = self._newest.get(stream)
        if newest is None:
            if len(self._newest) < self._most_streams:
                self._newest[stream] = stamp.at
            return False
        back = newest - stamp.at
        if LEAST_BACK < back <= MOST_BACK and stamp.at.month in _MONTHS and stamp.at.hour in _HOURS:
            self._after.add(stream)
            return True
        self._newest[stream] = max(newest, stamp.at)
        return False

    def place(self, stamp: Stamp | None, stream: str) -> Stamp | None:
        """A stamp of the stream where it belongs: after the repetition began, an hour later than it seems."""
        if stamp is None or not stamp.naive or stream not in self._after or stamp.at.tzinfo is _AFTER:
            return stamp
        return replace(stamp, at=stamp.at.replace(tzinfo=_AFTER))
