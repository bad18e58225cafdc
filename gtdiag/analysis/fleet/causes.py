"""An incident to the cause it has in common with incidents of other hosts, and a host's incidents to their causes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gtdiag.analysis.concurrency import Life, most_at_once
from gtdiag.analysis.wording import name_call
from gtdiag.model.partial import CauseKey, CausePart
from gtdiag.model.report import Confidence, Count, GunicornFacts, Incident, Phase, Report, Worker

_NUMBER = re.compile(r"(?<!code )\b\d+(?:\.\d+)?\b")
"""Pids and ages differ from host to host; the code that a worker exited with is the cause."""
_MAX_WORDS = 300
_MAX_PEERS = 10
_MOMENT = timedelta(microseconds=1)
_ORDER = list(Confidence)


def key_of(incident: Incident) -> CauseKey:
    """What an incident has in common with those of the same cause on other hosts."""
    blocked = incident.blocked
    if blocked is None:
        return CauseKey(kind=incident.kind.value, words=_NUMBER.sub("N", incident.summary)[:_MAX_WORDS])
    return CauseKey(category=blocked.category.value, call=name_call(blocked), library=blocked.library)


def order_of_key(key: CauseKey) -> tuple[str, ...]:
    """What causes are sorted by where nothing else tells them apart."""
    return tuple(part or "" for part in (key.category, key.call, key.library, key.kind, key.words))


def order_of_time(at: datetime | None) -> tuple[bool, float, str]:
    """What moments are sorted by: the instant, then how it is written; unknown ones last."""
    return (True, 0.0, "") if at is None else (False, at.timestamp(), at.isoformat())


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The first moment that is known."""
    return min((at for at in moments if at is not None), key=order_of_time, default=None)


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The last moment that is known."""
    return max((at for at in moments if at is not None), key=order_of_time, default=None)


def least_sure(confidences: Iterable[Confidence]) -> Confidence:
    """The lowest confidence."""
    return max(confidences, key=_ORDER.index, default=Confidence.HIGH)


def add_counts(counts: Iterable[Count]) -> tuple[Count, ...]:
    """The counts added up, the largest first."""
    total: Counter[str] = Counter()
    for count in counts:
        total[count.what] += count.number
    return tuple(Count(what, number) for what, number in sorted(total.items(), key=lambda item: (-item[1], item[0])))


def group_by_cause(incidents: Iterable[Incident]) -> dict[CauseKey, list[Incident]]:
    """A source's incidents by their cause, each list in the order of time."""
    groups: dict[CauseKey, list[Incident]] = {}
    for incident in incidents:
        groups.setdefault(key_of(incident), []).append(incident)
    for members in groups.values():
        members.sort(key=lambda incident: (order_of_time(incident.at), incident.pid or 0, incident.id))
    return groups


def draw_cause(key: CauseKey, incidents: Sequence[Incident], lives: dict[tuple[int | None, ...], Life]) -> CausePart:
    """What a source shows of one cause. `lives`: when each of its workers lived."""
    blames = [incident.blocked for incident in incidents if incident.blocked is not None]
    peers = [blocked.waiting_on.peer for blocked in blames if blocked.waiting_on and blocked.waiting_on.peer]
    return CausePart(
        key=key,
        incidents=len(incidents),
        workers=workers_hit(incidents, lives),
        kinds=add_counts(Count(incident.kind.value, 1) for incident in incidents),
        confidence=least_sure(blocked.confidence for blocked in blames) if blames else Confidence.MEDIUM,
        first_at=earliest(incident.at for incident in incidents),
        last_at=latest(incident.at for incident in incidents),
        in_startup=sum(1 for incident in incidents if incident.phase is Phase.STARTUP),
        resolved=sum(1 for incident in incidents if incident.resolved_at is not None),
        longest_s=max((blocked.seconds for blocked in blames if blocked.seconds is not None), default=None),
        peers=add_counts(Count(peer, 1) for peer in peers)[:_MAX_PEERS],
    )


def workers_hit(incidents: Sequence[Incident], lives: dict[tuple[int | None, ...], Life]) -> int:
    """How many different workers the incidents befell at least; one that replaces another counts as the same."""
    return most_at_once({_worker_key(incident): _life_of(incident, lives) for incident in incidents}.values())


def lives_of(report: Report) -> dict[tuple[int | None, ...], Life]:
    """When each worker of a report lived; one whose end is not known lived no longer than its master."""
    return {
        (worker.pid, worker.ordinal, worker.master_pid): _at_least_a_moment(
            worker.booted_at, _end_of(worker, report.masters)
        )
        for worker in report.workers
    }


def _end_of(worker: Worker, masters: Sequence[GunicornFacts]) -> datetime | None:
    if worker.ended_at is not None:
        return worker.ended_at
    # In a container every master has the same pid: it is the last one that had started when the worker booted.
    own = [
        master
        for master in masters
        if master.master_pid == worker.master_pid
        and (master.started_at is None or worker.booted_at is None or master.started_at <= worker.booted_at)
    ]
    return own[-1].ended_at if own else None


def _worker_key(incident: Incident) -> tuple[int | None, ...]:
    return (incident.pid, incident.ordinal, incident.master_pid)


def _life_of(incident: Incident, lives: dict[tuple[int | None, ...], Life]) -> Life:
    """The life of an incident's worker; of one that no line but the incident's tells of, that moment."""
    return lives.get(_worker_key(incident), _at_least_a_moment(incident.at, incident.at))


def _at_least_a_moment(begin: datetime | None, end: datetime | None) -> Life:
    """Workers that boot and fail within one second of a log were there together, for all that it shows."""
    if begin is not None and end is not None and end <= begin:
        return begin, begin + _MOMENT
    return begin, end
