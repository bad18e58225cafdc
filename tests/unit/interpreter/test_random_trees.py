"""A sample of the random programs that `make interpreters` compares in full; and calls in thread pools, by name."""

from __future__ import annotations

import pytest

from gtdiag.interpreter import open_interpreter
from gtdiag.interpreter.layout import known_versions
from tests.interpreters.agreement import compare

from .target_process import PROGRAMS, TargetProcess, interpreters, packages_of

pytestmark = pytest.mark.live


@pytest.mark.parametrize("loop", ["c", "python"])
@pytest.mark.parametrize("version", known_versions())
def test_random_trees_stand_as_the_program_says(version: str, loop: str) -> None:
    python = interpreters().get(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    agreement = compare(python, loop, 20261, 20, packages_of(version))
    assert agreement.cases == 20
    assert agreement.tasks > 20
    assert not agreement.disagreements, agreement.disagreements[0]


def test_a_call_in_a_thread_pool_is_followed_into_its_thread(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "thread_pool.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            tasks = {code.name: code for code in interpreter.read_suspended().suspended}
    runs, queued = tasks["runs"], tasks["queued"]
    assert [frame.function.rpartition(".")[2] for frame in runs.frames] == ["outer", "call", "waits_in_thread"]
    assert runs.through == ("(a thread of a pool)",)
    assert not runs.running
    assert runs.complete
    assert [frame.function for frame in queued.frames] == ["outer"]
    assert queued.through == ("(a thread pool's queue)",)
