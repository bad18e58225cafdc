"""An event to one plain line for a person who follows a watch; samples and small steps have none."""

from __future__ import annotations

from gtdiag.model.events import (
    CollectionGap,
    Event,
    HealthSample,
    KernelOomKilled,
    MasterGone,
    MasterHalted,
    MasterSettings,
    MasterShutDown,
    MasterSignalled,
    MasterStarted,
    ObservationEnded,
    ObservationStarted,
    TracebackLogged,
    WorkerBooted,
    WorkerBootFailed,
    WorkerExited,
    WorkerGracefulTimeout,
    WorkerProgressed,
    WorkerReady,
    WorkerRecycled,
    WorkersCounted,
    WorkerSignalled,
    WorkerTimedOut,
)
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Worker
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.redaction import redact_text

_STEPS = {"imported": "has imported the application", "lifespan": "runs the application's lifespan start-up"}

_ENDINGS = {
    "end": "",
    "interrupted": " (interrupted)",
    "master_gone": " (the master is gone)",
    "until_incident": " (--until-incident)",
    "for": " (--for)",
}


def render_event_line(event: Event, *, ascii: bool = False, redact: bool = True) -> str | None:
    """Return "15:06:33 worker 7 timed out", escaped and redacted; None for an event that is not worth a line."""
    words = _describe(event)
    if words is None:
        return None
    if redact:
        words = redact_text(words)
    return escape_text(f"{phrases.say_time(event.at, unknown='--:--:--')} {words}", ascii_only=ascii)


def render_blocked_line(worker: Worker, at: str, *, ascii: bool = False, redact: bool = True) -> str:
    """Return the line that says what a worker is blocked in; `at` is the time of day it became known."""
    blocked = worker.blocked
    assert blocked is not None, "only for a worker that is blocked"
    words = f"worker {worker.pid} is blocked in {phrases.say_call(blocked)}"
    place = phrases.say_place(blocked.file, blocked.line)
    if place:
        words += f" at {place}"
    waiting = phrases.say_waiting(blocked.waiting_on)
    if waiting:
        words += f", waiting on {waiting}"
    if blocked.seconds:
        words += f", for {phrases.say_seconds(blocked.seconds)}"
    if redact:
        words = redact_text(words)
    return escape_text(f"{at} {words}", ascii_only=ascii)


def render_incident_line(notice: IncidentNotice, *, ascii: bool = False, redact: bool = True) -> str:
    """Return the line that tells of an incident: "15:06:37 INCIDENT worker_timeout: worker 7 timed out ...".

    The time is that at which it became known.
    """
    incident = notice.incident
    words = f"INCIDENT {incident.kind.value}"
    if incident.resolved_at is not None:
        words += ", over"
    elif notice.revision > 1:
        words += ", known better"
    words += f": {incident.summary}"
    if incident.resolved_at is not None:
        words += f"; it went on by itself at {phrases.say_time(incident.resolved_at)}"
    if incident.blocked is not None:
        words += f"; confidence {incident.blocked.confidence.value}"
    if redact:
        words = redact_text(words)
    return escape_text(f"{phrases.say_time(notice.at, unknown='--:--:--')} {words}", ascii_only=ascii)


def _describe(event: Event) -> str | None:
    worker = f"worker {event.worker.pid}" if event.worker is not None else "a worker"
    if isinstance(event, CollectionGap):
        whose = f" of worker {event.worker.pid}" if event.worker is not None else ""
        hint = f" (hint: {event.hint})" if event.hint else ""
        return f"cannot see the {event.what.replace('_', ' ')}{whose}: {event.why}{hint}"
    if isinstance(event, WorkerTimedOut):
        return f"{worker} TIMED OUT: gunicorn saw no heartbeat and aborts it"
    if isinstance(event, WorkerSignalled):
        return f"{worker} died of {event.signal}" + (", core dumped" if event.core_dumped else "")
    if isinstance(event, WorkerExited):
        return f"{worker} exited" + (f" with code {event.code}" if event.code is not None else "")
    if isinstance(event, WorkerBootFailed):
        return f"{worker} could not start: {event.reason}"
    if isinstance(event, TracebackLogged):
        if not event.interrupted or not event.frames:
            return None
        last = event.frames[-1]
        return f"{worker}: its traceback was logged, interrupted in {last.function} at {last.file}:{last.line}"
    if isinstance(event, HealthSample):
        return _describe_health(event) if event.changed else None
    if isinstance(event, KernelOomKilled):
        whom = f"{event.process or 'a process'}" + (f" (pid {event.pid})" if event.pid is not None else "")
        return f"the kernel killed {whom}, out of memory"
    return _describe_course(event, worker)


def _describe_course(event: Event, worker: str) -> str | None:
    if isinstance(event, WorkerBooted):
        return f"{worker} booted"
    if isinstance(event, WorkerProgressed):
        return f"{worker} {_STEPS.get(event.step, event.step)}"
    if isinstance(event, WorkerReady):
        return f"{worker} is ready"
    if isinstance(event, WorkerRecycled):
        return f"{worker} is recycled (max_requests)"
    if isinstance(event, WorkersCounted):
        return (
            f"{event.workers:,} workers had trouble until then, {event.timed_out:,} timed out; they were only counted"
        )
    if isinstance(event, WorkerGracefulTimeout):
        return f"{worker} did not stop within the graceful time-out"
    if isinstance(event, MasterStarted):
        return f"gunicorn {event.version} starts"
    if isinstance(event, MasterSettings):
        return _describe_settings(event)
    if isinstance(event, MasterSignalled):
        return f"the master handles signal {event.signal}"
    if isinstance(event, MasterShutDown):
        return "the master shuts down" + (f": {event.reason}" if event.reason else "")
    if isinstance(event, MasterHalted):
        return f"the master halts: {event.reason}"
    if isinstance(event, MasterGone):
        return "the master is gone"
    if isinstance(event, ObservationStarted):
        what = f"master {event.pid}" if event.pid is not None else ", ".join(event.files)
        return f"watching {what}" if event.kind == "live" else f"reading {what}"
    if isinstance(event, ObservationEnded):
        return f"end of the observation{_ENDINGS.get(event.reason, f' ({event.reason})')}"
    return None


def _describe_health(event: HealthSample) -> str:
    if event.status is not None and event.status < 400:
        return f"{event.url} answers: status {event.status} in {event.latency_s * 1000:.0f} ms"
    return f"{event.url} does not answer: {event.error or f'status {event.status}'}"


def _describe_settings(event: MasterSettings) -> str:
    parts = [f"gunicorn {event.version or '(version not known)'}"]
    if event.worker_class:
        parts.append(event.worker_class)
    if event.workers is not None:
        parts.append(phrases.say_count(event.workers, "worker"))
    if event.timeout_s is not None:
        parts.append(f"timeout {event.timeout_s:g} s")
    if event.preload:
        parts.append("preload")
    if event.python:
        parts.append(f"Python {event.python}")
    return ", ".join(parts)
