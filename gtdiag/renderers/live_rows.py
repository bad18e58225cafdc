"""The state of a watch to the rows of its lists: one for each worker, one for each incident, and which ones match."""

from __future__ import annotations

from collections.abc import Hashable

from gtdiag.model.live_state import Attention, LiveState, LiveWorker
from gtdiag.model.report import Blocked, Incident, Worker, WorkerEnd
from gtdiag.renderers import phrases
from gtdiag.renderers.layout import cut, pad
from gtdiag.renderers.live_lines import Ink, Line, Span, Tone, side_by_side

WIDE_COLUMNS = 120
"""From this width on there is room for the bar of the heartbeat, the phase and the CPU."""
NARROW_COLUMNS = 90
"""Below this width the memory gives way to the call."""
BAR_CELLS = 10
STATE_CELLS = 9
KIND_CELLS = 16

TONES = {
    Attention.KILL: Tone.ALARM,
    Attention.STUCK: Tone.ALARM,
    Attention.DEAD: Tone.WARNING,
    Attention.UNSEEN: Tone.WARNING,
    Attention.STARTING: Tone.BOLD,
    Attention.HEALTHY: Tone.GOOD,
    Attention.ENDED: Tone.DIM,
}

ATTENTION_WORDS = {
    Attention.KILL: "kill 4 s: it has stopped beating, gunicorn kills it in 4 s",
    Attention.STUCK: "stuck: held in one call, and nothing will end that",
    Attention.DEAD: "time-out, SIGKILL, ...: how it died",
    Attention.UNSEEN: "not seen: it runs, its heartbeats cannot be read",
    Attention.STARTING: "start-up: no heartbeat yet, and not late",
    Attention.HEALTHY: "serving: it beats",
    Attention.ENDED: "exit: it left in good order",
}
"""The words under STATE, in the order of the rows."""


def matching_workers(state: LiveState, words: str) -> list[LiveWorker]:
    """The workers that have all of the words in what is known of them."""
    wanted = words.lower().split()
    if not wanted:
        return list(state.workers)
    return [one for one in state.workers if _has(wanted, _worker_words(one))]


def matching_incidents(state: LiveState, words: str) -> list[Incident]:
    """The incidents that have all of the words, the latest first."""
    wanted = words.lower().split()
    return [one for one in reversed(state.incidents) if not wanted or _has(wanted, _incident_words(one))]


def incident_key(incident: Incident) -> Hashable:
    """What tells an incident from others; its id is its place in the order of time, and may move."""
    return (incident.kind, incident.pid, incident.ordinal, incident.at)


def say_state(one: LiveWorker) -> str:
    """The word under STATE."""
    if one.attention is Attention.KILL:
        if one.kill_in_s is None:
            return "kill soon"
        return f"kill {one.kill_in_s:.0f} s" if one.kill_in_s >= 0.5 else "kill due"
    if one.attention is Attention.STUCK:
        return "stuck"
    if one.attention is Attention.UNSEEN:
        return "not seen"
    if one.attention in (Attention.DEAD, Attention.ENDED):
        return _SHORT_ENDS.get(one.worker.end) or phrases.say_end(one.worker)
    return "start-up" if one.attention is Attention.STARTING else "serving"


def worker_header(columns: int, ink: Ink, place: str) -> Line:
    """The names of the columns; `place`: which of the rows are shown, at the right edge."""
    cells = ["  " + "PID".ljust(8), "STATE".ljust(STATE_CELLS + 2), "HEARTBEAT".ljust(_beat_width(columns))]
    if columns >= WIDE_COLUMNS:
        cells += ["PHASE".ljust(9), "CPU".rjust(5) + " "]
    if columns >= NARROW_COLUMNS:
        cells.append("MEMORY".rjust(9) + "  ")
    return ink.line(side_by_side([Span("".join([*cells, "IN"]), Tone.DIM)], place, columns), columns)


def worker_row(one: LiveWorker, timeout_s: float | None, columns: int, ink: Ink, *, selected: bool) -> Line:
    """One worker's row."""
    worker, tone = one.worker, TONES[one.attention]
    rest = Tone.DIM if one.attention in (Attention.DEAD, Attention.ENDED) else Tone.PLAIN
    living = one.attention not in (Attention.DEAD, Attention.ENDED)
    spans = [
        Span(("> " if selected else "  ") + pad(str(worker.pid), 8), Tone.BOLD if living else rest),
        Span(pad(cut(ink.clean(say_state(one)), STATE_CELLS), STATE_CELLS + 2), tone),
        Span(pad(_beat(worker, timeout_s, columns) if living else "", _beat_width(columns)), rest),
    ]
    if columns >= WIDE_COLUMNS:
        cpu = f"{worker.cpu_percent:.0f} %" if worker.cpu_percent is not None and living else ""
        phase = phrases.PHASES[worker.phase] if living else ""
        spans.append(Span(pad(cut(phase, 8), 9) + pad(cpu, 5, right=True) + " ", rest))
    if columns >= NARROW_COLUMNS:
        spans.append(Span(pad(phrases.say_bytes(worker.rss_bytes, unknown=""), 9, right=True) + "  ", rest))
    spans += _occupation(one, rest)
    return ink.line(spans, columns, selected=selected)


def incident_row(incident: Incident, columns: int, ink: Ink, *, selected: bool) -> Line:
    """One incident's row: time, kind, sentence."""
    over = incident.resolved_at is not None
    spans = [
        Span(("> " if selected else "  ") + phrases.say_time(incident.at, unknown="--:--:--") + "  ", Tone.BOLD),
        Span(
            pad(cut(phrases.INCIDENT_TITLES[incident.kind], KIND_CELLS), KIND_CELLS + 2),
            Tone.DIM if over else Tone.ALARM,
        ),
        Span(incident.summary, Tone.DIM if over else Tone.PLAIN),
    ]
    return ink.line(spans, columns, selected=selected)


def _beat_width(columns: int) -> int:
    return BAR_CELLS + 18 if columns >= WIDE_COLUMNS else 15


def _beat(worker: Worker, timeout_s: float | None, columns: int) -> str:
    age_s = worker.heartbeat_age_s
    if age_s is None:
        return "not seen"
    age = f"{age_s:.1f}" if age_s < 100 else f"{age_s:.0f}"
    text = f"{age}/{timeout_s:g}" if timeout_s else f"{age} s"
    if worker.first_heartbeat_seen is False:
        text += " never"
    if columns < WIDE_COLUMNS or not timeout_s:
        return text
    filled = min(BAR_CELLS, int(BAR_CELLS * age_s / timeout_s))
    return "#" * filled + "." * (BAR_CELLS - filled) + " " + text


def _occupation(one: LiveWorker, tone: Tone) -> list[Span]:
    worker = one.worker
    blocked = worker.blocked
    if blocked is not None:
        dead = one.attention in (Attention.DEAD, Attention.ENDED)
        when = f"{phrases.say_time(worker.ended_at)} in " if dead and worker.ended_at else ""
        held = f"{phrases.say_seconds(blocked.seconds)} " if blocked.seconds and not when else ""
        name = Span(phrases.say_call_name(blocked), tone if dead else Tone.APP)
        return [Span(when + held, tone), name, Span(_rest_of_call(blocked), tone)]
    if worker.ended_at is not None:
        return [Span(phrases.say_time(worker.ended_at), tone)]
    if worker.requests or worker.request is not None:
        request = worker.requests[0] if worker.requests else worker.request
        more = f" and {len(worker.requests) - 1} more" if len(worker.requests) > 1 else ""
        return [Span((phrases.say_request(request) if request else "") + more, tone)]
    if one.attention is Attention.STARTING and worker.startup_step:
        return [Span(_STEPS.get(worker.startup_step, worker.startup_step), tone)]
    return []


_SHORT_ENDS = {WorkerEnd.OOM: "OOM kill", WorkerEnd.BOOT_FAILURE: "no boot"}

_STEPS = {"booted": "booted", "imported": "imported the application", "lifespan": "in the lifespan", "ready": "ready"}


def _rest_of_call(blocked: Blocked) -> str:
    waiting = phrases.say_waiting(blocked.waiting_on).removeprefix("socket ")
    if not waiting:
        library = phrases.say_library(blocked) if blocked.call else ""
        waiting = f"in {library}" if library else ""
    return f"  {blocked.category.value} {waiting}".rstrip()


def _has(wanted: list[str], words: str) -> bool:
    words = words.lower()
    return all(word in words for word in wanted)


def _worker_words(one: LiveWorker) -> str:
    worker = one.worker
    words = [str(worker.pid), say_state(one), one.attention.name, phrases.PHASES[worker.phase]]
    words += [phrases.say_request(request) for request in worker.requests]
    return " ".join([*words, _blocked_words(worker.blocked)])


def _incident_words(incident: Incident) -> str:
    words = [phrases.INCIDENT_TITLES[incident.kind], incident.kind.value, phrases.PHASES[incident.phase]]
    return " ".join([*words, str(incident.pid), incident.summary, _blocked_words(incident.blocked)])


def _blocked_words(blocked: Blocked | None) -> str:
    if blocked is None:
        return ""
    words = (blocked.category.value, *blocked.path, phrases.say_call(blocked), phrases.say_waiting(blocked.waiting_on))
    return " ".join([*words, blocked.file or ""])
