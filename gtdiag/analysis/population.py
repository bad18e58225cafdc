"""Which master and which worker life an event is about: pids come back, logs and processes name lives differently."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.analysis.lives import MasterLife, WorkerLife
from gtdiag.analysis.look import Look
from gtdiag.analysis.master_index import MasterIndex
from gtdiag.model.events import Event, WorkersCounted
from gtdiag.rules.thresholds import threshold

_MOST_LIVES = 20_000
"""Of workers that came and went without trouble; with the next, what bounds the memory over days and over any log."""
_MOST_TROUBLED_LIVES = 10_000
"""Of workers that timed out, were killed or failed to boot, some 10 kB each; how it began and the latest are kept."""
_FIRST_TROUBLED_LIVES = 2_000
_MOST_CALLS = 1_000
_LATEST_LIVES = 1_000
"""Kept in any case: a line about them may still come."""

_MOST_LIVE, _MOST_TROUBLED_LIVE, _FIRST_TROUBLED_LIVE, _LATEST_LIVE = 400, 1_000, 200, 200
"""The same of a watch. It draws a report of all of them again and again, some 0.1 ms for each, and may last for months;
its log's lines come within seconds."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How many lives are kept: in all, with trouble, with trouble from the beginning, and of the latest."""

    most: int
    troubled: int
    first_troubled: int
    latest: int


@dataclass(slots=True)
class Forgotten:
    """What there was, and is not in the population any more."""

    lives: int = 0
    timed_out: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    calls: dict[str, int] = field(default_factory=dict)
    """What tracebacks in the log show that they were blocked in, and how many of them."""

    def note_call(self, look: Look | None, workers: int = 1) -> None:
        """So many were blocked in this."""
        name = None if look is None else look.call or look.library_call
        if look is None or name is None:
            return
        where = f"{name} ({look.file}:{look.line})" if look.file else name
        if where in self.calls or len(self.calls) < _MOST_CALLS:
            self.calls[where] = self.calls.get(where, 0) + workers


class Population:
    """All masters and workers seen, and the look-up from an event to the life it belongs to.

    Live, everything is one stream: the watched master's. In logs, each replica named by the line prefixes is one.
    """

    def __init__(self) -> None:
        self.masters = MasterIndex()
        self.workers: list[WorkerLife] = []
        self.live = False
        self._current: dict[str, dict[int, WorkerLife]] = defaultdict(dict)
        """The latest life of each pid of each stream."""
        self._previous: dict[str, dict[int, WorkerLife]] = defaultdict(dict)
        """The one before that: a pid may have come back when the last is told of the process that had it."""
        self._unended: dict[int, list[WorkerLife]] = defaultdict(list)
        """By their master: the lives that may not have ended; some of them have ended since, or changed hands."""
        self.forgotten = Forgotten()
        """Of workers with trouble; those without are not missed."""
        self._worth_forgetting = 0

    def _bounds(self) -> _Bounds:
        if self.live:
            return _Bounds(_MOST_LIVE, _MOST_TROUBLED_LIVE, _FIRST_TROUBLED_LIVE, _LATEST_LIVE)
        return _Bounds(_MOST_LIVES, _MOST_TROUBLED_LIVES, _FIRST_TROUBLED_LIVES, _LATEST_LIVES)

    def stream_of(self, event: Event) -> str:
        """The replica an event belongs to."""
        return "" if self.live else event.origin.stream

    def start_master(self, event: Event, version: str) -> MasterLife:
        """A `Starting gunicorn` line: a new master, unless the line is one that was doubled on its way."""
        stream = self.stream_of(event)
        known = self.masters.find(stream, event.master_pid)
        if known is not None and (known.version is None and known.live):
            known.version = version
            return known
        if known is not None and known.ended_at is None and known.started_at == event.at and known.version == version:
            return known
        if known is not None and known.live and known.ended_at is None:
            return known
        if known is not None and known.ended_at is None:
            self.end_master(known, event.at)
        master = MasterLife(
            pid=event.master_pid, stream=stream, version=version, started_at=event.at, started_seq=event.seq
        )
        self.masters.add(master)
        return master

    def master_of(self, event: Event) -> MasterLife | None:
        """The master an event names by its pid; made when it is new. None when the event names none."""
        if event.master_pid is None:
            return None
        stream = self.stream_of(event)
        master = self.masters.find(stream, event.master_pid)
        if master is None:
            master = MasterLife(pid=event.master_pid, stream=stream)
            self.masters.add(master)
        master.last_seen_at = event.at or master.last_seen_at
        return master

    def latest_master(self, event: Event) -> MasterLife | None:
        """The master of the event's stream that had started last and not shut down."""
        stream = self.stream_of(event)
        alive = self.masters.running(stream)
        return next((m for m in reversed(alive) if m.started_seq <= event.seq), alive[-1] if alive else None)

    def end_master(self, master: MasterLife, at: datetime | None) -> None:
        """The master is gone, and so are its workers."""
        master.ended_at = at or master.last_seen_at
        for worker in self._unended.pop(id(master), ()):
            if worker.master is master and worker.death is None:
                worker.replaced = True

    def boot(self, event: Event) -> WorkerLife:
        """A worker's boot, seen in the log or as a new process, or both."""
        assert event.worker is not None
        stream = self.stream_of(event)
        known = self._current[stream].get(event.worker.pid)
        if known is not None and self._is_same_boot(known, event):
            self._join_boot(known, event)
            return known
        if known is not None:
            known.replaced = True
        life = self._new_life(stream, event)
        life.booted_at = event.at
        life.step = "booted"
        return life

    def worker_of(self, event: Event, *, create: bool = True) -> WorkerLife | None:
        """The life an event is about; one that is seen for the first time is made when `create` is true."""
        if event.worker is None:
            return None
        stream = self.stream_of(event)
        life = self._current[stream].get(event.worker.pid)
        started = event.worker.started_at_s
        if life is not None and started is not None and life.started_at_s != started:
            previous = self._previous[stream].get(life.pid)
            if previous is not None and previous.started_at_s == started:
                self._mark_seen(previous, event)
                return previous
        if life is not None and started is not None and life.started_at_s not in (None, started):
            life.replaced = True
            life = None
        if life is not None and life.death is not None and not self._is_late_line(life, event):
            life = None
        if life is None:
            if not create:
                return None
            life = self._new_life(stream, event)
        if started is not None:
            life.started_at_s = started
        self._mark_seen(life, event)
        return life

    def current_workers(self, stream: str) -> list[WorkerLife]:
        """The latest life of each pid of a stream, oldest first."""
        return [*self._current[stream].values()]

    def note_counted(self, event: WorkersCounted) -> None:
        """Troubled workers that were only counted: of those from before, what became of them is not known."""
        told = self.forgotten
        told.lives += event.workers
        told.timed_out += event.timed_out
        told.first_at = told.first_at or event.first_at
        told.last_at = event.at or told.last_at
        cut = [life for life in self.workers if self._is_cut(life, event)]
        told.lives += len(cut)
        told.timed_out += len(cut)
        gone = set(map(id, cut))
        self.workers = [life for life in self.workers if id(life) not in gone]
        for lives in self._current.values():
            for pid, life in list(lives.items()):
                life.replaced = True
                if life.timed_out or life.ended:
                    # A line about this pid from here on is about another worker.
                    del lives[pid]

    def settle(self) -> None:
        """Give each life without a master the only one it can belong to, and number the lives of each master."""
        for life in self.workers:
            if life.master is None:
                self._give(life, self.masters.only(life.stream))
        counts: dict[int, int] = {}
        for life in self.workers:
            owner = id(life.master)
            if not life.ordinal_is_final:
                life.ordinal = counts.get(owner, 0) + 1
            counts[owner] = life.ordinal

    def _new_life(self, stream: str, event: Event) -> WorkerLife:
        assert event.worker is not None
        master = self.master_of(event) or self.latest_master(event)
        life = WorkerLife(pid=event.worker.pid, stream=stream, first_seen_at=event.at)
        self._give(life, master)
        life.started_at_s = event.worker.started_at_s
        self._mark_seen(life, event)
        current = self._current[stream]
        # Taken out first, so that the order of the dictionary stays the order of the boots.
        if (previous := current.pop(life.pid, None)) is not None:
            self._previous[stream][life.pid] = previous
        current[life.pid] = life
        self.workers.append(life)
        bounds = self._bounds()
        if len(self.workers) > max(self._worth_forgetting, min(bounds.most, bounds.troubled)):
            self._forget(bounds)
            # A look at all of them is worth it only when there are many new ones since the last.
            self._worth_forgetting = max(len(self.workers) + bounds.latest, len(self.workers) * 5 // 4)
        return life

    def _mark_seen(self, life: WorkerLife, event: Event) -> None:
        life.last_seen_at = event.at or life.last_seen_at
        if event.origin.source == "log":
            life.seen_in_log = True
        else:
            life.seen_live = True
        if event.master_pid is not None and (life.master is None or life.master.pid != event.master_pid):
            self._give(life, self.master_of(event))

    def _give(self, life: WorkerLife, master: MasterLife | None) -> None:
        life.master = master
        if master is not None:
            self._unended[id(master)].append(life)

    def _is_same_boot(self, known: WorkerLife, event: Event) -> bool:
        assert event.worker is not None
        if known.replaced:
            return False
        if known.death is not None:
            return self._is_boot_read_late(known, event)
        if event.worker.started_at_s is not None and known.started_at_s is not None:
            return event.worker.started_at_s == known.started_at_s
        in_log = event.origin.source == "log"
        if in_log == known.seen_in_log and in_log != known.seen_live:
            return False  # two boot lines of one pid are two lives; so are two processes
        if known.booted_at is None or event.at is None:
            return True
        apart_s = abs((event.at - known.booted_at).total_seconds())
        # A worker that was there before the watch began was booted, in the log, at any time before.
        return apart_s <= threshold("log_join_s") or (in_log and event.at < known.booted_at) or known.from_backlog

    def _is_boot_read_late(self, known: WorkerLife, event: Event) -> bool:
        """Whether it is the line of a worker that was gone again before its log was read, a few hundred ms later."""
        if event.origin.source != "log" or known.seen_in_log or known.booted_at is None or event.at is None:
            return False
        return abs((event.at - known.booted_at).total_seconds()) <= threshold("log_join_s")

    def _join_boot(self, known: WorkerLife, event: Event) -> None:
        if event.worker is not None and event.worker.started_at_s is not None:
            known.started_at_s = event.worker.started_at_s
        # The kernel knows when a process began; a log line's stamp is cut to the second.
        if known.booted_at is None or event.origin.source != "log":
            known.booted_at = event.at
        self._mark_seen(known, event)

    def _is_late_line(self, life: WorkerLife, event: Event) -> bool:
        """Whether an event after a worker's end still belongs to it: lines shuffled in their second, a doubled line."""
        if event.at is None or life.death is None or life.death.at is None:
            return True
        return (event.at - life.death.at).total_seconds() <= threshold("log_join_s")

    def _is_cut(self, life: WorkerLife, event: WorkersCounted) -> bool:
        """Whether it timed out just before a part that was only counted: its traceback may be in there."""
        if life.timed_out_at is None or life.traceback_look is not None or event.first_at is None:
            return False
        return not life.ended and (event.first_at - life.timed_out_at).total_seconds() <= threshold("log_join_s")

    def _forget(self, bounds: _Bounds) -> None:
        """Drop what is too much: lives that ended without trouble, then those with trouble of neither end of the story.

        The latest are kept in any case.
        """
        latest = len(self.workers) - bounds.latest
        older = self.workers[:latest]
        # A log may not tell how a worker ended; with so many after it, it has. Live, the kernel tells.
        troubled = [life for life in older if _is_worth_keeping(life) and (life.ended or not life.seen_live)]
        too_many = len(troubled) + bounds.latest - bounds.troubled
        dropped = troubled[bounds.first_troubled : bounds.first_troubled + too_many] if too_many > 0 else []
        for life in dropped:
            self._count_forgotten(life)
        if len(self.workers) > bounds.most:
            dropped += [life for life in older if not _is_worth_keeping(life)]
        if not dropped:
            return
        self.settle()
        gone = set(map(id, dropped))
        self.workers = [life for life in self.workers if id(life) not in gone]
        self._unended.clear()
        self._previous.clear()
        for lives in self._current.values():
            lives.clear()
        for life in self.workers:
            life.ordinal_is_final = True
            current = self._current[life.stream]
            current.pop(life.pid, None)
            current[life.pid] = life
            if life.master is not None and not life.ended:
                self._unended[id(life.master)].append(life)

    def _count_forgotten(self, life: WorkerLife) -> None:
        told = self.forgotten
        told.lives += 1
        told.timed_out += life.timed_out
        told.note_call(life.traceback_look)
        told.first_at = told.first_at or life.booted_at or life.first_seen_at
        told.last_at = life.last_seen_at or told.last_at


def _is_worth_keeping(life: WorkerLife) -> bool:
    left_by_itself = life.exiting or life.recycled
    if life.death is not None and (life.death.signal is not None or life.death.code is not None):
        left_by_itself = life.death.signal is None and life.death.code == 0
    troubled = life.timed_out or life.overdue_at or life.boot_failure or life.graceful_timeout or life.tally.looks
    return bool(not life.ended or not left_by_itself or troubled)
