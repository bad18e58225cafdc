"""Every way a task can be suspended, read from outside, against what the program's own standard library says of it."""

from __future__ import annotations

from typing import Any

import pytest

from gtdiag.interpreter import SuspendedReading, open_interpreter
from gtdiag.interpreter.layout import known_versions
from gtdiag.model.stacks import SuspendedCode

from .target_process import PROGRAMS, TargetProcess, interpreters, packages_of, python_with_uvloop

pytestmark = pytest.mark.live

LOOPS = ("c", "python", "uvloop")


def look(python: str, version: str, loop: str) -> tuple[dict[str, Any], SuspendedReading]:
    packages = packages_of(version) if loop == "uvloop" else None
    with TargetProcess(python, PROGRAMS / "await_chains.py", loop, packages=packages) as target:
        told = target.told()
        with open_interpreter(target.pid) as interpreter:
            return told, interpreter.read_suspended()


@pytest.fixture(scope="module", params=[(v, loop) for v in known_versions() for loop in LOOPS], ids="-".join)
def looked(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, SuspendedCode]]:
    version, loop = request.param
    python = python_with_uvloop(version) if loop == "uvloop" else interpreters().get(version)
    if python is None:
        pytest.skip(f"no CPython {version} {'with uvloop ' if loop == 'uvloop' else ''}on this machine")
    told, reading = look(python, version, loop)
    assert not reading.truncated
    assert reading.problems == ()
    return told, {code.name: code for code in reading.suspended}


Looked = tuple[dict[str, Any], dict[str, SuspendedCode]]


def test_every_task_is_found_and_no_finished_one(looked: Looked) -> None:
    told, seen = looked
    assert set(seen) == set(told)
    assert len(told) > 30


def test_every_frame_is_what_the_standard_library_says(looked: Looked) -> None:
    told, seen = looked
    for name, truth in told.items():
        frames = [[frame.function, frame.file, frame.line] for frame in seen[name].frames]
        assert frames == truth["frames"], name


def test_chains_lead_on_into_the_tasks_that_are_awaited(looked: Looked) -> None:
    told, seen = looked
    for name, truth in told.items():
        assert [task for task in seen[name].through if not task.startswith("(")] == truth["through"], name


def test_only_cycles_are_incomplete_and_nothing_runs(looked: Looked) -> None:
    told, seen = looked
    assert {name for name, code in seen.items() if not code.complete} == {"cycle a", "cycle b"}
    assert not [name for name, code in seen.items() if code.running]
    for name, truth in told.items():
        if truth["ends_in"] == "Future":
            assert seen[name].awaits in ("_asyncio.Future", "Future"), name


def test_a_lifespan_leads_to_the_call_in_it(looked: Looked) -> None:
    _, seen = looked
    functions = [frame.function.rpartition(".")[2] for frame in seen["lifespan"].frames]
    assert functions == [
        "lifespan",
        "__aenter__",
        "outer_lifespan",
        "__aenter__",
        "inner_lifespan",
        "middle",
        "nap",
        "sleep",
        *(["__await__"] if functions[-1] == "__await__" else []),
    ]


@pytest.mark.parametrize("name", ["waits_for", "waits", "shields", "group", "on_a_task"])
def test_waiting_for_another_task_names_what_that_task_does(looked: Looked, name: str) -> None:
    told, seen = looked
    if name not in told:
        pytest.skip("this CPython has no TaskGroup")
    functions = {frame.function for frame in seen[name].frames}
    assert "middle" in functions
    assert "nap" in functions


def test_a_gather_names_the_first_that_is_not_done(looked: Looked) -> None:
    _, seen = looked
    # Tasks written in Python show their future's own generator as well.
    functions = [f.function for f in seen["gathers"].frames if not f.function.endswith("__await__")]
    assert functions[:4] == ["gathers", "nested", "middle", "nap"]
    assert "(gather: 2 of 3 not done)" in seen["gathers"].through


def test_a_long_chain_is_whole(looked: Looked) -> None:
    _, seen = looked
    assert [frame.function for frame in seen["deep"].frames].count("deep") == 201


@pytest.mark.parametrize("version", known_versions())
def test_coroutines_that_cython_compiled_have_their_names(version: str) -> None:
    """uvloop's own: what a worker stuck in connect() is in, when nothing answers the SYN."""
    python = python_with_uvloop(version)
    if python is None:
        pytest.skip(f"no CPython {version} with uvloop on this machine")
    with TargetProcess(python, PROGRAMS / "uvloop_connect.py", packages=packages_of(version)) as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            tasks = {code.name: code for code in interpreter.read_suspended().suspended}
    functions = [frame.function for frame in tasks["connects"].frames]
    assert [name.rpartition(".")[2] for name in functions] == ["connects", "open_connection", "create_connection"]
    assert tasks["connects"].frames[-1].file in ("uvloop/loop.pyx", "uvloop.loop")
    assert tasks["connects"].awaits == "_asyncio.Future"
    assert tasks["connects"].complete
