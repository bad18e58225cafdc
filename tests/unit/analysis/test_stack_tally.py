from __future__ import annotations

import dataclasses

import pytest

from gtdiag.analysis import Analysis, stack_tally
from gtdiag.model.events import StartupSample
from gtdiag.model.identity import Origin
from gtdiag.model.report import Phase
from gtdiag.model.stack_profile import ProfiledStack, StackProfile, WorkerProfile
from tests.unit.analysis.story import LIFESPAN, LOOP, Story, main_thread, moment, pool_thread, task

CONNECT = (*LIFESPAN, "asyncpg/connection.py:connect")


def profile_of(story: Story) -> StackProfile:
    analysis = Analysis(keep_stacks=True)
    for event in story.told:
        analysis.add(event)
    analysis.report()
    stacks = analysis.stacks()
    assert stacks is not None
    return stacks


def only_worker(story: Story) -> WorkerProfile:
    (worker,) = profile_of(story).workers
    return worker


def innermost(stack: ProfiledStack) -> str:
    return stack.frames[-1].function


def in_startup(looks_at: tuple[float, ...]) -> Story:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(7, at=0)
    for at in looks_at:
        story.beats(7, at=at, age_s=at, ever=False)
        story.looks(7, at, main_thread(*LOOP), tasks=(task(*CONNECT),))
    return story


def test_none_are_kept_unless_asked_for() -> None:
    analysis = Analysis()
    for event in in_startup((1, 2)).told:
        analysis.add(event)
    assert analysis.stacks() is None


def test_a_stack_lasts_from_its_first_look_to_its_last() -> None:
    story = in_startup((1, 2, 4, 7))
    story.ends(at=8)
    worker = only_worker(story)
    assert (worker.pid, worker.ordinal) == (7, 1)
    assert [(stack.phase, stack.strand, innermost(stack), stack.looks, stack.seconds) for stack in worker.stacks] == [
        (Phase.STARTUP, "main thread", "EpollSelector.select", 4, 6.0),
        (Phase.STARTUP, "tasks", "connect", 4, 6.0),
    ]


def test_time_between_two_looks_is_halved() -> None:
    story = in_startup((1, 3))
    story.beats(7, at=5, age_s=5, ever=False)
    story.looks(7, 5, main_thread(*LOOP), tasks=(task(*LIFESPAN),))
    story.ends(at=6)
    seconds = {innermost(stack): stack.seconds for stack in only_worker(story).stacks}
    assert seconds == {"EpollSelector.select": 4.0, "connect": 3.0, "lifespan": 1.0}


def test_startup_and_serving_are_told_apart() -> None:
    story = in_startup((1, 2))
    story.beats(7, at=3, age_s=0.5, ever=True)
    story.beats(7, at=20, age_s=17, ever=True)
    story.looks(7, 20, main_thread(*LOOP, "app:handler"), tasks=())
    story.ends(at=21)
    assert [(stack.phase, innermost(stack)) for stack in only_worker(story).stacks] == [
        (Phase.STARTUP, "EpollSelector.select"),
        (Phase.STARTUP, "connect"),
        (Phase.SERVING, "handler"),
    ]


def test_time_in_which_nobody_looked_belongs_to_no_stack() -> None:
    story = in_startup((1, 3600))
    story.ends(at=3601)
    assert {stack.seconds for stack in only_worker(story).stacks} == {15.0}


def startup_sample(story: Story, at: float, *described: str, unchanged: bool = False) -> None:
    threads = (main_thread(*described),) if described else ()
    story.told.append(
        StartupSample(
            origin=Origin("startup"), at=moment(at), worker=story._worker(7), threads=threads, unchanged=unchanged
        )
    )


def test_samples_of_a_startup_count_for_the_main_thread_alone() -> None:
    story = Story()
    story.master()
    story.boots(7, at=0)
    startup_sample(story, 0.2, "app:<module>", "numpy/__init__.py:<module>")
    startup_sample(story, 0.7, unchanged=True)
    story.looks(7, 1.2, main_thread(*LOOP), pool_thread("app:work"), tasks=(task(*CONNECT),))
    startup_sample(story, 2.2, *LOOP)
    story.looks(7, 3.2, main_thread(*LOOP), pool_thread("app:work"), tasks=(task(*CONNECT),))
    story.ends(at=4)
    found = {(stack.strand, innermost(stack)): (stack.looks, stack.seconds) for stack in only_worker(story).stacks}
    assert found == {
        ("main thread", "<module>"): (2, 1.25),
        ("main thread", "EpollSelector.select"): (3, 1.75),
        ("pool_0", "work"): (2, 2.0),
        ("tasks", "connect"): (2, 2.0),
    }


def test_equal_tasks_of_one_look_count_once_and_running_ones_not_at_all() -> None:
    story = Story()
    story.master()
    story.boots(7, at=0)
    story.looks(
        7,
        1,
        main_thread(*LOOP),
        pool_thread("app:work"),
        tasks=(
            *(task(*CONNECT, name=f"Task-{n}") for n in range(500)),
            dataclasses.replace(task("app:now"), running=True),
        ),
    )
    story.ends(at=2)
    assert [(stack.strand, stack.looks) for stack in only_worker(story).stacks] == [
        ("main thread", 1),
        ("pool_0", 1),
        ("tasks", 1),
    ]


def test_a_traceback_in_a_log_is_a_moment() -> None:
    story = Story(log_only=True)
    story.boots(7, at=0)
    story.times_out(7, at=30)
    story.traceback(7, 30, "gunicorn/workers/sync.py:handle", "app:view", "requests/api.py:get")
    (stack,) = only_worker(story).stacks
    assert (stack.phase, stack.strand, innermost(stack)) == (Phase.SERVING, "traceback in the log", "get")
    assert (stack.looks, stack.seconds) == (1, 0.0)


@pytest.mark.parametrize("bound", ["MAX_STACKS_OF_A_LIFE", "MAX_STACKS"])
def test_memory_is_bounded(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_tally, bound, 10)
    story = Story()
    story.master()
    story.boots(7, at=0)
    for at in range(1, 30):
        story.looks(7, at, main_thread(f"app:f{at}"), tasks=())
    story.ends(at=31)
    worker = only_worker(story)
    assert len(worker.stacks) == 10
    assert worker.left_out == 19


def test_a_master_that_loads_the_application_has_a_profile() -> None:
    story = Story()
    story.master()
    load = ("gunicorn/app/base.py:Application.run", "gunicorn/arbiter.py:Arbiter.setup", "app:<module>")
    for at in (1, 2, 3):
        story.looks_at_master(at, main_thread(*load))
    story.ends(at=4)
    worker = only_worker(story)
    assert (worker.pid, worker.ordinal) == (100, None)
    assert [(innermost(stack), stack.seconds) for stack in worker.stacks] == [("<module>", 2.0)]
