"""The lines of one traceback, without the log around it, to the frames of the interrupted worker."""

from __future__ import annotations

from gtdiag.model.events import TracebackLogged
from gtdiag.model.stacks import Frame
from gtdiag.parsing.log_parser import LogParser

_ABOVE = ("[2026-01-01 00:00:00 +0000] [1] [ERROR] Error handling request /",)
_BELOW = ("    sys.exit(1)", "SystemExit: 1")
"""How gunicorn's base worker ends in `handle_abort` (20.1 to 27.0)."""


def parse_lone_traceback(text: str) -> tuple[Frame, ...]:
    """The frames of a traceback from its first line to the one of `handle_abort`; none where it is not one."""
    parser = LogParser("")
    events = []
    for number, line in enumerate((*_ABOVE, *text.splitlines(), *_BELOW), start=1):
        events += parser.feed(line, number)
    events += parser.flush()
    return next((e.frames for e in events if isinstance(e, TracebackLogged) and e.interrupted), ())
