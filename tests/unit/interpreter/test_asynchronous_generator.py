"""A chain through an asynchronous generator, in a process where nothing else has touched the types involved."""

from __future__ import annotations

import pytest

from gtdiag.interpreter import open_interpreter
from gtdiag.interpreter.layout import known_versions

from .target_process import PROGRAMS, TargetProcess, interpreters

pytestmark = pytest.mark.live


@pytest.mark.parametrize("version", known_versions())
def test_the_chain_leads_through_the_generator(version: str) -> None:
    python = interpreters().get(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    with TargetProcess(python, PROGRAMS / "asynchronous_generator.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_suspended()
    assert reading.problems == ()
    (task,) = reading.suspended
    assert [frame.function for frame in task.frames] == ["main", "steps"]
