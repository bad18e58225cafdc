"""Which lines of a log can matter: the tell-tale words, and how many lines before and after each must be looked at.

`LogParser` looks only at these lines and their surroundings, so a reader may skip all others unread: it searches whole
blocks for `COARSE_LITERALS` and hands over what lies around the hits. A new message needs its words in `_SIGNALS` and,
where no literal is part of it yet, one in `COARSE_LITERALS` (a test compares the two).
"""

from __future__ import annotations

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
    # Its worker is named by a line next to it, or its time stands in the line before.
    "beside": Reach(3, 4),
    # A traceback begins here; some platforms shuffle its first frames above it.
    "opens": Reach(8, 12),
    # A traceback ends here, and its head may be far above.
    "closes": Reach(400, 12),
}

_SIGNALS = {
    "closes": (r"in handle_abort|Application startup failed",),
    "opens": (
        r"WORKER TIMEOUT \(pid:|Error handling request|Exception in worker process|Exception in 'lifespan' protocol"
        r"|in spawn_worker|most recent call first|Unhandled exception in main loop",
    ),
    "beside": (
        r"Worker exiting \(pid|Application object must be callable|Failed to find attribute '"
        r"|as an attribute name or function call|HaltServer: <|Application startup complete"
        r"|Worker \(pid:[0-9]+\) was sent|Killed process [0-9]+|oom_reaper: reaped process",
    ),
    "alone": (
        r"Booting worker with pid: |Worker with pid [0-9]+ was terminated|Worker \(pid:[0-9]+\) exited"
        r"|Worker graceful timeout|Autorestarting worker|Maximum request limit of"
        r"|Starting gunicorn|Listening at: |Using worker: |Handling signal: |Shutting down: "
        r"|Reason: Worker failed to boot|Reason: App failed to load"
        r"|Started server process \[|Waiting for application startup|ASGI server listening"
        r"|ASGI lifespan startup failed|oom-kill:|[Oo]ut of memory: Kill",
    ),
}

_PATTERN = "|".join(f"(?P<{name}>{'|'.join(alternatives)})" for name, alternatives in _SIGNALS.items())

SIGNAL = re.compile(_PATTERN, re.ASCII)
SIGNAL_BYTES = re.compile(_PATTERN.encode("ascii"))

COARSE_LITERALS: tuple[bytes, ...] = (
    b"orker",
    b"WORKER TIMEOUT",
    b"Error handling request",
    b"in handle_abort",
    b"Starting gunicorn",
    b"Listening at: ",
    b"Handling signal: ",
    b"Shutting down: ",
    b"App failed to load",
    b"HaltServer: <",
    b"Unhandled exception in main",
    b"Exception in 'lifespan' prot",
    b"Application object must be",
    b"Failed to find attribute '",
    b"as an attribute name or func",
    b"Started server process [",
    b"pplication startup",
    b"ASGI server listening",
    b"ASGI lifespan startup failed",
    b"Maximum request limit of",
    b"most recent call first",
    b"ut of memory: Kill",
    b"Killed process ",
    b"oom-kill:",
    b"oom_reaper: reaped",
)
"""Literals of which each tell-tale line holds at least one; long ones are found fastest (`bytes.find`, 2 to 3.5 GB/s each)."""


def find_reach(text: str) -> Reach | None:
    """How far around this line to look; None for a line that cannot matter by itself."""
    match = SIGNAL.search(text)
    return None if match is None or match.lastgroup is None else REACH[match.lastgroup]
