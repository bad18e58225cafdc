"""Which lines of a log can matter: the tell-tale words, and how many lines before and after each must be looked at.

`LogParser` looks only at these lines and their surroundings, so a reader may skip all others unread: it searches whole
blocks for `COARSE_LITERALS` and hands over what lies around the hits. A new message needs its words in `_SIGNALS` and,
where no literal is part of it yet, one in `COARSE_LITERALS` (a test compares the two).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

LINE_CHARACTERS = 65_536
"""The head of a line that is looked at; longer lines are cut."""

LOOK_BACK_CHARACTERS = 131_072
"""The most text that is kept for looking back."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many lines around a tell-tale line are looked at."""

    before: int
    after: int


REACH = {
    # Says all it has to say in one line.
    "alone": Reach(0, 0),
    # The lines next to it say more: the worker that a bare error is about, a start-up in several lines.
    "beside": Reach(8, 8),
    # A traceback begins here; some platforms shuffle its first frames above it.
    "opens": Reach(8, 12),
    # A traceback ends here, and its head may be far above.
    "closes": Reach(400, 12),
}

HEAD_LINES = 40
"""The first lines are always looked at: a log may begin in the middle of something whose tell-tale line is cut off."""

_SIGNALS = {
    "closes": r"in handle_abort|Application startup failed",
    "opens": r"WORKER TIMEOUT \(pid:|Error handling request|Exception in worker process|most recent call first",
    "beside": r"Starting gunicorn|Worker exiting \(pid:|Started server process \[|Shutting down: Master"
    r"|HaltServer: (?:<|\\u003[cC])|Worker \(pid:[0-9]+\) was sent|Killed process [0-9]|oom-kill:constraint",
    "alone": r"Booting worker with pid|Worker with pid [0-9]+ was terminated|Worker \(pid:[0-9]+\) exited"
    r"|Worker graceful timeout \(pid:|Autorestarting worker after|Maximum request limit of|Handling signal: "
    r"|Application startup complete|ASGI server listening|\"MESSAGE\" ?: ?\[",
}

_PATTERN = "|".join(f"(?P<{name}>{alternatives})" for name, alternatives in _SIGNALS.items())

SIGNAL = re.compile(_PATTERN, re.ASCII)
SIGNAL_BYTES = re.compile(_PATTERN.encode("ascii"))

COARSE_LITERALS: tuple[bytes, ...] = (
    b"(pid:",
    b" with pid",
    b"Starting gunicorn",
    b"Error handling request",
    b"Exception in worker process",
    b"in handle_abort",
    b"Handling signal: ",
    b"Shutting down: Master",
    b"HaltServer: ",
    b"Started server process [",
    b"Application startup ",
    b"ASGI server listening",
    b"Autorestarting worker after",
    b"Maximum request limit of",
    b"most recent call first",
    b"Killed process ",
    b"oom-kill:constraint",
)
"""Literals of which each tell-tale line holds at least one. Without ahocorasick_rs each is one more search of
everything (0.3 ms a megabyte), so a line that always stands next to another tell-tale line ("Listening at", "Reason:")
has none of its own."""

JOURNAL_LITERALS: tuple[bytes, ...] = (b'"MESSAGE":[', b'"MESSAGE": [', b'"MESSAGE" : [')
"""The same for a journal's JSON, where a message with control characters in it (colours) is a list of bytes."""

JOURNAL_MARK = b'"__REALTIME_TIMESTAMP"'
"""Each line of a journal's JSON holds this."""


def find_reach(text: str) -> Reach | None:
    """How far around this line to look; None for a line that cannot matter by itself."""
    return _remembered_reach(text) if len(text) < _REMEMBERED_CHARACTERS else _search_reach(text)


def _search_reach(text: str) -> Reach | None:
    match = SIGNAL.search(text)
    return None if match is None or match.lastgroup is None else REACH[match.lastgroup]


_REMEMBERED_CHARACTERS = 300
_remembered_reach = functools.lru_cache(maxsize=8192)(_search_reach)
"""The tracebacks of one application hold the same lines again and again."""
