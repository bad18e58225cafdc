"""What many hosts show together, in the two or three sentences that are pasted into a chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gtdiag.analysis.fleet.causes import least_sure
from gtdiag.analysis.verdict import KIND_WORDS
from gtdiag.analysis.wording import count_of, describe_blocked
from gtdiag.model.report import Confidence, Count, FleetCause, Gap, Incident, IncidentKind

_MAX_CAUSES_TOLD = 2
_MAX_NAMES = 3

_WITHOUT = KIND_WORDS | {
    IncidentKind.WORKER_TIMEOUT: "timed out; the evidence here does not show what they were blocked in",
    IncidentKind.STARTUP_HANG: "hang in their start-up; the evidence here does not show what they are blocked in",
}


def say_cause(cause: FleetCause, example: Incident | None) -> str:
    """One cause in a sentence without its end: "212 of 240 workers on 53 of 60 hosts were blocked in ... since ..."."""
    who = f"{cause.workers} of {count_of(cause.of_workers, 'worker')} on {say_hosts(cause)}"
    since = _say_since(cause)
    blocked = example.blocked if example is not None else None
    if blocked is None:
        reason = ""
        if cause.leading_kind in (IncidentKind.BOOT_FAILURE, IncidentKind.WORKER_CRASH) and example is not None:
            reason = ": " + example.summary.partition(": ")[2].rstrip(".")
        return f"{who} {_WITHOUT[cause.leading_kind]}{reason if reason != ': ' else ''}{since}"
    several = len(cause.peers) > 1 and blocked.waiting_on is not None
    call = describe_blocked(replace(blocked, waiting_on=None) if several else blocked)
    to = f" to {len(cause.peers)} peers" if several else ""
    when = " in start-up" if cause.in_startup == cause.incidents else ""
    return f"{who} were blocked in the same call{when}{since}: {call}{to}"


def say_hosts(cause: FleetCause) -> str:
    """ "web-1", "53 of 60 hosts"."""
    number = len(cause.hosts)
    if number == 1:
        return f"one of {cause.of_hosts} hosts ({cause.hosts[0]})" if cause.of_hosts > 1 else cause.hosts[0]
    return f"{number} of {cause.of_hosts} hosts" if number < cause.of_hosts else f"all {number} hosts"


def _say_since(cause: FleetCause) -> str:
    if cause.first_at is None:
        return ""
    if cause.last_at is None or cause.last_at == cause.first_at:
        return f" at {cause.first_at:%Y-%m-%d %H:%M:%S}"
    return f" since {cause.first_at:%Y-%m-%d %H:%M:%S}"


def say_fleet(
    causes: Sequence[FleetCause], *, hosts: int, workers: int, unread: int, gaps: Sequence[Gap]
) -> tuple[str, Confidence]:
    """The verdict of a fleet's report, and how sure it is."""
    missing = _say_missing(unread)
    if not causes:
        return _say_nothing_found(hosts, workers, unread, gaps)
    sentences = []
    for cause in causes[:_MAX_CAUSES_TOLD]:
        sentences.append(cause.summary[:1].upper() + cause.summary[1:] + ".")
    more = causes[_MAX_CAUSES_TOLD:]
    if more:
        incidents = sum(cause.incidents for cause in more)
        sentences.append(f"{count_of(len(more), 'more cause')} with {count_of(incidents, 'incident')}.")
    clean = hosts - len({host for cause in causes for host in cause.hosts})
    if clean > 0:
        sentences.append(f"{count_of(clean, 'host')} {'shows' if clean == 1 else 'show'} no incident.")
    return " ".join(sentences) + missing, least_sure(cause.confidence for cause in causes[:_MAX_CAUSES_TOLD])


def _say_nothing_found(hosts: int, workers: int, unread: int, gaps: Sequence[Gap]) -> tuple[str, Confidence]:
    words = (
        f"Nothing found: no time-out, hang, kill or failed boot among {count_of(workers, 'worker')} "
        f"on {count_of(hosts, 'host')}"
    )
    blind = sorted({gap.what for gap in gaps})
    if blind:
        words += f". Not everything could be looked at ({', '.join(blind)}): see the gaps"
    return words + "." + _say_missing(unread), Confidence.MEDIUM if blind or unread else Confidence.HIGH


def _say_missing(unread: int) -> str:
    return f" {count_of(unread, 'source')} could not be read." if unread else ""


def say_names(counts: Sequence[Count]) -> str:
    """ "10.0.0.5:5432 (212), 10.0.0.6:5432 (3)"."""
    shown = ", ".join(f"{one.what} ({one.number})" for one in counts[:_MAX_NAMES])
    return shown + (f" and {len(counts) - _MAX_NAMES} more" if len(counts) > _MAX_NAMES else "")
