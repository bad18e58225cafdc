"""Compares what a cell gave with its truth: right, undecided with the reason, wrong, or wrong with high confidence.

A report is graded incident by incident: each must be of the kind, phase, killer, function, category, library and wait
that the truth tells. Saying less ("unknown", a null, low confidence) is undecided; saying something else is wrong.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.scenarios.cells import PRELOAD, Truth, truth_of
from tests.scenarios.run_cell import Observed


class Grade(enum.IntEnum):
    """The worse the higher."""

    RIGHT = 0
    UNDECIDED = 1
    WRONG = 2
    CONFIDENTLY_WRONG = 3


@dataclass(frozen=True)
class Graded:
    """A grade and its reasons (none when right)."""

    grade: Grade
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellGrade:
    """The grades of one cell.

    `in_time`: a blame was taken before each kill (None: nobody was killed for a time-out).
    `replay_differs_in`: where the recording's report is not the watch's (None: it was run before that was looked at).
    """

    live: Graded
    log: Graded
    in_time: bool | None
    replay_differs_in: tuple[str, ...] | None = None


def grade(observed: Observed) -> CellGrade:
    """Grade both reports of a cell."""
    return CellGrade(grade_live(observed), grade_log(observed), _in_time(observed), observed.replay_differs_in)


def grade_live(observed: Observed) -> Graded:
    """The report of the watch."""
    truth = truth_of(observed.cell)
    report = observed.report
    found = list(_patterns(truth, report))
    incidents = report["incidents"]
    if truth.kind is None:
        found += [(Grade.WRONG, f"finds {_say(incident)} where nothing is wrong") for incident in incidents]
        return _worst(found)
    found += list(_missing(observed, truth, incidents))
    for incident in incidents:
        of_first = incident["pid"] in observed.workers or observed.cell.phase == PRELOAD
        for how_bad, reason in _incident(observed, truth, incident):
            # A later generation is judged too, but it need not have lived long enough to be told about.
            if of_first or how_bad is not Grade.UNDECIDED:
                found.append((how_bad, reason))
    return _worst(found, gaps=report["gaps"])


def grade_log(observed: Observed) -> Graded:
    """The report of the saved log alone: what it can show is found, what it cannot is a gap and never a guess."""
    truth = truth_of(observed.cell)
    if truth.kind == "oom_kill":
        # gunicorn's log shows a SIGKILL; that the kernel sent it is in the kernel's log.
        truth = dataclasses.replace(truth, kind="external_kill", killed_by=("unknown",))
    report = observed.log_report
    if report is None:
        # Exit code 3 and a message: there is not one line of gunicorn's (a library's warning, perhaps).
        if not truth.in_log and (not observed.log_text or observed.log_status == 3):
            return Graded(Grade.RIGHT, ("nothing was logged",))
        return Graded(Grade.UNDECIDED, (f"analyze ended with {observed.log_status}",))
    found: list[tuple[Grade, str]] = []
    kinds = [incident["kind"] for incident in report["incidents"]]
    if truth.kind is not None and truth.in_log and truth.kind not in kinds:
        found.append((Grade.WRONG, f"the log shows {truth.kind}, and it was not found"))
    for incident in report["incidents"]:
        if truth.kind is None:
            found.append((Grade.WRONG, f"finds {_say(incident)} where nothing is wrong"))
            continue
        for how_bad, reason in _incident(observed, truth, incident):
            if how_bad is not Grade.UNDECIDED:
                found.append((how_bad, reason))
    graded = _worst(found)
    if graded.grade is Grade.RIGHT and truth.blamed and truth.kind is not None:
        if any(incident["blocked"] for incident in report["incidents"]):
            return Graded(Grade.RIGHT, ("blocked call found",))
        if not report["gaps"]:
            return Graded(Grade.WRONG, ("no blocked call, and no gap says why",))
        return Graded(Grade.RIGHT, ("blocked call is a gap",))
    return graded


def _missing(observed: Observed, truth: Truth, incidents: list[dict[str, Any]]) -> Iterator[tuple[Grade, str]]:
    told = {incident["pid"] for incident in incidents if incident["kind"] == truth.kind}
    if truth.kind == "master_hang":
        if not any(incident["kind"] == "master_hang" for incident in incidents):
            yield Grade.WRONG, "no master_hang"
        return
    expected = set(observed.workers[:1] if observed.cell.kill else observed.workers)
    if observed.cell.phase == "request" and not observed.cell.kill and told:
        # Which worker takes a request is the kernel's choice.
        expected = told
    if silent := expected - told:
        others = sorted({incident["kind"] for incident in incidents if incident["pid"] in silent})
        yield (
            Grade.WRONG,
            f"{len(silent)} of {len(expected)} workers: no {truth.kind}" + (f", but {others}" if others else ""),
        )


def _incident(observed: Observed, truth: Truth, incident: dict[str, Any]) -> Iterator[tuple[Grade, str]]:
    if incident["kind"] != truth.kind and incident["kind"] not in truth.also:
        yield Grade.WRONG, f"finds {_say(incident)}"
        return
    if incident["phase"] != truth.phase:
        yield _lesser(incident["phase"]), f"phase {incident['phase']}, not {truth.phase}"
    if incident["kind"] == truth.kind and incident["killed_by"] not in truth.killed_by:
        unknown = incident["killed_by"] == "unknown"
        yield (
            Grade.UNDECIDED if unknown else Grade.WRONG,
            f"killed by {incident['killed_by']}, not {' or '.join(truth.killed_by)}",
        )
    blocked = incident["blocked"]
    if not truth.blamed:
        return
    if blocked is None:
        yield Grade.UNDECIDED, "no blamed call"
        return
    yield from _blame(observed, blocked)


def _blame(observed: Observed, blocked: dict[str, Any]) -> Iterator[tuple[Grade, str]]:
    cause, server = observed.cell.cause, observed.server
    sure = blocked["confidence"]
    wrong = {"high": Grade.CONFIDENTLY_WRONG, "medium": Grade.WRONG, "low": Grade.UNDECIDED}[sure]
    if sure == "low":
        yield Grade.UNDECIDED, "low confidence"
    if blocked["category"] not in cause.categories:
        # "network": it waits for a socket, and what service that is does not show.
        lesser = blocked["category"] == "unknown" or (blocked["category"] == "network" and "socket" in cause.waits)
        yield (
            Grade.UNDECIDED if lesser else wrong,
            f"category {blocked['category']} ({sure}), not {' or '.join(cause.categories)}",
        )
    call = (blocked["call"] or "").rpartition(".")[2] if blocked["call"] else None
    if not cause.calls:
        if call is not None:
            yield wrong, f"call {blocked['call']} ({sure}), where no application function has a part in it"
    elif call not in cause.calls and blocked["call"] not in cause.calls:
        yield (
            Grade.UNDECIDED if call is None else wrong,
            f"call {blocked['call']} ({sure}), not {' or '.join(cause.calls)}",
        )
    if cause.libraries and blocked["library"] not in cause.libraries:
        lesser = blocked["library"] is None
        yield (
            Grade.UNDECIDED if lesser else wrong,
            f"library {blocked['library']} ({sure}), not {' or '.join(cause.libraries)}",
        )
    if blocked["how"] == "log_traceback":
        return  # the log has no sockets
    waiting = blocked["waiting_on"]
    if waiting is None or waiting["kind"] == "unknown":
        yield Grade.UNDECIDED, "what it waits for is not told"
        return
    if cause.waits and waiting["kind"] not in cause.waits:
        yield wrong, f"waits for {waiting['kind']} ({sure}), not {' or '.join(cause.waits)}"
    if not cause.states or server is None:
        return
    if waiting["peer"] != server.peer:
        lesser = waiting["peer"] is None
        yield Grade.UNDECIDED if lesser else wrong, f"peer {waiting['peer']} ({sure}), not {server.peer}"
    if waiting["state"] not in cause.states:
        lesser = waiting["state"] is None
        yield (
            Grade.UNDECIDED if lesser else wrong,
            f"socket {waiting['state']} ({sure}), not {' or '.join(cause.states)}",
        )


def _patterns(truth: Truth, report: dict[str, Any]) -> Iterator[tuple[Grade, str]]:
    patterns = {pattern["kind"]: pattern for pattern in report["patterns"]}
    for kind in truth.patterns:
        if kind not in patterns:
            yield Grade.WRONG, f"no pattern {kind}"
    forbidden = patterns if truth.kind is None else [kind for kind in truth.forbidden if kind in patterns]
    for kind in forbidden:
        high = patterns[kind]["confidence"] == "high"
        yield Grade.CONFIDENTLY_WRONG if high else Grade.WRONG, f"pattern {kind}"


def _in_time(observed: Observed) -> bool | None:
    truth = truth_of(observed.cell)
    timed_out = [
        incident
        for incident in observed.report["incidents"]
        if incident["kind"] == "worker_timeout" and incident["pid"] in observed.workers
    ]
    if truth.kind != "worker_timeout" or not truth.blamed:
        return None
    return bool(timed_out) and all(
        incident["blocked"] is not None
        and incident["blocked"]["samples"] > 0
        and incident["blocked"]["how"] != "log_traceback"
        for incident in timed_out
    )


def _lesser(value: object) -> Grade:
    return Grade.UNDECIDED if value is None else Grade.WRONG


def _say(incident: dict[str, Any]) -> str:
    blocked = incident["blocked"]
    call = f" in {blocked['call']} ({blocked['category']})" if blocked else ""
    return f"{incident['kind']}, {incident['phase']}, killed by {incident['killed_by']}{call}"


def _worst(found: list[tuple[Grade, str]], gaps: list[dict[str, Any]] | None = None) -> Graded:
    if not found:
        return Graded(Grade.RIGHT)
    worst = max(how_bad for how_bad, _ in found)
    reasons = [reason for how_bad, reason in found if how_bad is worst]
    if worst is Grade.UNDECIDED and gaps:
        reasons += [f"gap: {gap['what']}: {gap['why']}" for gap in gaps]
    return Graded(worst, tuple(dict.fromkeys(reasons)))
