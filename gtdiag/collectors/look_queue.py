"""Watched processes to deep looks at them: which are due, started side by side, and what they have seen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures import wait as wait_for

from gtdiag.collectors.clock import Clock
from gtdiag.collectors.host import Host
from gtdiag.collectors.sampling import LookBudget, LookReason, WorkerView, reason_to_look, thresholds_for
from gtdiag.collectors.watched import Hang, WatchedMaster, WatchedWorker
from gtdiag.model.events import Event, WorkerProgressed
from gtdiag.model.identity import WorkerId


class LookQueue:
    """The looks of one watch. `masters` is the watch's own dictionary, which changes while it lasts."""

    def __init__(self, host: Host, clock: Clock, masters: dict[int, WatchedMaster]) -> None:
        self._host = host
        self._clock = clock
        self._masters = masters
        self._looked_at: list[Hang] = []
        """Whatever a look is under way at, also of those that are no longer followed."""
        self._budget = LookBudget(clock.monotonic())

    def view(self, worker: WatchedWorker, now_s: float) -> WorkerView:
        """What sampling.py decides by."""
        age_s = worker.heartbeat_age_s
        hang = worker.hang
        return WorkerView(
            age_s=None if age_s is None else age_s + (now_s - worker.heartbeat_at_s),
            ever=worker.ever,
            since_look_s=None if hang.looked_at_s is None else now_s - hang.looked_at_s,
            unchanged=hang.unchanged,
            looking=bool(hang.futures),
        )

    def start_looks(self, pool: Executor) -> None:
        """Begin every look that is due and that the budget grants."""
        now_s = self._clock.monotonic()
        wanted: list[tuple[LookReason, float]] = []
        targets: list[tuple[int, WorkerId | None, int, Hang]] = []
        for master in self._masters.values():
            for worker in master.workers.values():
                if now_s < worker.safe_until_s:
                    continue  # nearly all of them, five times a second
                view = self.view(worker, now_s)
                reason = reason_to_look(view, master.thresholds)
                if reason is not None and self._is_still_due(master, worker, reason, now_s):
                    wanted.append((reason, view.since_look_s if view.since_look_s is not None else float("inf")))
                    identity = worker.process.id
                    targets.append((identity.pid, identity, master.pid, worker.hang))
            since_s = master.without_workers_since_s
            if since_s is not None:
                # No worker at all: `--preload` runs the application's start-up in the master.
                hang = master.hang
                since_look_s = None if hang.looked_at_s is None else now_s - hang.looked_at_s
                view = WorkerView(now_s - since_s, False, since_look_s, hang.unchanged, bool(hang.futures))
                reason = reason_to_look(view, thresholds_for(0, None))
                if reason is not None:
                    wanted.append((reason, since_look_s if since_look_s is not None else float("inf")))
                    targets.append((master.pid, None, master.pid, hang))
        for position in self._budget.grant(wanted, now_s):
            pid, identity_or_none, master_pid, hang = targets[position]
            hang.looked_at_s = now_s
            self._looked_at.append(hang)
            hang.futures = [pool.submit(part) for part in self._host.look_parts(pid, identity_or_none, master_pid)]

    def look_soon_after(self, event: Event) -> None:
        """A step of the start-up in the log: what was seen before it tells nothing of what comes now."""
        if not isinstance(event, WorkerProgressed) or event.worker is None:
            return
        for master in self._masters.values():
            for identity, worker in master.workers.items():
                if identity.pid == event.worker.pid:
                    worker.hang.looked_at_s, worker.hang.unchanged = None, 0

    def _is_still_due(self, master: WatchedMaster, worker: WatchedWorker, reason: LookReason, now_s: float) -> bool:
        """The age is reckoned from the last sample; before a costly look, see whether the worker has beaten since."""
        if reason is LookReason.BLIND or worker.heartbeat_at_s == now_s:
            return True
        heartbeat = self._host.heartbeat(worker.process, master.version_major)
        if heartbeat is None:
            return True
        worker.take_heartbeat(heartbeat, now_s, master.thresholds)
        if heartbeat.ever and worker.ever is False:
            return False  # the next sample says that it is ready
        return reason_to_look(self.view(worker, now_s), master.thresholds) is not None

    def finished_looks(self) -> Iterator[Event]:
        """What the looks that are over have seen."""
        for hang in self.under_way():
            yield from self.finished_look(hang)

    def finished_look(self, hang: Hang, wait_s: float = 0.0) -> Iterator[Event]:
        """Give what the parts of a look have seen; when all of them are there, see whether the picture has changed."""
        if not hang.futures:
            return
        if wait_s:
            wait_for(hang.futures, timeout=wait_s)
        done = [future for future in hang.futures if future.done()]
        hang.futures = [future for future in hang.futures if future not in done]
        for future in done:
            look = future.result()
            hang.cost_s += look.cost_s
            hang.seen.append(look.picture)
            yield from look.events
        if done and not hang.futures:
            picture = frozenset(hang.seen)
            hang.unchanged = hang.unchanged + 1 if picture == hang.picture else 0
            hang.picture = picture
            self._budget.spent(hang.cost_s)
            hang.cost_s, hang.seen = 0.0, []

    def under_way(self) -> list[Hang]:
        """Every process that a look is under way at."""
        if self._looked_at:
            self._looked_at = [hang for hang in self._looked_at if hang.futures]
        return list(self._looked_at)
