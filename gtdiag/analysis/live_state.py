"""A report and the events that led to it to the state of this moment: who needs attention first, and what matters."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta

from gtdiag.analysis.live_attention import in_startup, judge_attention, kill_moment
from gtdiag.analysis.live_headline import draw_headline
from gtdiag.analysis.verdict import remedies_for_call
from gtdiag.model.events import Event, HeartbeatSample, ObservationStarted, WorkerExited
from gtdiag.model.live_state import Attention, LiveLog, LiveState, LiveWorker
from gtdiag.model.report import GunicornFacts, IncidentKind, Remedy, Report, Worker, WorkerEnd
from gtdiag.rules.rule_set import RuleSet, read_rule_set
from gtdiag.rules.thresholds import threshold

_REMEMBERED_REMEDIES = 256


class LiveTracker:
    """Takes every event of a watch, and draws the state of the moment from each report on them.

    It remembers the moments that rows are sorted by, so that rows do not change places for a millisecond.
    """

    def __init__(self, rules: RuleSet | None = None) -> None:
        self._rules = rules
        self._started_at: datetime | None = None
        self._now: datetime | None = None
        self._beats: dict[int, datetime] = {}
        self._last_line_at: datetime | None = None
        self._lag_s: float | None = None
        self._remedies: dict[Hashable, Remedy | None] = {}

    def add(self, event: Event) -> None:
        """Take notice of an event."""
        at = event.at
        if at is None:
            return
        if event.origin.source == "log":
            self._take_line(at)
            return
        self._now = at if self._now is None else max(self._now, at)
        if isinstance(event, ObservationStarted):
            self._started_at = at
        elif isinstance(event, HeartbeatSample) and event.worker is not None:
            self._take_beat(event.worker.pid, at - timedelta(seconds=event.age_s))
        elif isinstance(event, WorkerExited) and event.worker is not None:
            self._beats.pop(event.worker.pid, None)

    def draw(self, report: Report) -> LiveState:
        """The state of the moment."""
        facts, now = report.gunicorn, self._now or report.period.end
        masters = {master.master_pid: master for master in report.masters}
        judged = [self._judge(worker, masters.get(worker.master_pid, facts), report, now) for worker in report.workers]
        judged.sort(key=self._order)
        workers, earlier_ends = _without_old_ends(judged, facts)
        headline, severity = draw_headline(workers, report, settled=self._settled(now))
        running = [worker for worker in report.workers if worker.end is WorkerEnd.RUNNING]
        return LiveState(
            at=now,
            headline=headline,
            severity=severity,
            verdict=report.verdict.summary if report.incidents or report.patterns or not running else None,
            workers=tuple(workers),
            incidents=report.incidents,
            gaps=report.gaps,
            master_pid=facts.master_pid,
            version=facts.version,
            worker_class=facts.worker_class,
            timeout_s=facts.timeout_s,
            ready=sum(not in_startup(worker) and worker.first_heartbeat_seen is not False for worker in running),
            running=len(running),
            expected=facts.workers,
            earlier_ends=earlier_ends,
            log=LiveLog(report.source.files, self._last_line_at, self._lag_s),
            health=report.health,
        )

    def _settled(self, now: datetime | None) -> bool:
        if now is None or self._started_at is None:
            return True
        return (now - self._started_at).total_seconds() >= threshold("live_settled_s")

    def _take_line(self, at: datetime) -> None:
        """The stamp of a line, and how late it came; the lines of before the watch are not late."""
        if self._started_at is None or self._now is None or at < self._started_at:
            return
        self._last_line_at = at
        self._lag_s = max(0.0, (self._now - at).total_seconds())

    def _take_beat(self, pid: int, beat_at: datetime) -> None:
        known = self._beats.get(pid)
        if known is None or abs((beat_at - known).total_seconds()) > threshold("live_same_deadline_s"):
            self._beats[pid] = beat_at

    def _judge(self, worker: Worker, facts: GunicornFacts, report: Report, now: datetime | None) -> LiveWorker:
        attention = judge_attention(worker, facts)
        kill_in_s = None
        if attention is Attention.KILL and now is not None:
            moment = kill_moment(self._beats.get(worker.pid), worker, facts)
            if moment is not None:
                kill_in_s = round((moment - now).total_seconds(), 1)
            elif facts.timeout_s and worker.heartbeat_age_s is not None:
                kill_in_s = round(facts.timeout_s - worker.heartbeat_age_s, 1)
        remedy = self._remedy(worker, attention, facts, report) if worker.blocked is not None else None
        return LiveWorker(worker, attention, kill_in_s, remedy)

    def _order(self, one: LiveWorker) -> tuple[float, float, int]:
        """Most urgent first; within one kind of attention by a moment that does not move while nothing happens."""
        worker, attention = one.worker, one.attention
        moment: datetime | None = None
        if attention in (Attention.KILL, Attention.STUCK):
            moment = self._beats.get(worker.pid, worker.booted_at)
        elif attention in (Attention.UNSEEN, Attention.STARTING):
            moment = worker.booted_at
        since = moment.timestamp() if moment is not None else 0.0
        if attention in (Attention.DEAD, Attention.ENDED) and worker.ended_at is not None:
            since = -worker.ended_at.timestamp()
        return (attention, since, worker.ordinal)

    def _remedy(self, worker: Worker, attention: Attention, facts: GunicornFacts, report: Report) -> Remedy | None:
        blocked = worker.blocked
        assert blocked is not None, "a remedy is about a call"
        # What it will be called if it goes on like this.
        silent = attention is Attention.STUCK and in_startup(worker)
        kind = IncidentKind.STARTUP_HANG if silent else IncidentKind.WORKER_TIMEOUT
        patterns = frozenset(pattern.kind.value for pattern in report.patterns if worker.pid in pattern.pids)
        peer = blocked.waiting_on.peer if blocked.waiting_on is not None else None
        key = (kind, patterns, blocked.category, blocked.call, blocked.library, blocked.rule, peer, facts)
        if key not in self._remedies:
            if len(self._remedies) >= _REMEMBERED_REMEDIES:
                self._remedies.clear()
            rules = self._rules or read_rule_set()
            found = remedies_for_call(blocked, kind, patterns, facts, rules)
            self._remedies[key] = found[0] if found else None
        return self._remedies[key]


def _without_old_ends(workers: list[LiveWorker], facts: GunicornFacts) -> tuple[list[LiveWorker], int]:
    """All that run, and of those that ended the latest; the others are counted."""
    gone = [one for one in workers if one.attention in (Attention.DEAD, Attention.ENDED)]
    limit = max(int(threshold("live_ended_rows")), facts.workers or 0)
    if len(gone) <= limit:
        return workers, 0
    latest = sorted(gone, key=lambda one: -one.worker.ended_at.timestamp() if one.worker.ended_at else 0.0)
    dropped = {one.key for one in latest[limit:]}
    return [one for one in workers if one.key not in dropped], len(dropped)
