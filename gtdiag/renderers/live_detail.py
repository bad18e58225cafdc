"""One worker or one incident to the lines that tell all of it: the call, the wait, what to do, the whole stack."""

from __future__ import annotations

from gtdiag.model.live_state import Attention, LiveState, LiveWorker
from gtdiag.model.report import Blocked, Gap, How, Incident, Owner, Remedy, Request, Worker, WorkerEnd
from gtdiag.renderers import phrases
from gtdiag.renderers.live_lines import Ink, Line, Span, Tone
from gtdiag.renderers.live_rows import TONES, say_state
from gtdiag.renderers.report_words import say_frame_place, say_gap, say_memory

LABEL_COLUMNS = 16


def worker_lines(one: LiveWorker, state: LiveState, columns: int, ink: Ink) -> list[Line]:
    """Everything that is known of a worker."""
    writer = _Writer(columns, ink)
    worker = one.worker
    title = f"Worker {worker.pid}, the {_ordinal(worker.ordinal)} of this watch: {say_state(one)}"
    writer.title(title, TONES[one.attention])
    if worker.blocked is not None:
        writer.call(worker.blocked)
    elif worker.end is WorkerEnd.RUNNING and one.attention is not Attention.HEALTHY:
        writer.fact("in", "not known: no look has shown a call that it is held in")
    writer.requests(worker)
    writer.fact("heartbeat", _say_beat(worker, state.timeout_s) if worker.end is WorkerEnd.RUNNING else "")
    writer.fact("course", _say_course(worker))
    writer.fact("memory", _say_worker_memory(worker))
    writer.remedy(one.remedy)
    writer.stack(worker.blocked)
    if worker.blocked is not None:
        writer.evidence(worker.blocked.evidence)
    return writer.lines


def incident_lines(incident: Incident, state: LiveState, columns: int, ink: Ink) -> list[Line]:
    """Everything that is known of an incident."""
    writer = _Writer(columns, ink)
    title = f"{phrases.INCIDENT_TITLES[incident.kind]} at {phrases.say_time(incident.at)}"
    writer.title(title[:1].upper() + title[1:], Tone.ALARM if incident.resolved_at is None else Tone.BOLD)
    writer.text(incident.summary)
    if incident.resolved_at is not None:
        writer.fact("went on", f"by itself at {phrases.say_time(incident.resolved_at)}")
    writer.fact("killed by", phrases.KILLED_BY[incident.killed_by])
    if incident.blocked is not None:
        writer.call(incident.blocked)
    if incident.request is not None:
        writer.fact("request", phrases.say_request(incident.request))
    writer.fact("memory", say_memory(incident))
    remedies = [one.remedy for one in state.workers if (one.worker.pid, one.worker.ordinal) == _whose(incident)]
    writer.remedy(remedies[0] if remedies else None)
    writer.stack(incident.blocked)
    writer.evidence(incident.evidence)
    return writer.lines


def gap_lines(gaps: tuple[Gap, ...], columns: int, ink: Ink) -> list[Line]:
    """What could not be looked at, why, and what would change that."""
    writer = _Writer(columns, ink)
    writer.title("COULD NOT LOOK" if gaps else "Everything that was looked for could be seen.", Tone.BOLD)
    for gap in gaps:
        writer.lines += ink.paragraph(say_gap(gap), columns, label="  -", indent=4)
        if gap.hint:
            writer.lines += ink.paragraph(gap.hint, columns, Tone.BOLD, indent=6)
    return writer.lines


class _Writer:
    """Collects the lines of a text."""

    def __init__(self, columns: int, ink: Ink) -> None:
        self.lines: list[Line] = []
        self._columns = columns
        self._ink = ink

    def title(self, text: str, tone: Tone) -> None:
        self.lines += self._ink.paragraph(text, self._columns, tone)

    def heading(self, text: str) -> None:
        self.lines += [Line(), self._ink.line([Span(text, Tone.BOLD)], self._columns)]

    def text(self, text: str) -> None:
        self.lines += self._ink.paragraph(text, self._columns)

    def fact(self, label: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        if text:
            self.lines += self._ink.paragraph(text, self._columns, tone, label=f"  {label}", indent=LABEL_COLUMNS)

    def call(self, blocked: Blocked) -> None:
        held = f", for {phrases.say_seconds(blocked.seconds)}" if blocked.seconds else ""
        self.fact("in", f"{phrases.say_call_name(blocked)}  [{blocked.category.value}]{held}", Tone.APP)
        self.fact("at", phrases.say_place(blocked.file, blocked.line))
        chain = "await chain" if blocked.how is How.ASYNCIO_TASK else "path"
        self.fact(chain, " > ".join(blocked.path) if len(blocked.path) > 1 else "")
        self.fact("library call", phrases.say_library(blocked) if blocked.call else "")
        self.fact("waiting on", phrases.say_waiting(blocked.waiting_on))
        self.fact("traffic", phrases.say_figures([blocked.waiting_on]))
        looks = phrases.say_count(blocked.samples, "look")
        self.fact("seen in", f"{phrases.HOW_SEEN[blocked.how]} ({looks})")
        self.fact("confidence", phrases.CONFIDENCES[blocked.confidence])

    def requests(self, worker: Worker) -> None:
        requests: tuple[Request, ...] = worker.requests or ((worker.request,) if worker.request is not None else ())
        for number, request in enumerate(requests):
            self.fact("" if number else "request", phrases.say_request(request))

    def remedy(self, remedy: Remedy | None) -> None:
        if remedy is None:
            return
        self.heading("WHAT TO DO")
        self.fact(remedy.id, remedy.title, Tone.BOLD)
        self.fact("", remedy.why)

    def stack(self, blocked: Blocked | None) -> None:
        if blocked is None or not blocked.stack:
            return
        self.heading("STACK, outermost first; >> is application code")
        for frame in blocked.stack:
            app = frame.owner is Owner.APP
            spans = [
                Span("  >> " if app else "     ", Tone.BOLD),
                Span(frame.function, Tone.APP if app else Tone.PLAIN),
                Span(f"  {say_frame_place(frame)}", Tone.PLAIN if app else Tone.DIM),
            ]
            self.lines.append(self._ink.line(spans, self._columns))

    def evidence(self, evidence: tuple[str, ...]) -> None:
        if not evidence:
            return
        self.heading("EVIDENCE")
        for line in evidence:
            self.lines += self._ink.paragraph(line, self._columns, label="  -", indent=4)


def _say_beat(worker: Worker, timeout_s: float | None) -> str:
    if worker.heartbeat_age_s is None:
        return "cannot be read"
    age = phrases.say_seconds(worker.heartbeat_age_s)
    limit = f" (time-out {timeout_s:g} s)" if timeout_s else " (no time-out is set)" if timeout_s == 0 else ""
    if worker.first_heartbeat_seen is False:
        return f"never yet, {age} after it booted{limit}"
    return f"{age} ago{limit}"


def _say_course(worker: Worker) -> str:
    parts = []
    if worker.booted_at is not None:
        parts.append(f"booted {phrases.say_time(worker.booted_at)}")
    if worker.ready_at is not None:
        took = f" after {phrases.say_seconds(worker.startup_s)}" if worker.startup_s is not None else ""
        parts.append(f"ready {phrases.say_time(worker.ready_at)}{took}")
    if worker.ended_at is not None:
        parts.append(f"ended {phrases.say_time(worker.ended_at)}: {phrases.say_end(worker)}")
    return ", ".join(parts)


def _say_worker_memory(worker: Worker) -> str:
    if worker.rss_bytes is None:
        return ""
    text = phrases.say_bytes(worker.rss_bytes)
    if worker.growth_bytes_per_s:
        text += f", {'growing' if worker.growth_bytes_per_s > 0 else 'shrinking'} "
        text += f"{phrases.say_bytes(abs(worker.growth_bytes_per_s))}/s"
    return text if worker.cpu_percent is None else f"{text}; CPU {worker.cpu_percent:.0f} %"


def _whose(incident: Incident) -> tuple[int | None, int | None]:
    return (incident.pid, incident.ordinal)


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
