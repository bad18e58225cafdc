"""The time of any one line, relevant or not: for the period a log covers and the direction it runs in."""

from __future__ import annotations

from datetime import datetime

from gtdiag.parsing.control_characters import strip_control_characters
from gtdiag.parsing.prefixes import unwrap
from gtdiag.parsing.record_lines import parse_own_record
from gtdiag.parsing.relevance import LINE_CHARACTERS
from gtdiag.parsing.timestamps import Stamp, choose_stamp, parse_stamp


def parse_line_stamp(line: str, *, newest: datetime | None = None) -> Stamp | None:
    """The best time stamp of a line, or None where it has none. `newest` as in `LogParser`."""
    carried = unwrap(strip_control_characters(line[:LINE_CHARACTERS].rstrip("\r\n")), newest=newest)
    return choose_stamp(parse_stamp(carried.text, newest=newest), carried.stamp)


def is_gunicorn_record(line: str) -> bool:
    """Whether a line is in gunicorn's own format, whatever it says: a log without incidents is a log all the same."""
    record = parse_own_record(unwrap(strip_control_characters(line[:LINE_CHARACTERS].rstrip("\r\n"))).text)
    return record is not None and record.pid is not None and record.stamp is not None
