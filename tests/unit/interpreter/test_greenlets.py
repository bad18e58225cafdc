"""Greenlets as they stand in memory, against what the interpreter says of them: gevent, eventlet, greenlet 1 to 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gtdiag.interpreter import Interpreter, SuspendedReading, open_interpreter
from gtdiag.interpreter.elf import find_interpreter
from gtdiag.interpreter.greenlets import read_greenlet_layout
from gtdiag.model.stacks import SuspendedCode
from tests.environments import gunicorn_environment, standard_environment

from .target_process import PROGRAMS, TargetProcess, interpreters
from .test_robustness import LyingMemory

GREENLETS = PROGRAMS / "greenlets.py"
_GUNICORN = "23.0.0"

# CPython | what is installed: greenlet 1 to 3, each change of its layout, and the newest that pip finds
ENVIRONMENTS = """
3.8  | greenlet==1.1.3.post0 gevent==21.12.0 eventlet setuptools<81
3.9  | greenlet==2.0.2 gevent==22.10.2 eventlet setuptools<81
3.10 | greenlet==3.0.3 gevent==23.9.1 eventlet
3.11 | greenlet==2.0.2 gevent==22.10.2 eventlet setuptools<81
3.12 | greenlet==3.0.3 gevent==23.9.1 eventlet
3.13 | greenlet==3.1.1 gevent==24.11.1 eventlet
3.11 | greenlet gevent eventlet
3.13 | greenlet gevent eventlet
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in ENVIRONMENTS.strip().splitlines()]


def python_with(version: str, requirements: str) -> str:
    python = interpreters().get(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    return str(gunicorn_environment(_GUNICORN, *requirements.split(), python=python).python)


def stacks_of(reading: SuspendedReading) -> list[list[list[Any]]]:
    return sorted(
        [[frame.function, frame.file, frame.line] for frame in code.frames]
        for code in reading.suspended
        if code.kind == "greenlet"
    )


def mains(reading: SuspendedReading) -> list[SuspendedCode]:
    return [code for code in reading.suspended if code.name.startswith("main greenlet")]


def assert_agrees(interpreter: Interpreter, truth: dict[str, Any]) -> SuspendedReading:
    """One greenlet of the program wakes up now and then: a look at that moment does not count.

    Nor does one that ran out of its time on a busy machine and said so: the next one goes on where it stopped.
    """
    for _ in range(20):
        reading = interpreter.read_suspended()
        if stacks_of(reading) == truth["stacks"] and not reading.truncated and not reading.problems:
            break
    assert stacks_of(reading) == truth["stacks"]
    assert (reading.problems, reading.truncated) == ((), False)
    return reading


@pytest.mark.live
@pytest.mark.parametrize("flavour", ["gevent", "eventlet"])
@pytest.mark.parametrize(("version", "requirements"), ROWS, ids=[" ".join(row) for row in ROWS])
def test_every_suspended_greenlet(version: str, requirements: str, flavour: str) -> None:
    with TargetProcess(python_with(version, requirements), GREENLETS, flavour) as target:
        truth = target.told()
        with open_interpreter(target.pid) as interpreter:
            for _ in range(2):  # the second look knows already where they are
                reading = assert_agrees(interpreter, truth)
                assert len(truth["stacks"]) >= 10
                assert [code.frames[-1].function for code in mains(reading)] != []


@pytest.mark.live
def test_a_large_heap_is_searched_bit_by_bit() -> None:
    python = str(standard_environment("21.2.0").python)
    with TargetProcess(python, GREENLETS, "gevent", "1500000", "40") as target:
        truth = target.told()
        with open_interpreter(target.pid) as interpreter:
            first = interpreter.read_suspended()
            assert len(mains(first)) >= 1  # the hub leads to it at once
            for _ in range(50):
                reading = interpreter.read_suspended()
                if not reading.truncated:
                    break
            assert stacks_of(reading) == truth["stacks"]


@pytest.mark.live
@pytest.mark.parametrize("flavour", ["gevent", "eventlet"])
def test_greenlets_that_began_since_the_last_look(flavour: str) -> None:
    python = str(standard_environment("21.2.0").python)
    with TargetProcess(python, GREENLETS, flavour, "50000") as target:
        truth = target.told()
        with open_interpreter(target.pid) as interpreter:
            for generation in "0112012200":  # what is collected between two looks moves objects to other lists
                assert_agrees(interpreter, truth)
                target.say(generation)
                truth = target.told()
            assert_agrees(interpreter, truth)
            assert len(truth["stacks"]) > 200


@pytest.mark.live
def test_greenlets_that_never_stand_still_are_never_mixed_up() -> None:
    python = str(standard_environment("21.2.0").python)
    ways = {
        ("turn", "left", "inner_left", "sleep"),
        ("turn", "right", "middle_right", "inner_right", "sleep"),
        ("left", "inner_left", "sleep"),
    }
    seen: set[tuple[str, ...]] = set()
    with TargetProcess(python, PROGRAMS / "greenlet_churn.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            for _ in range(150):
                for code in interpreter.read_suspended().suspended:
                    seen.add(tuple(frame.function for frame in code.frames))
    assert len(seen & ways) >= 2
    # Besides these only outer code of the program, and gevent's own, which stand in no call of ours.
    assert {stack for stack in seen - ways if stack[0] in ("turn", "left", "right")} == set()


@pytest.mark.live
@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_wrong_bytes_never_crash_a_look_and_are_not_remembered(rate: float) -> None:
    python = str(standard_environment("21.2.0").python)
    with TargetProcess(python, GREENLETS, "gevent") as target:
        truth = target.told()
        runtime = find_interpreter(target.pid, Path(f"/proc/{target.pid}/maps").read_text()).runtime_address
        with open_interpreter(target.pid) as honest:
            layout, version = honest.layout, honest.version
        for seed in range(20):
            memory = LyingMemory(target.pid, seed, rate)
            with Interpreter(memory, layout, runtime, version) as interpreter:
                for _ in range(5):
                    interpreter.read_suspended()
                memory.rate = 0
                for _ in range(60):
                    reading = interpreter.read_suspended()
                    if stacks_of(reading) == truth["stacks"]:
                        break
                assert stacks_of(reading) == truth["stacks"]


def test_layouts_by_version() -> None:
    new, old = (3, 11), (3, 10)
    assert read_greenlet_layout("0.4.2", new) is None
    assert read_greenlet_layout("", new) is None
    one, two, three, newest = (read_greenlet_layout(v, new) for v in ("1.1.3.post0", "3.0.3", "3.1.0a1", "9.9"))
    assert one is not None and two is not None and three is not None
    assert (one.implementation, two.implementation) == (None, 32)
    assert (two.back_pointer, three.back_pointer) == (None, 8)
    assert newest == three
    before = read_greenlet_layout("3.0.3", old)
    assert before is not None and before.top_frame == two.top_frame + 16
    hidden = [
        (version, python)
        for version in ("2.0.2", "3.0.0", "3.0.2", "3.0.3", "3.1.1")
        for python in ((3, 11), (3, 12))
        if (layout := read_greenlet_layout(version, python)) is not None and layout.hides_outer_frames
    ]
    assert hidden == [("3.0.0", (3, 12)), ("3.0.2", (3, 12))]
