"""When routine samples are no reason to draw conclusions again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gtdiag.analysis.quiet import is_quiet, is_routine
from gtdiag.model.events import EVENT_CLASSES, SAMPLES, HealthSample
from gtdiag.model.identity import Origin
from gtdiag.model.report import IncidentKind, Phase, Report, WorkerEnd
from tests.unit.renderers.sample_reports import at, blocked_in_database, nothing_found, restart_loop

WELL = nothing_found()


def with_worker(**changes: object) -> Report:
    return replace(WELL, workers=(replace(WELL.workers[0], **changes), *WELL.workers[1:]))  # type: ignore[arg-type]


def with_incident(**changes: object) -> Report:
    incident = replace(restart_loop().incidents[0], pid=WELL.workers[0].pid, ordinal=WELL.workers[0].ordinal)
    return replace(WELL, incidents=(replace(incident, **changes),))  # type: ignore[arg-type]


def test_a_server_that_has_nothing_is_quiet() -> None:
    assert WELL.workers
    assert is_quiet(WELL)


@pytest.mark.parametrize(
    ("report", "quiet"),
    [
        (with_worker(blocked=blocked_in_database()), False),
        (with_worker(phase=Phase.STARTUP), False),
        (with_worker(blocked=blocked_in_database(), end=WorkerEnd.TIMEOUT), True),
        (with_worker(phase=Phase.STARTUP, end=WorkerEnd.EXIT), True),
        (with_incident(resolved_at=None), False),
        (with_incident(resolved_at=at(1)), True),
        (with_incident(resolved_at=None, pid=1), True),
        (with_incident(resolved_at=None, pid=None, ordinal=None, kind=IncidentKind.BOOT_FAILURE), True),
        (with_incident(resolved_at=None, pid=None, ordinal=None, kind=IncidentKind.MASTER_HANG), False),
    ],
)
def test_what_may_still_come_to_light_with_the_next_sample(report: Report, quiet: bool) -> None:
    assert is_quiet(report) is quiet


def test_only_what_comes_again_and_again_is_routine() -> None:
    health = HealthSample(origin=Origin("health"), at=at(0), url="http://127.0.0.1/", status=200, latency_s=0.1)
    assert is_routine(replace(health, changed=False))
    assert not is_routine(replace(health, changed=True))
    assert {kind for kind in EVENT_CLASSES if issubclass(kind, SAMPLES)} == set(SAMPLES)
