"""The report of one source to a partial analysis: small whatever the source holds, and ready to be merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gtdiag import __version__
from gtdiag.analysis.concurrency import most_at_once
from gtdiag.analysis.fleet.causes import draw_cause, group_by_cause, lives_of, order_of_key, workers_hit
from gtdiag.model.partial import Example, Partial, SourcePart
from gtdiag.model.report import GunicornFacts, Report

MAX_CAUSES_OF_A_SOURCE = 100
"""More are not told apart: a log can name a new call in each line."""
MAX_EXAMPLES_OF_A_SOURCE = 3
MAX_PATTERNS_OF_A_SOURCE = 50
MAX_GAPS_OF_A_SOURCE = 20


def draw_partial(report: Report, *, key: str, host: str, deployment: str | None = None) -> Partial:
    """What the report of one source adds to a fleet's. `key` tells the source from all others, `host` names it.

    Replicas that one file tells apart (`docker compose logs`) are hosts of their own, as pids are theirs.
    """
    replicas = sorted(
        {worker.replica or "" for worker in report.workers}
        | {incident.replica or "" for incident in report.incidents}
        | {master.stream for master in report.masters}
    )
    if len(replicas) <= 1:
        return _draw_one(report, key, host, deployment)
    parts = [
        _draw_one(_only(report, name), f"{key}#{name}", f"{host}/{name}" if name else host, deployment)
        for name in replicas
    ]
    return Partial(
        __version__,
        tuple(part for partial in parts for part in partial.parts),
        tuple(example for partial in parts for example in partial.examples),
    )


def draw_unread(files: Sequence[str], why: str, *, key: str, host: str) -> Partial:
    """What a source adds that could not be read: that it is there, and why it is not in the figures."""
    return Partial(__version__, (SourcePart(key, "log", tuple(files), host, problem=why),))


def _only(report: Report, replica: str) -> Report:
    """The report as if it were of one replica of it."""
    masters = tuple(master for master in report.masters if master.stream == replica)
    return replace(
        report,
        gunicorn=masters[-1] if masters else GunicornFacts(),
        workers=tuple(worker for worker in report.workers if (worker.replica or "") == replica),
        incidents=tuple(incident for incident in report.incidents if (incident.replica or "") == replica),
        patterns=tuple(pattern for pattern in report.patterns if (pattern.replica or "") == replica),
        masters=masters,
    )


def _draw_one(report: Report, key: str, host: str, deployment: str | None) -> Partial:
    groups = group_by_cause(report.incidents)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), order_of_key(item[0])))[:MAX_CAUSES_OF_A_SOURCE]
    lives = lives_of(report)
    causes = tuple(draw_cause(cause, incidents, lives) for cause, incidents in ranked)
    part = SourcePart(
        key=key,
        kind=report.source.kind,
        files=report.source.files,
        host=host,
        deployment=deployment,
        gunicorn=report.gunicorn,
        period=report.period,
        workers=max(_workers_of(report, most_at_once(lives.values())), workers_hit(report.incidents, lives)),
        lives=len(report.workers),
        incidents=len(report.incidents),
        affected_workers=workers_hit(report.incidents, lives),
        master_pids=tuple(sorted({m.master_pid for m in report.masters if m.master_pid is not None})),
        causes=causes,
        patterns=report.patterns[:MAX_PATTERNS_OF_A_SOURCE],
        gaps=report.gaps[:MAX_GAPS_OF_A_SOURCE],
    )
    examples = tuple(
        Example(cause, rank, key, incident)
        for cause, incidents in ranked
        for rank, incident in enumerate(incidents[:MAX_EXAMPLES_OF_A_SOURCE])
    )
    return Partial(__version__, (part,), examples)


def _workers_of(report: Report, at_once: int) -> int:
    """The setting where one master with a known one is all there is, else what was seen."""
    known = report.gunicorn.workers
    return known if known and len(report.masters) <= 1 else at_once
