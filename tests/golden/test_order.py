"""gunicorn's stamps have one second: the order of events within it must not change a report."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.events import Event, MasterShutDown, MasterStarted
from gtdiag.model.report import Report

LOGS = Path(__file__).resolve().parents[2] / "fixtures" / "logs"
CASES = sorted(path for path in LOGS.glob("*/log.txt"))


def shuffled(seen: list[Event], seed: int) -> Iterator[Event]:
    """The events with those of each second in another order."""
    chance = random.Random(seed)
    for _, second in groupby(seen, key=lambda event: event.at):
        together = list(second)
        # A master that stops in the second in which another one starts: their lines' own order says which is which.
        if not any(isinstance(event, (MasterStarted, MasterShutDown)) for event in together):
            chance.shuffle(together)
        yield from together


def conclusions(events: Iterator[Event] | list[Event]) -> tuple[object, ...]:
    analysis = Analysis()
    for event in events:
        analysis.add(event)
    report: Report = analysis.report()
    return (
        [(i.kind, i.pid, i.at, i.killed_by, i.phase, i.summary, i.blocked) for i in report.incidents],
        report.patterns,
        report.verdict,
        sorted((w.pid, w.end, w.booted_at, w.ready_at, w.end_signal, w.end_code) for w in report.workers),
    )


@pytest.mark.parametrize("log", CASES, ids=lambda path: path.parent.name)
def test_shuffling_within_a_second_changes_nothing(log: Path) -> None:
    seen = list(collect_log_events([str(log)]))
    expected = conclusions(seen)
    for seed in range(20):
        assert conclusions(shuffled(seen, seed)) == expected
