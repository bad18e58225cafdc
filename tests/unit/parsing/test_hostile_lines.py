"""Lines nobody meant to write: whatever comes, the parser raises nothing, keeps little and takes its time per line."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtdiag.model import events
from gtdiag.parsing.line_times import parse_line_stamp
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.prefixes import unwrap
from tests.carriers import CARRIERS, Line

NEWEST = datetime(2026, 1, 5, tzinfo=timezone.utc)
WORDS = (
    *(
        "WORKER TIMEOUT (pid:7)",
        "Booting worker with pid: 7",
        "Worker (pid:7) was sent SIGKILL!",
        "Handling signal: hup",
    ),
    "Error handling request /",
    "Exception in worker process",
    "Traceback (most recent call last):",
    "SystemExit: 1",
    *(
        '  File "/srv/gunicorn/workers/base.py", line 203, in handle_abort',
        "    sys.exit(1)",
        "Worker exiting (pid: 7)",
    ),
    *(
        "Starting gunicorn 23.0.0",
        "Listening at: x (1)",
        "Current thread 0x0 (most recent call first):",
        "HaltServer: <",
    ),
    *(
        "[2025-01-01 00:00:00 +0000] [7] [INFO] ",
        '{"log": "',
        '", "stream": "stderr", "time": "',
        '"}',
        "{",
        "[{",
        "\\",
    ),
    *(
        "web-1  | ",
        "> ",
        "    ",
        "\t",
        "\r",
        "\x1b[31m",
        "\0",
        "9999-12-31T23:59:60.999999999Z ",
        "0000-00-00 00:00:00 ",
    ),
    "Feb 30 25:61:61 host tag[99999999999]: ",
    "févr. 05 10:00:00 h t: ",
    "@4fffffffffffffffffffffff ",
    "#012",
    '""',
    "2025-01-01T00:00:00+99:99 ",
    "stderr P ",
    "9999999999.999999 h t[1]: ",
    "9999999999999,",
    '"MESSAGE":[1,2,300]',
)
hostile_line = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=6).map("".join),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=6).map("".join),
    st.text(max_size=80),
)


@given(st.lists(hostile_line, max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_line_raises(lines: list[str]) -> None:
    parser = LogParser("x.log", newest=NEWEST)
    found: list[events.Event] = []
    for number, line in enumerate(lines, start=1):
        found += parser.feed(line.replace("\n", " "), number)
        parse_line_stamp(line, newest=NEWEST)
    found += parser.flush()
    assert parser.flush() == []
    assert all(event.at is None or event.at.tzinfo is not None for event in found)


@given(st.sampled_from(sorted(CARRIERS)), hostile_line, st.integers(min_value=0, max_value=400))
@settings(max_examples=300, deadline=None)
def test_a_carried_line_cut_anywhere_raises_nothing(name: str, text: str, cut: int) -> None:
    carried = CARRIERS[name][0](Line(1, 7, NEWEST, text))
    assert isinstance(unwrap(carried[:cut], newest=NEWEST).text, str)
    assert isinstance(unwrap(carried[cut:], newest=NEWEST).text, str)


@pytest.mark.parametrize(
    "stamp",
    [
        *(
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59+00:00",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
        ),
        *(
            "2016-12-31T23:59:60Z",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "-1",
            "1e308",
        ),
        "99999999999999999999",
        "NaN",
        "Infinity",
        "Mär 05 10:00:00",
        "١٢ 10:00:00",
        "2025-01-01T00:00:00+99:99",
    ],
)
def test_absurd_stamps_lose_no_fact(stamp: str) -> None:
    message = "[2025-07-05 12:18:53 +0000] [5] [CRITICAL] WORKER TIMEOUT (pid:6)"
    lines = [
        json.dumps({"timestamp": stamp, "line": message.replace("6)", "7)")}),
        f'{{"time": {stamp if stamp.isdigit() else json.dumps(stamp)}, "log": {json.dumps(message)}}}',
    ]
    parser = LogParser("x.log", newest=NEWEST)
    found = [event for number, line in enumerate(lines, start=1) for event in parser.feed(line, number)]
    assert [event.worker.pid for event in found if event.worker] == [7, 6]
    assert all(event.at == datetime(2025, 7, 5, 12, 18, 53, tzinfo=timezone.utc) for event in found)


def test_a_leap_second_is_a_time() -> None:
    stamp = parse_line_stamp("2016-12-31T23:59:60Z x")
    assert stamp is not None
    assert stamp.at.year == 2016


LONG = 65_536
NASTY = {
    "blanks": " " * LONG,
    "digits": "1" * LONG,
    "bars": "a|" * (LONG // 2),
    "quotes": '"' * LONG,
    "brackets": "[" * LONG,
    "braces": "{" * LONG + "}",
    "nested JSON": '{"log":' * 8000 + "}",
    "dots": "a." * (LONG // 2),
    "commas": "2025-01-01T00:00:00Z," + ",".join("a" * 20_000),
    "commas and quotes": "2025-01-01T00:00:00Z," + '",' * 30_000,
    "words": "a-b " * (LONG // 4),
    "slashes": "2025-01-01T00:00:00Z " + "a/" * (LONG // 2),
    "greater than": "> " * (LONG // 2),
    "carets": "^" * (LONG - 1) + "x",
    "tildes and blanks": "~ " * (LONG // 2) + "x",
    "messages": "Worker (pid:7) " * 4000,
    "stamps": "2025-01-01T00:00:00Z " * 3000,
    "syslog escapes": "Jan  5 08:00:00 h t: " + "#012" * 10_000,
    "structured data": '<1>1 2025-01-01T00:00:00Z h t 1 - [a b="' + "\\" * 60_000,
    "numbers": "12: " * (LONG // 4),
    "exceptions": "Error" * (LONG // 5),
    "CR": "x\r" * (LONG // 2),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", NASTY)
def test_a_long_line_takes_time_in_proportion(name: str) -> None:
    """A pattern that takes the square of a line's length would take minutes here."""
    text = NASTY[name]
    parser = LogParser("x.log", newest=NEWEST)
    parser.feed(text, 1)
    parser.feed(text + " WORKER TIMEOUT (pid:7)", 2)
    parser.feed("WORKER TIMEOUT (pid:7)" + text, 3)
    found = parser.feed("x", 4) + parser.flush()
    assert all(isinstance(event, events.Event) for event in found)


def test_every_line_a_hit_keeps_little() -> None:
    """Hundreds of thousands of workers, streams and open tracebacks: what is remembered has an end."""
    parser = LogParser("x.log", newest=NEWEST)
    for number in range(1, 20_001):
        stream = f"web-{number}  | "
        parser.feed(f"{stream}[2025-07-05 12:18:53 +0000] [{number}] [ERROR] Error handling request /{number}", number)
    parts = [parser, *(part for part in vars(parser).values() if hasattr(part, "__dict__"))]
    kept = sum(len(v) for part in parts for v in vars(part).values() if isinstance(v, dict | list | set))
    assert kept < 20_000
