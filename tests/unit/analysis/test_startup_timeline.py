"""Where the time of a start-up goes: the step of one moment, the sum of many, and what a log alone tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gtdiag.analysis.look import LookReader
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.analysis.startup_timeline import StartupTimeline, Step, read_step
from gtdiag.model.report import Confidence, PatternKind, Report
from gtdiag.model.stacks import SuspendedCode
from tests.unit.analysis.story import NOON, Story, frames, main_thread

IMPORT = "<frozen importlib._bootstrap>:_find_and_load"
SERVER = ("gunicorn/arbiter.py:run", "gunicorn/workers/base.py:load_wsgi")
LOOP = ("std/asyncio/base_events.py:run_forever", "std/selectors.py:EpollSelector.select")
LIFESPAN = ("uvicorn/lifespan/on.py:LifespanOn.main", "app:lifespan", "app:verify", "asyncpg/connection.py:connect")

MOMENTS = [
    ((*SERVER, "app:<module>", IMPORT, "pandas/__init__.py:<module>"), ("import", "pandas")),
    (
        (*SERVER, "app:<module>", IMPORT, "pandas/__init__.py:<module>", IMPORT, "numpy/core.py:<module>"),
        ("import", "numpy"),
    ),
    # the standard library's modules are imported for somebody
    (
        (*SERVER, "app:<module>", IMPORT, "pandas/__init__.py:<module>", IMPORT, "std/json/__init__.py:<module>"),
        ("import", "pandas"),
    ),
    ((*SERVER, "app:<module>", IMPORT, "std/json/__init__.py:<module>"), ("import", "json")),
    ((*SERVER, "app:<module>", "requests/api.py:get"), ("application", "the top level of main.py")),
    ((*SERVER, "app:create_app", "app:connect", "redis/client.py:ping"), ("application", "connect")),
    ((*SERVER, "app:create_app", IMPORT, "torch/__init__.py:<module>"), ("import", "torch")),
    (("uvicorn/lifespan/on.py:main", "app:lifespan", "app:configure_routers"), ("lifespan", "configure_routers")),
    (SERVER, ("server", "the server starts")),
    ((*SERVER, "uvicorn/config.py:load"), ("server", "the server starts")),
    ((*SERVER, "ddtrace/patch.py:patch_all"), ("server", "ddtrace")),
]


@pytest.mark.parametrize(("stack", "step"), MOMENTS)
def test_the_step_of_one_moment(stack: tuple[str, ...], step: Step) -> None:
    ownership = CodeOwnership()
    assert read_step((main_thread(*stack),), (), ownership, LookReader(ownership)) == step


def test_an_awaited_call_of_the_lifespan() -> None:
    ownership = CodeOwnership()
    task = SuspendedCode(kind="task", name="Task-1", frames=frames(*LIFESPAN), awaits="_asyncio.Future")
    step = read_step((main_thread(*LOOP),), (task,), ownership, LookReader(ownership))
    assert step == ("lifespan", "verify")


def seconds_of(timeline: StartupTimeline, until_s: float) -> dict[str, float]:
    steps = timeline.conclude(NOON, NOON + timedelta(seconds=until_s))
    return {step.name: step.seconds for step in steps}


def test_the_seconds_add_up_to_the_start_up() -> None:
    timeline = StartupTimeline()
    for at_s, step in [(1, ("import", "numpy")), (2, None), (3, ("lifespan", "verify")), (7, None)]:
        timeline.add_sample(NOON + timedelta(seconds=at_s), step)
    seen = seconds_of(timeline, 8)
    assert seen == {"before the first look": 1.0, "numpy": 1.5, "verify": 5.5}
    assert sum(seen.values()) == 8


def test_two_looks_are_no_time_line() -> None:
    timeline = StartupTimeline()
    timeline.add_sample(NOON, ("import", "numpy"))
    timeline.add_sample(NOON + timedelta(seconds=9), ("lifespan", "verify"))
    assert seconds_of(timeline, 10) == {}


def test_a_log_tells_its_steps_to_the_second() -> None:
    timeline = StartupTimeline()
    timeline.add_logged(NOON + timedelta(seconds=4), "imported")
    timeline.add_logged(NOON + timedelta(seconds=4), "lifespan")
    steps = timeline.conclude(NOON, NOON + timedelta(seconds=9))
    assert [(step.kind, step.seconds, step.resolution_s) for step in steps] == [
        ("import", 4.0, 1.0),
        ("lifespan", 5.0, 1.0),
    ]


def test_thousands_of_functions_are_bounded() -> None:
    timeline = StartupTimeline()
    for n in range(5000):
        timeline.add_sample(NOON + timedelta(seconds=n), ("application", f"f{n}"))
    steps = timeline.conclude(NOON, NOON + timedelta(seconds=5000))
    assert len(steps) < 20
    assert sum(step.seconds for step in steps) == pytest.approx(5000, abs=1)


def started(*startup_s: float, timeout_s: float = 30) -> Report:
    story = Story()
    story.master(version="27.0.1", timeout_s=timeout_s, workers=len(startup_s))
    for pid in range(len(startup_s)):
        story.boots(7 + pid, at=0)
    for pid, seconds in sorted(enumerate(startup_s), key=lambda one: one[1]):
        story.ready(7 + pid, at=seconds)
    story.ends(100)
    return story.report()


@pytest.mark.parametrize(
    ("startups_s", "timeout_s", "pids", "confidence"),
    [
        ((2, 2, 2, 24), 30, (10,), Confidence.HIGH),  # one bad day away from the time-out
        ((22, 23, 24, 22), 30, (7, 8, 9, 10), Confidence.HIGH),
        ((1, 1, 1, 15), 120, (10,), Confidence.LOW),  # far longer than its siblings
        ((1, 1, 1, 4), 8, (), None),  # one elected worker, with deadlines: by design
        ((1, 1, 1, 9), 120, (), None),
        ((9, 10, 12, 14), 120, (), None),
        ((2,), 30, (), None),
    ],
)
def test_slow_startup(
    startups_s: tuple[float, ...], timeout_s: float, pids: tuple[int, ...], confidence: Confidence | None
) -> None:
    found = [p for p in started(*startups_s, timeout_s=timeout_s).patterns if p.kind is PatternKind.SLOW_STARTUP]
    assert [(p.pids, p.confidence) for p in found] == ([(pids, confidence)] if pids else [])


def test_a_slow_start_up_has_a_sentence_and_a_remedy() -> None:
    verdict = started(2, 2, 2, 24).verdict
    assert verdict.summary == "No worker failed, but 1 worker took up to 24 s to start, 80 % of the time-out of 30 s."
    assert verdict.confidence is Confidence.HIGH
    assert [remedy.id for remedy in verdict.remedies] == ["GT-R48"]
    unsure = started(1, 1, 1, 15, timeout_s=120).verdict
    assert unsure.summary == "No worker failed, but 1 worker took 15 s to start, the others 1 s."
    assert unsure.confidence is Confidence.LOW
