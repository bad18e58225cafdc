"""uvicorn's messages (0.11 to 0.54, as a gunicorn worker) to facts about a worker's start-up."""

from __future__ import annotations

import re

from gtdiag.model import events
from gtdiag.parsing.gunicorn_lines import Fact, Message, Writer


def _fact(event: type[events.Event], pid: str | None = None, **values: str) -> Fact:
    return Fact(event, Writer.WORKER, pid=int(pid) if pid else None, values=dict(values))


def _message(pattern: str, event: type[events.Event], **values: str) -> Message:
    return Message(re.compile(pattern), lambda m: _fact(event, m.groupdict().get("pid"), **values))


MESSAGES: tuple[Message, ...] = (
    _message(r"Started server process \[(?P<pid>\d{1,10})\]", events.WorkerProgressed, step="imported"),
    _message(r"Waiting for application startup\.?", events.WorkerProgressed, step="lifespan"),
    _message(r"Application startup complete\.?", events.WorkerReady),
    _message(
        r"Application startup failed\. Exiting\.?",
        events.WorkerBootFailed,
        reason="Application startup failed. Exiting.",
    ),
    _message(r"Maximum request limit of \d+ exceeded\. Terminating process\.?", events.WorkerRecycled),
)


def parse_uvicorn_message(message: str) -> Fact | None:
    """A uvicorn message to what it says, or None."""
    for wording in MESSAGES:
        match = wording.pattern.fullmatch(message)
        if match is not None:
            return wording.build(match)
    return None
