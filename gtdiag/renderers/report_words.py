"""Parts of a report to labelled words that every written format shares: a group of incidents, a pattern, the footer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gtdiag.model.report import (
    Blocked,
    Gap,
    GunicornFacts,
    Incident,
    IncidentKind,
    KernelOomRecord,
    KilledBy,
    Owner,
    Pattern,
    Phase,
    Report,
    Request,
    StackFrame,
    Worker,
    WorkerEnd,
)
from gtdiag.renderers import phrases
from gtdiag.renderers.fleet_section import say_cause_facts, say_cause_title, say_fleet_source, say_versions
from gtdiag.renderers.incident_groups import IncidentGroup
from gtdiag.renderers.layout import cut_start

FRAMES_AFTER_THE_CALL = 3
MAX_APP_FRAMES = 12
MAX_WORKER_ROWS = 40
MAX_GROUPS = 20
MAX_EVIDENCE_LINES = 6
MAX_REQUESTS = 10
"""What a person reads; the JSON has all of it, and each format says how much it leaves out."""

WORKER_COLUMNS = ("PID", "NO", "REPLICA", "PHASE", "END", "BOOTED", "START-UP", "HEARTBEAT", "MEMORY", "BLOCKED IN")

_KINDS_THAT_NAME_THE_PHASE = frozenset({IncidentKind.STARTUP_HANG, IncidentKind.BOOT_FAILURE, IncidentKind.MASTER_HANG})

_KINDS_WITH_A_CALL = frozenset({IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG})
"""Of these it matters what they were blocked in, and who ended them, also where that is not known or nobody."""

_REPLICA_COLUMNS = 28
"""Of a replica's name in the table of workers; its end tells pods apart."""

_SOURCES = {"live": "watched live", "log": "from logs", "recording": "from a recording"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled fact. `code`: the text is a name or a place in code."""

    label: str
    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class GroupContext:
    """Whether a group must say its master, and its dates, to be told from the others."""

    several_masters: bool
    several_replicas: bool
    several_days: bool


def context_of(report: Report) -> GroupContext:
    """Return what all groups of the report have to be told apart by."""
    return GroupContext(
        several_masters=len({incident.master_pid for incident in report.incidents}) > 1,
        several_replicas=has_several_replicas(report),
        several_days=covers_several_days(report),
    )


def has_several_replicas(report: Report) -> bool:
    """Whether the report is about servers that must be told apart by more than their pids."""
    if not report.workers:
        return len({incident.replica for incident in report.incidents}) > 1
    first = report.workers[0].replica
    return any(worker.replica != first for worker in report.workers) or any(
        incident.replica != first for incident in report.incidents
    )


def covers_several_days(report: Report) -> bool:
    """Whether a time of day alone would be ambiguous."""
    start, end = report.period.start, report.period.end
    return start is not None and end is not None and start.date() != end.date()


def say_group_title(group: IncidentGroup) -> str:
    """Return "worker time-out in start-up, 4 times"."""
    first = group.first
    if group.cause is not None:
        return say_cause_title(group.cause)
    title = phrases.INCIDENT_TITLES[first.kind]
    if first.phase is not None and first.kind not in _KINDS_THAT_NAME_THE_PHASE:
        title += f" {phrases.IN_PHASE[first.phase]}"
    if len(group.incidents) > 1:
        title += f", {len(group.incidents)} times"
    return title


def say_who_and_when(group: IncidentGroup, about: GroupContext) -> list[Fact]:
    """Return whom it happened to, when, by whose hand, and in which request."""
    first = group.first
    if group.cause is not None:
        return _filled([Fact(*fact) for fact in say_cause_facts(group.cause, group.hosts, first.pid)])
    pids = phrases.say_numbers(group.pids)
    facts = [Fact("worker" if len(group.pids) == 1 else "workers", f"pid {pids}" if pids else "")]
    if first.master_pid is not None and (about.several_masters or first.kind is IncidentKind.MASTER_HANG):
        facts.append(Fact("master", f"pid {first.master_pid}"))
    if first.replica and about.several_replicas:
        facts.append(Fact("replica", first.replica))
    facts.append(Fact("when", _say_when(group, about.several_days)))
    if first.killed_by is not KilledBy.NONE or first.kind in _KINDS_WITH_A_CALL:
        facts.append(Fact("killed by", phrases.KILLED_BY[first.killed_by]))
    if first.request is not None:
        facts.append(Fact("request", phrases.say_request(first.request)))
    return _filled(facts)


def say_blame(group: IncidentGroup) -> list[Fact]:
    """Return what the workers of the group were blocked in, or what is known where that is not."""
    blames = group.blames
    if not blames:
        first = group.first
        count = len(group.incidents) if group.cause is None else group.cause.incidents
        facts = [Fact("what", first.summary if count == 1 else f"{first.summary} (the first of {count})")]
        if first.kind in _KINDS_WITH_A_CALL:
            facts.append(Fact("blocked in", "not known"))
        return _filled(facts)
    blocked = blames[0]
    waits = dict.fromkeys(phrases.say_waiting(blame.waiting_on) for blame in blames)
    return _filled(
        [
            Fact("blocked in", f"{phrases.say_call_name(blocked)}  [{blocked.category.value}]", code=True),
            Fact("at", phrases.say_place(blocked.file, blocked.line), code=True),
            Fact("path", " > ".join(blocked.path) if len(blocked.path) > 1 else "", code=True),
            Fact("library call", phrases.say_library(blocked) if blocked.call else "", code=True),
            Fact("waiting on", "; ".join(wait for wait in list(waits)[:4] if wait)),
            Fact("traffic", phrases.say_figures(blame.waiting_on for blame in blames)),
            Fact("for", _say_duration(blames)),
            Fact("seen in", phrases.HOW_SEEN[blocked.how]),
            Fact("confidence", phrases.CONFIDENCES[blocked.confidence]),
        ]
    )


def say_memory(incident: Incident) -> str:
    """Return the worker's memory, its limit and its growth; empty where it was not seen."""
    memory = incident.memory
    if memory is None or memory.rss_bytes is None:
        return ""
    text = phrases.say_bytes(memory.rss_bytes)
    if memory.limit_bytes is not None:
        text += f" of a limit of {phrases.say_bytes(memory.limit_bytes)}"
    if memory.growth_bytes_per_s:
        text += f", growing {phrases.say_bytes(memory.growth_bytes_per_s)}/s"
    return text


def shorten_stack(stack: tuple[StackFrame, ...]) -> list[StackFrame | None]:
    """Keep the application's frames, what called them and what they lead to; None stands where frames are left out.

    The outermost frames are gunicorn and the server's main loop: alike in every report.
    """
    kept = frames_to_show(stack)
    shown: list[StackFrame | None] = []
    for i, frame in enumerate(stack):
        if i in kept:
            shown.append(frame)
        elif not shown or shown[-1] is not None:
            shown.append(None)
    return shown


def frames_to_show(stack: tuple[StackFrame, ...]) -> set[int]:
    """Return the positions of the frames that tell the story; `shorten_stack` says which."""
    apps = [i for i, frame in enumerate(stack) if frame.owner is Owner.APP]
    if not apps:
        return set(range(max(0, len(stack) - FRAMES_AFTER_THE_CALL - 1), len(stack)))
    half = MAX_APP_FRAMES // 2
    listed = apps if len(apps) <= MAX_APP_FRAMES else [*apps[:half], *apps[-half:]]
    after = range(apps[-1] + 1, apps[-1] + 1 + FRAMES_AFTER_THE_CALL)
    return {max(0, apps[0] - 1), *listed, *after, len(stack) - 1}


def say_frame_place(frame: StackFrame) -> str:
    """Return where a frame is: the application's files in full, those of libraries below where they are installed."""
    return phrases.say_place(
        frame.file if frame.owner is Owner.APP else phrases.say_installed_file(frame.file), frame.line
    )


def say_stack(stack: tuple[StackFrame, ...], whole_up_to: int = 0) -> list[str]:
    """Return the lines of a stack, ">> " before application code; shortened where it has more frames than given."""
    lines = []
    for frame in stack if len(stack) <= whole_up_to else shorten_stack(stack):
        if frame is None:
            lines.append("   ...")
        else:
            mark = ">>" if frame.owner is Owner.APP else "  "
            lines.append(f"{mark} {frame.function}  {say_frame_place(frame)}".rstrip())
    return lines


def say_pattern_title(pattern: Pattern) -> str:
    """Return "restart loop in web-1 (confidence: high)"."""
    where = f" in {pattern.replica}" if pattern.replica else ""
    return f"{phrases.PATTERN_TITLES[pattern.kind]}{where} (confidence: {phrases.CONFIDENCES[pattern.confidence]})"


def say_pattern_figures(pattern: Pattern) -> str:
    """Return "3 cycles, one every 31.0 s, pids 7, 11, of 4 workers"; empty where the pattern has none."""
    figures = []
    if pattern.cycles is not None:
        figures.append(phrases.say_count(pattern.cycles, "cycle"))
    if pattern.period_s is not None:
        figures.append(f"one every {phrases.say_seconds(pattern.period_s)}")
    if pattern.pids:
        figures.append(f"pids {phrases.say_numbers(pattern.pids)}")
    if pattern.of_workers is not None:
        figures.append(f"of {phrases.say_count(pattern.of_workers, 'worker')}")
    return ", ".join(figures)


def needs_attention(worker: Worker) -> bool:
    """Whether the worker is blocked, or ended in another way than by its own exit."""
    return worker.blocked is not None or worker.end not in (WorkerEnd.RUNNING, WorkerEnd.EXIT)


def workers_to_show(report: Report, limit: int = MAX_WORKER_ROWS) -> tuple[Worker, ...]:
    """Return the workers in their order; of too many, those that need attention first."""
    if len(report.workers) <= limit:
        return report.workers
    return tuple(sorted(report.workers, key=_least_urgent_last))[:limit]


def say_worker(worker: Worker, report: Report) -> tuple[str, ...]:
    """Return the worker's cells under WORKER_COLUMNS."""
    say_booted = phrases.say_day_and_time if covers_several_days(report) else phrases.say_time
    return (
        str(worker.pid),
        str(worker.ordinal),
        cut_start(worker.replica or "", _REPLICA_COLUMNS) if has_several_replicas(report) else "",
        phrases.PHASES[worker.phase] if worker.phase is not Phase.EXITED else "",
        phrases.say_end(worker) if worker.end is not WorkerEnd.RUNNING else "",
        say_booted(worker.booted_at, unknown=""),
        phrases.say_seconds(worker.startup_s, unknown=""),
        phrases.say_heartbeat(worker, report.gunicorn.timeout_s) if worker.ended_at is None else "",
        phrases.say_bytes(worker.rss_bytes, unknown=""),
        phrases.say_call_name(worker.blocked) if worker.blocked else "",
    )


def requests_in_flight(report: Report) -> list[tuple[int, Request]]:
    """Return what the workers that still run are handling, the longest first, each with the worker's pid."""
    running = [worker for worker in report.workers if worker.end is WorkerEnd.RUNNING]
    handled = [(worker.pid, request) for worker in running for request in worker.requests]
    return sorted(handled, key=lambda one: -(one[1].seconds or 0.0))


def say_kernel_kill(record: KernelOomRecord) -> str:
    """Return "15:06:33 pid 7 (as the kernel counts) gunicorn"."""
    pid = f"pid {record.pid} (as the kernel counts)" if record.pid is not None else "pid not known"
    whose = "" if record.worker else ", not one of gunicorn's workers"
    words = (phrases.say_time(record.at, unknown=""), pid, record.process or "")
    return " ".join(word for word in words if word) + whose


def say_gap(gap: Gap) -> str:
    """Return "suspended code: ptrace not permitted"."""
    return f"{gap.what.replace('_', ' ')}: {gap.why}"


def say_footer(report: Report, max_masters: int = 20) -> list[str]:
    """Return what the report is about, line by line: source, period, masters, version of gtdiag."""
    lines = [_say_source(report) if report.fleet is None else say_fleet_source(report.fleet)]
    period = report.period
    if period.start is not None or period.end is not None:
        length = ""
        if period.start is not None and period.end is not None:
            length = f" ({phrases.say_seconds((period.end - period.start).total_seconds())})"
        start, end = phrases.say_date_and_time(period.start), phrases.say_date_and_time(period.end)
        lines.append(f"period: {start} to {end}{length}")
    if report.fleet is not None:
        lines.append(say_versions(report.fleet))
    else:
        lines += [say_master(master) for master in (report.masters or (report.gunicorn,))[:max_masters]]
    return [*lines, f"gtdiag {report.gtdiag_version}"]


def say_master(facts: GunicornFacts) -> str:
    """Return "gunicorn 27.0.1, master pid 1234, sync, 4 workers, timeout 30 s"."""
    parts = [f"gunicorn {facts.version or '(version not known)'}"]
    if facts.master_pid is not None:
        parts.append(f"master pid {facts.master_pid}")
    if facts.stream:
        parts.append(facts.stream)
    if facts.worker_class:
        parts.append(facts.worker_class)
    if facts.workers is not None:
        parts.append(phrases.say_count(facts.workers, "worker"))
    if facts.timeout_s is not None:
        parts.append(f"timeout {facts.timeout_s:g} s")
    if facts.preload:
        parts.append("preload")
    if facts.python:
        parts.append(f"Python {facts.python}")
    return ", ".join(parts)


def _say_source(report: Report) -> str:
    source = report.source
    parts = [f"source: {_SOURCES.get(source.kind, source.kind)}"]
    if source.pid is not None:
        parts.append(f"master pid {source.pid}")
    if source.files:
        parts.append(", ".join(source.files[:8]) + (", ..." if len(source.files) > 8 else ""))
    return ", ".join(parts)


def _say_when(group: IncidentGroup, several_days: bool) -> str:
    times = [incident.at for incident in group.incidents if incident.at is not None]
    if not times:
        return ""
    say = phrases.say_date_and_time if several_days else phrases.say_time
    start, end = say(min(times)), say(max(times))
    text = start if start == end else f"{start} to {end}"
    resolved = [incident.resolved_at for incident in group.incidents if incident.resolved_at is not None]
    if resolved:
        text += f"; went on by itself at {say(max(resolved))}"
    return text


def _say_duration(blames: Iterable[Blocked]) -> str:
    blames = tuple(blames)
    if not any(blame.seconds for blame in blames):
        return "not known: one look cannot tell" if max(blame.samples for blame in blames) <= 1 else ""
    parts = [phrases.say_range((blame.seconds for blame in blames), "seconds")]
    share = phrases.say_range((blame.share for blame in blames), "share")
    if share:
        parts.append(f"{share} of the time it was observed")
    samples = [blame.samples for blame in blames if blame.samples]
    if samples and max(samples) > 1:
        low, high = min(samples), max(samples)
        parts.append(f"{low} samples" if low == high else f"{low} to {high} samples")
    return ", ".join(part for part in parts if part)


def _filled(facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.text]


def _least_urgent_last(worker: Worker) -> tuple[bool, bool]:
    return (worker.blocked is None, not needs_attention(worker))
