"""Lines of a traceback, however they arrive, to one joined traceback.

Handles indented and flush-left frames, frames that a platform shuffled above their header or past the next record,
print and access-log lines in between, chained exceptions, tracebacks printed twice, and faulthandler dumps (turned
around, so that the innermost frame is last).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from gtdiag.model.stacks import Frame
from gtdiag.parsing.gunicorn_lines import Header, HeaderKind
from gtdiag.parsing.timestamps import Stamp

_FRAME = re.compile(r'\s*File "(?P<file>[^"]{1,4096})", line (?P<line>\d{1,9})(?:,? in (?P<function>.{1,512}?))?\s*')
_HEAD = re.compile(r"\s*(?:Exception Group )?Traceback \(most recent call last\):\s*")
_DUMP_HEAD = re.compile(
    r"\s*(?P<current>Current thread|Thread) 0x[0-9a-fA-F]+(?: \[[^\]]*\])? \(most recent call first\):\s*"
)
_FATAL = re.compile(r"\s*(?P<text>Fatal Python error: .{1,200}?)\s*")
_CHAIN = re.compile(
    r"\s*(?:During handling of the above exception, another exception occurred|"
    r"The above exception was the direct cause of the following exception):\s*"
)
_CARETS = re.compile(r"[\s~^]+")
_REPEATED = re.compile(r"\s*\[Previous line repeated \d+ more times?\]\s*")
_EXCEPTION = re.compile(r"(?P<name>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?P<message>: .*|:)?", re.DOTALL)
_NOT_EXCEPTIONS = re.compile(r"(?:None|True|False|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|File|Traceback)")
_EXCEPTION_ENDINGS = (
    *("Error", "Exception", "Exit", "Interrupt", "Warning", "Timeout", "Iteration", "Failure", "Refused", "Fault"),
    *("Group", "Abort", "Failed", "Found", "NotExist", "Configured", "HaltServer", "Denied", "Invalid"),
)

_MOST_FRAMES = 1200
_MOST_PARTS = 20
_MOST_TEXT = 2000
_MOST_ORPHANS = 64
ORPHAN_REACH_LINES = 8
"""How far above its header a shuffled frame may stand."""
PATIENCE_LINES = 12
"""How many lines of other kinds a traceback may be interrupted by."""

ABORT_FUNCTION = "handle_abort"
_IDLE_LOOP = ("selectors.py", "asyncio/base_events.py", "uvloop/")


@dataclass(slots=True)
class Part:
    """One exception of a chain: its frames, outermost first, and its last line."""

    frames: list[Frame] = field(default_factory=list)
    exception: str = ""


@dataclass(slots=True)
class JoinedTraceback:
    """A traceback as a whole. `header` is None for one that no gunicorn line announced."""

    line: int
    header: Header | None = None
    pid: int | None = None
    stamp: Stamp | None = None
    title: str = ""
    dump: bool = False
    current_thread: bool = False
    parts: list[Part] = field(default_factory=lambda: [Part()])
    shuffled: bool = False
    mixed: bool = False
    """Frames of two tracebacks that could not be told apart."""
    disordered: bool = False
    """Frames came out of order, and their order was guessed."""
    doubled: bool = False
    last_line: int = 0
    headed: bool = False
    chain_open: bool = False
    adopted: bool = False

    @property
    def complete(self) -> bool:
        """Whether its exception was seen (more may follow: a chain)."""
        return bool(self.parts[-1].exception) and not self.chain_open

    def find_abort(self) -> tuple[Frame, ...] | None:
        """The frames of the interrupted call, where gunicorn's `handle_abort` interrupted it; () where they are cut."""
        for part in reversed(self.parts):
            places = [i for i, frame in enumerate(part.frames) if _is_abort(frame)]
            if places:
                frames = part.frames if self.shuffled else part.frames[: places[-1]]
                return tuple(frame for frame in frames if not _is_abort(frame))
            if not part.frames and part.exception == "SystemExit: 1":
                return ()
        return None


def _is_abort(frame: Frame) -> bool:
    return frame.function == ABORT_FUNCTION and "gunicorn/workers/" in frame.file.replace("\\", "/")


def _calls_hook(frame: Frame) -> bool:
    """Whether this frame of `handle_abort` leads on into the `worker_abort` hook of the configuration."""
    return frame.source is not None and "worker_abort" in frame.source


def is_idle_event_loop(frames: tuple[Frame, ...]) -> bool:
    """Whether the interrupted "call" is an event loop waiting for something to do: not a blocked call."""
    if not frames:
        return False
    last = frames[-1].file.replace("\\", "/")
    return last.endswith(_IDLE_LOOP[0]) and any("asyncio/base_events.py" in f.file.replace("\\", "/") for f in frames)


def begins_traceback_piece(text: str) -> bool:
    """Whether a line is certainly part of some traceback."""
    return bool(_FRAME.fullmatch(text) or _HEAD.fullmatch(text) or _DUMP_HEAD.fullmatch(text) or _CHAIN.fullmatch(text))


def parse_frame(text: str) -> Frame | None:
    """A `File "...", line N, in name` line (also faulthandler's, without the comma) to a frame."""
    return _remembered_frame(text) if len(text) < _REMEMBERED_CHARACTERS else _parse_frame(text)


def _parse_frame(text: str) -> Frame | None:
    match = _FRAME.fullmatch(text)
    if match is None:
        return None
    return Frame(function=match["function"] or "<module>", file=match["file"], line=int(match["line"]))


_REMEMBERED_CHARACTERS = 300
_remembered_frame = functools.lru_cache(maxsize=4096)(_parse_frame)
"""The tracebacks of one application hold the same lines again and again."""


def parse_exception(text: str) -> str | None:
    """A traceback's last line (`module.Error: message`), or None for a line that is none."""
    if text[:1] in (" ", "\t"):
        return None
    match = _EXCEPTION.fullmatch(text.rstrip())
    if match is None or _NOT_EXCEPTIONS.fullmatch(match["name"]):
        return None
    name = match["name"].rpartition(".")[2]
    if match["message"] is None:
        known = name.endswith(_EXCEPTION_ENDINGS) or ("." in match["name"] and name[:1].isupper())
    else:
        known = name.endswith(_EXCEPTION_ENDINGS) or (
            name[:1].isupper() and ("." in match["name"] or not name.isupper())
        )
    return text.rstrip()[:_MOST_TEXT] if known else None


def _is_certain(exception: str) -> bool:
    return exception.partition(":")[0].endswith(_EXCEPTION_ENDINGS)


@functools.lru_cache(maxsize=4096)
def _with_source(frame: Frame, source: str) -> Frame:
    return replace(frame, source=source)


class TracebackJoiner:
    """Joins the traceback lines of one writer (or of one stream, where the lines do not name their writer)."""

    def __init__(self) -> None:
        self._open: JoinedTraceback | None = None
        self._orphans: list[tuple[int, Frame]] = []
        self._trusted = False
        self._source_of: int | None = None
        self._indented = True
        self._fatal: tuple[int, str] | None = None

    @property
    def open(self) -> JoinedTraceback | None:
        """The traceback that is being joined."""
        return self._open

    def skip(self) -> None:
        """Lines were left out: frames that come now may belong to a traceback whose head was not seen."""
        self._orphans.clear()
        self._trusted = False
        self._source_of = None

    def expire(self, line: int) -> JoinedTraceback | None:
        """Close a traceback that nothing was added to for `PATIENCE_LINES` lines."""
        if self._open is not None and line - self._open.last_line > PATIENCE_LINES:
            return self.close()
        return None

    def close(self) -> JoinedTraceback | None:
        """End the open traceback, whatever it holds."""
        closed, self._open = self._open, None
        self._source_of = None
        return closed

    def add_header(self, header: Header, pid: int | None, stamp: Stamp | None, line: int) -> JoinedTraceback | None:
        """A line that announces a traceback; returns the one that ends here."""
        current = self._open
        if (
            current is not None
            and current.header == header
            and current.pid == pid
            and not current.complete
            and (stamp is None or current.stamp is None or abs((stamp.at - current.stamp.at).total_seconds()) <= 1)
        ):
            # A log that holds every line twice.
            current.doubled = True
            current.last_line = line
            return None
        closed = self.close()
        opened = JoinedTraceback(line=line, header=header, pid=pid, stamp=stamp, title=header.text, last_line=line)
        if closed is not None and closed.header is None and not closed.complete and not closed.dump:
            closed = self._adopt_plain(opened, closed)
        elif self._orphans and line - self._orphans[-1][0] <= ORPHAN_REACH_LINES:
            opened.parts[0].frames = [frame for at, frame in self._orphans if line - at <= ORPHAN_REACH_LINES]
            opened.shuffled = True
        self._orphans.clear()
        self._open = opened
        return closed

    def _adopt_plain(self, opened: JoinedTraceback, closed: JoinedTraceback) -> JoinedTraceback | None:
        """A headless traceback cut short right above a header: the header was shuffled below its first lines."""
        if opened.line - closed.line > ORPHAN_REACH_LINES or len(closed.parts) > 1:
            return closed
        opened.parts = closed.parts
        opened.headed = closed.headed
        opened.shuffled = opened.adopted = True
        return None

    def add_record(self, pid: int | None, line: int) -> JoinedTraceback | None:
        """A record of another kind: a traceback whose exception was seen is over."""
        self._trusted = True
        self._source_of = None
        current = self._open
        if current is None:
            return None
        if current.complete or current.dump:
            return self.close()
        if current.header is None and pid is not None and pid == current.pid and current.parts[-1].frames:
            return self.close()
        return self.expire(line)

    def add_line(
        self, text: str, pid: int | None, stamp: Stamp | None, line: int
    ) -> tuple[bool, JoinedTraceback | None]:
        """A line that is no record. Returns whether it was a piece of a traceback, and a traceback that it ended."""
        if (frame := parse_frame(text)) is not None:
            self._indented = text[:1] in (" ", "\t")
            return True, self._add_frame(frame, pid, line)
        if _HEAD.fullmatch(text):
            return True, self._add_head(pid, stamp, line)
        if (dump := _DUMP_HEAD.fullmatch(text)) is not None:
            closed = self.close()
            fatal = self._fatal[1] if self._fatal and line - self._fatal[0] < 400 else text.strip()
            self._open = JoinedTraceback(
                line=line,
                pid=pid,
                stamp=stamp,
                title=fatal,
                dump=True,
                current_thread=dump["current"].startswith("Current"),
                last_line=line,
            )
            return True, closed
        if _CHAIN.fullmatch(text):
            self._trusted = True
            if self._open is not None:
                self._open.chain_open = True
                self._open.last_line = line
            return True, None
        if (fatal_match := _FATAL.fullmatch(text)) is not None:
            self._fatal = (line, fatal_match["text"])
            return True, None
        return self._add_text(text, line)

    def _add_frame(self, frame: Frame, pid: int | None, line: int) -> JoinedTraceback | None:
        current = self._open
        closed = None
        if current is not None and line - current.last_line > PATIENCE_LINES:
            closed, current = self.close(), None
        if current is None:
            if self._trusted:
                self._orphans.append((line, frame))
                del self._orphans[:-_MOST_ORPHANS]
            self._source_of = None
            return closed
        if current.pid is None:
            current.pid = pid
        part = current.parts[-1]
        if part.exception and not _is_certain(part.exception):
            # It was something else that looked like one: a printed line.
            part.exception = ""
        if part.exception and not current.dump:
            # Past its end without a new head: shuffled. It belongs before the call that was interrupted.
            current.shuffled = current.disordered = True
            if len(part.frames) < _MOST_FRAMES:
                part.frames.insert(max(_last_call(part.frames), 0), frame)
            self._source_of = None
        elif len(part.frames) < _MOST_FRAMES:
            if not current.headed and current.header is not None:
                current.shuffled = True
            if part.frames and _is_abort(part.frames[-1]) and not current.doubled and not _calls_hook(part.frames[-1]):
                current.shuffled = current.disordered = True
            part.frames.append(frame)
            self._source_of = line
        current.last_line = line
        return closed

    def _add_head(self, pid: int | None, stamp: Stamp | None, line: int) -> JoinedTraceback | None:
        self._trusted = True
        self._source_of = None
        current = self._open
        if current is not None and line - current.last_line <= PATIENCE_LINES and not current.dump:
            current.last_line = line
            if not current.headed:
                current.headed = True
                return None
            if current.adopted and not current.parts[-1].exception:
                # The header has a head of its own, so what stood above it was another traceback, cut short.
                current.adopted = current.shuffled = False
                current.parts = [Part()]
                return None
            if current.doubled and not current.parts[-1].exception:
                return None
            same_boot = current.header is not None and current.header.kind is HeaderKind.BOOT
            if (current.chain_open or (same_boot and current.complete)) and len(current.parts) < _MOST_PARTS:
                # A chain, or gunicorn up to 19.4, which prints the boot traceback twice.
                current.parts.append(Part())
                current.chain_open = False
                return None
        closed = self.close()
        self._open = JoinedTraceback(line=line, pid=pid, stamp=stamp, headed=True, last_line=line)
        if self._orphans and line - self._orphans[-1][0] <= ORPHAN_REACH_LINES:
            self._open.parts[0].frames = [frame for at, frame in self._orphans if line - at <= ORPHAN_REACH_LINES]
            self._open.shuffled = True
        self._orphans.clear()
        return closed

    def _add_text(self, text: str, line: int) -> tuple[bool, JoinedTraceback | None]:
        current = self._open
        stripped = text.strip()
        if not stripped:
            self._source_of = None
            return False, None
        if _CARETS.fullmatch(text) or _REPEATED.fullmatch(text):
            if current is not None:
                current.last_line = line
            return current is not None, None
        exception = parse_exception(text)
        if current is None:
            if exception is not None:
                # These frames are of a traceback that ended; they were not waiting for a header.
                self._orphans.clear()
                self._trusted = True
            return False, None
        part = current.parts[-1]
        if self._source_of is not None and line <= self._source_of + 1 and part.frames:
            # The line right below a frame is its source. Frames without source (frozen modules, C) have the exception
            # there; where a viewer stripped all indentation, a source line may look like anything.
            self._source_of = None
            ends_here = exception is not None and (self._indented or part.frames[-1].file.startswith("<"))
            if not ends_here:
                part.frames[-1] = _with_source(part.frames[-1], stripped[:200])
                current.last_line = line
                return True, None
        if exception is not None and not current.dump and (part.frames or current.headed):
            if not part.exception:
                part.exception = exception
            current.last_line = line
            return True, None
        return False, None


def _last_call(frames: list[Frame]) -> int:
    places = [i for i, frame in enumerate(frames) if not _is_abort(frame)]
    return places[-1] if places else len(frames)


ROOTS = (
    "gunicorn/workers/sync.py",
    "gunicorn/workers/gthread.py",
    "gunicorn/workers/base_async.py",
    "gunicorn/arbiter.py",
)


def settle(joined: JoinedTraceback) -> JoinedTraceback:
    """A closed traceback made sound: doubled lines undone, gunicorn's own frames first again, mixed ones marked."""
    for part in joined.parts:
        frames = part.frames
        if joined.doubled or _is_doubled(frames):
            frames = _undouble(frames)
        if joined.shuffled:
            frames = [replace(frame, source=None) for frame in frames]
            own = [frame for frame in frames if _root_rank(frame) is not None]
            own.sort(key=lambda frame: _root_rank(frame) or 0)
            frames = [*own, *(frame for frame in frames if _root_rank(frame) is None)]
        if joined.dump:
            frames = frames[::-1]
        part.frames = frames
        if _count_roots(frames) > 1 or sum(map(_is_abort, frames)) > 1:
            joined.mixed = True
    return joined


def _is_doubled(frames: list[Frame]) -> bool:
    """Every line there twice, one after the other, root included: a log with two writers of the same lines."""
    if len(frames) < 4 or len(frames) % 2:
        return False
    keys = [(frame.file, frame.line, frame.function) for frame in frames]
    return keys[::2] == keys[1::2] and _root_rank(frames[0]) is not None


def _undouble(frames: list[Frame]) -> list[Frame]:
    counts = Counter((frame.file, frame.line, frame.function) for frame in frames)
    if any(count % 2 for count in counts.values()):
        kept, seen = [], set()
        for frame in frames:
            key = (frame.file, frame.line, frame.function)
            if key not in seen:
                seen.add(key)
                kept.append(frame)
        return kept
    halves: Counter[tuple[str, int | None, str]] = Counter()
    kept = []
    for frame in frames:
        key = (frame.file, frame.line, frame.function)
        if halves[key] < counts[key] // 2:
            halves[key] += 1
            kept.append(frame)
    return kept


def _root_rank(frame: Frame) -> int | None:
    """The place of gunicorn's outermost frames, which a shuffled traceback must begin with."""
    file = frame.file.replace("\\", "/")
    if file.endswith("gunicorn/arbiter.py") and frame.function == "spawn_worker":
        return 0
    if file.endswith(ROOTS[:3]) and frame.function in ("handle", "handle_request"):
        return 1 if frame.function == "handle" else 2
    return None


def _count_roots(frames: list[Frame]) -> int:
    ranks = [_root_rank(frame) for frame in frames]
    return max(ranks.count(0), ranks.count(1), ranks.count(2))
