"""gunicorn's messages to facts: every wording from 17 to 27, one entry each in `MESSAGES`.

The wordings and their version ranges were read in gunicorn's sources, 17.5 to 27.0.1.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gtdiag.model import events
from gtdiag.parsing.signal_numbers import parse_signal_number, parse_wait_status


class Writer(enum.Enum):
    """Which process writes a message: its pid is the one in the line's prefix."""

    MASTER = "master"
    WORKER = "worker"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Fact:
    """An event about to be made: its class and what the message says. `pid`: the worker named in the message."""

    event: type[events.Event]
    writer: Writer
    pid: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    master_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One wording: its pattern (the whole message) and what it means."""

    pattern: re.Pattern[str]
    build: Callable[[re.Match[str]], Fact]


def _message(pattern: str, build: Callable[[re.Match[str]], Fact]) -> Message:
    return Message(re.compile(pattern), build)


def _master(event: type[events.Event], **values: Any) -> Fact:
    return Fact(event, Writer.MASTER, values=values)


def _about(event: type[events.Event], match: re.Match[str], **values: Any) -> Fact:
    return Fact(event, Writer.MASTER, pid=int(match["pid"]), values=values)


def _by_worker(event: type[events.Event], match: re.Match[str], **values: Any) -> Fact:
    pid = match.groupdict().get("pid")
    return Fact(event, Writer.WORKER, pid=int(pid) if pid else None, values=values)


def _listening(match: re.Match[str]) -> Fact:
    pid = match["pid"]
    return Fact(
        events.MasterListening,
        Writer.MASTER,
        values={"address": match["address"]},
        master_pid=int(pid) if pid else None,
    )


def _sent_name(match: re.Match[str]) -> Fact:
    return _about(
        events.WorkerSignalled,
        match,
        signal=match["name"],
        wording=match["wording"],
        perhaps_out_of_memory=match["memory"] is not None,
    )


def _sent_code(match: re.Match[str]) -> Fact:
    name, core_dumped = parse_wait_status(int(match["code"]))
    return _about(events.WorkerSignalled, match, signal=name, wording=match["wording"], core_dumped=core_dumped)


def _sent_number(match: re.Match[str]) -> Fact:
    return _about(
        events.WorkerSignalled, match, signal=parse_signal_number(int(match["number"])), wording=match["wording"]
    )


MESSAGES: tuple[Message, ...] = (
    # --- the master ---
    _message(r"Starting gunicorn (?P<version>\d\S*)", lambda m: _master(events.MasterStarted, version=m["version"])),
    _message(r"Listening at: (?P<address>\S.*?)(?: \((?P<pid>\d{1,10})\))?", _listening),
    _message(r"Using worker: (?P<name>\S+)", lambda m: _master(events.WorkerClassAnnounced, worker_class=m["name"])),
    _message(r"Handling signal: (?P<name>[a-z0-9]+)", lambda m: _master(events.MasterSignalled, signal=m["name"])),
    _message(r"Shutting down: Master", lambda m: _master(events.MasterShutDown)),
    _message(
        r"Reason: (?P<reason>Worker failed to boot\.|App failed to load\.)",
        lambda m: _master(events.MasterHalted, reason=m["reason"], exit_code=3 if "boot" in m["reason"] else 4),
    ),
    # up to 23.0, when the reap happens inside the SIGCHLD handler: the end of a traceback on stderr
    _message(
        r"(?:gunicorn\.errors\.)?HaltServer: <HaltServer '(?P<reason>[^']*)' (?P<code>\d{1,3})>",
        lambda m: Fact(events.MasterHalted, Writer.STDERR, values={"reason": m["reason"], "exit_code": int(m["code"])}),
    ),
    # --- a worker's death, told by the master ---
    _message(r"WORKER TIMEOUT \(pid:(?P<pid>\d{1,10})\)", lambda m: _about(events.WorkerTimedOut, m)),
    # 20.1.0 only
    _message(
        r"Worker with pid (?P<pid>\d{1,10}) (?P<wording>was terminated due to signal (?P<number>\d{1,3}))", _sent_number
    ),
    # 21.0 and later; 21.0 to 23.0 say it twice, once with a full stop
    _message(
        r"Worker \(pid:(?P<pid>\d{1,10})\) exited with code (?P<code>-?\d{1,10})\.?",
        lambda m: _about(events.WorkerExited, m, code=int(m["code"])),
    ),
    # 21.0 and later
    _message(
        r"Worker \(pid:(?P<pid>\d{1,10})\) (?P<wording>was sent (?P<name>SIG[A-Z0-9+-]+)!"
        r"(?P<memory> Perhaps out of memory\?)?)",
        _sent_name,
    ),
    # 21.0 to 23.0: the raw wait status
    _message(r"Worker \(pid:(?P<pid>\d{1,10})\) (?P<wording>was sent code (?P<code>\d{1,3})!)", _sent_code),
    # 24.0 and later: a number without a name
    _message(r"Worker \(pid:(?P<pid>\d{1,10})\) (?P<wording>was sent signal (?P<number>\d{1,3})!)", _sent_number),
    # --- a worker about itself ---
    _message(r"Booting worker with pid: (?P<pid>\d{1,10})", lambda m: _by_worker(events.WorkerBooted, m)),
    _message(r"Worker exiting \(pid: (?P<pid>\d{1,10})\)", lambda m: _by_worker(events.WorkerExiting, m)),
    _message(r"Autorestarting worker after current request\.", lambda m: _by_worker(events.WorkerRecycled, m)),
    _message(
        r"Worker graceful timeout \(pid:(?P<pid>\d{1,10})\)", lambda m: _by_worker(events.WorkerGracefulTimeout, m)
    ),
    # gunicorn's own asgi worker, 24.0 and later
    _message(r"ASGI server listening on .+", lambda m: _by_worker(events.WorkerReady, m)),
    _message(
        r"(?P<reason>ASGI lifespan startup failed: .*)",
        lambda m: _by_worker(events.WorkerBootFailed, m, reason=m["reason"]),
    ),
)


class HeaderKind(enum.Enum):
    """What the traceback below a header line is about."""

    REQUEST = "request"
    BOOT = "boot"
    LIFESPAN = "lifespan"
    MAIN_LOOP = "main loop"


@dataclass(frozen=True, slots=True)
class Header:
    """A line that announces a traceback."""

    kind: HeaderKind
    text: str
    method: str | None = None
    path: str | None = None
    no_uri_read: bool = False


_HEADERS = re.compile(
    r"(?P<request>Error handling request(?: (?P<what>\S.*))?)"
    r"|(?P<boot>Exception in worker process:?)"
    r"|(?P<lifespan>Exception in 'lifespan' protocol)"
    r"|(?P<main>Unhandled exception in main loop:?)",
)
HEADER_PATTERNS = (_HEADERS,)
_METHOD = re.compile(r"(?P<method>[A-Z]{3,10}) (?P<uri>\S.*)")

LOADING_ERROR = re.compile(
    r"(?P<reason>Application object must be callable\."
    r"|Failed to find attribute '[^']*' in '[^']*'\.?"
    r"|Failed to parse '.*' as an attribute name or function call\.)"
)
"""What gunicorn prints, bare on stderr, before a worker exits with code 4; the traceback is logged at DEBUG only."""


def parse_header(message: str) -> Header | None:
    """A message that announces a traceback; the request in it where gunicorn names one (19.4 and later)."""
    match = _HEADERS.fullmatch(message)
    if match is None:
        return None
    text = match.group().rstrip(":")
    if match["boot"]:
        return Header(HeaderKind.BOOT, text)
    if match["lifespan"]:
        return Header(HeaderKind.LIFESPAN, text)
    if match["main"]:
        return Header(HeaderKind.MAIN_LOOP, text)
    what = match["what"]
    if what is None:
        return Header(HeaderKind.REQUEST, text)
    if what == "(no URI read)":
        return Header(HeaderKind.REQUEST, text, no_uri_read=True)
    method = None
    if (with_method := _METHOD.fullmatch(what)) is not None:
        method, what = with_method["method"], with_method["uri"]
    return Header(HeaderKind.REQUEST, text, method=method, path=what.partition("?")[0])


def parse_gunicorn_message(message: str) -> Fact | None:
    """A gunicorn message to what it says, or None."""
    likely = _LIKELY.get(message[:_LIKELY_CHARACTERS])
    if likely is not None and (match := likely.pattern.fullmatch(message)) is not None:
        return likely.build(match)
    for wording in MESSAGES:
        match = wording.pattern.fullmatch(message)
        if match is not None:
            if len(_LIKELY) < len(MESSAGES):
                _LIKELY[message[:_LIKELY_CHARACTERS]] = wording
            return wording.build(match)
    return None


_LIKELY_CHARACTERS = 12
_LIKELY: dict[str, Message] = {}
"""By how a message begins, the wording that fitted one like it: tried first, the others only where it does not fit."""
