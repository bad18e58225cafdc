"""The judged lives of one master's workers, as the patterns look at them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gtdiag.analysis.judging import Judge, Judgement
from gtdiag.analysis.lives import MasterLife
from gtdiag.model.report import Blocked, Confidence


@dataclass(frozen=True)
class MasterGroup:
    """All judged lives of one master (`master` None: of no known one), and the judge with the whole observation."""

    judgements: tuple[Judgement, ...]
    master: MasterLife | None
    judge: Judge

    @property
    def master_pid(self) -> int | None:
        """The master's pid, where it is known."""
        return self.master.pid if self.master is not None else None

    @property
    def replica(self) -> str | None:
        """The replica of the master and its workers, where logs tell replicas apart."""
        return self.judgements[0].life.stream or None

    def workers_at_once(self) -> int:
        """How many workers the master runs: its setting, else the most that were seen at the same time."""
        return self._workers_at_once

    @cached_property
    def _workers_at_once(self) -> int:
        # Kept: patterns ask for it once per incident, and each answer looks at every life.
        if self.master is not None and self.master.workers:
            return self.master.workers
        edges: list[tuple[datetime, int]] = []
        for judgement in self.judgements:
            life = judgement.life
            begin, end = life.booted_at or life.first_seen_at, life.ended_at
            if begin is not None:
                edges.append((begin, 1))
                if end is not None and end >= begin:
                    edges.append((end, -1))
        most = current = 0
        for _, step in sorted(edges):
            current += step
            most = max(most, current)
        return max(1, most)


def best_blame(judgements: Iterable[Judgement]) -> Blocked:
    """The best-proven blame of several judgements, of equally good ones the one seen longest."""
    blames = [j.blocked for j in judgements if j.blocked is not None]
    order = list(Confidence)
    return min(blames, key=lambda b: (order.index(b.confidence), -(b.seconds or 0.0)))
