"""Workers that gunicorn itself held up, reading a request that did not come, to the clients that kept them waiting."""

from __future__ import annotations

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup, best_blame
from gtdiag.analysis.wording import count_of, seconds_in_words
from gtdiag.model.report import Blocked, Category, IncidentKind, Owner, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold

_WRITERS = ("gunicorn/http/wsgi.py",)  # the response: `send_headers`, `write`, `sendfile`
_WRITES = frozenset({"write", "write_chunk", "write_nonblock", "write_error", "sendall", "sendfile"})


def match_idle_client(group: MasterGroup) -> list[Pattern]:
    """Time-outs, or waits still going on, in gunicorn's own reading of a request: no application code runs there."""
    waiting = [j for j in group.judgements if _reads_a_request(j)]
    if not waiting:
        return []
    clients = {client for j in waiting if (client := _client_of(j)) is not None}
    whose = f" ({', '.join(sorted(clients)[:4])})" if clients else ""
    return [
        Pattern(
            kind=PatternKind.IDLE_CLIENT,
            summary=f"{count_of(len(waiting), 'worker')} waited for a client{whose} that connected and sent no "
            "request; gunicorn was reading, no application code ran",
            confidence=best_blame(waiting).confidence,
            pids=tuple(j.life.pid for j in waiting),
            master_pid=group.master_pid,
            category=Category.NETWORK,
            evidence=tuple(line for j in waiting[:3] if (line := _evidence_of(j)) is not None),
        )
    ]


def _reads_a_request(judgement: Judgement) -> bool:
    blocked = judgement.blocked
    if blocked is None or blocked.call is not None or blocked.library != "gunicorn":
        return False
    if blocked.category is not Category.NETWORK or judgement.resolved_at is not None or _writes(blocked):
        return False
    if judgement.kind is IncidentKind.WORKER_TIMEOUT:
        return True
    # A client may take a moment; one that takes longer than any browser does is worth a word.
    lasting = (blocked.seconds or judgement.life.heartbeat_age_s or 0.0) >= threshold("idle_client_s")
    return judgement.kind is None and not judgement.life.ended and lasting


def _writes(blocked: Blocked) -> bool:
    """Whether gunicorn was sending: a client that does not read its response is another matter."""
    inner = [frame for frame in blocked.stack if frame.owner is Owner.GUNICORN][-2:]
    files = [frame.file.replace("\\", "/") for frame in inner]
    names = [frame.function.rpartition(".")[2] for frame in inner]
    return any(file.endswith(_WRITERS) for file in files) or any(name in _WRITES for name in names)


def _client_of(judgement: Judgement) -> str | None:
    """The address of the only client that is connected to the worker."""
    clients = {c.peer for c in judgement.life.connections if not c.outgoing and c.family != "unix" and c.peer}
    return clients.pop() if len(clients) == 1 else None


def _evidence_of(judgement: Judgement) -> str | None:
    blocked = judgement.blocked
    if blocked is None or not blocked.stack:
        return None
    frame = blocked.stack[-1]
    seconds = f" for {seconds_in_words(blocked.seconds)}" if blocked.seconds else ""
    where = f"{frame.function} at {frame.file}" + (f":{frame.line}" if frame.line else "")
    return f"worker {judgement.life.pid} was in {where}{seconds}, with no frame of the application"
