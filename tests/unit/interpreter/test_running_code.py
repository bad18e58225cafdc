"""Code that runs, code that never began, threads, and single objects read by the frame that holds them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gtdiag.interpreter import Interpreter, open_interpreter

from .target_process import PROGRAMS, TargetProcess

pytestmark = pytest.mark.live


@pytest.fixture(params=["instance", "dict"])
def interpreter(python: str, request: pytest.FixtureRequest) -> Iterator[Interpreter]:
    with TargetProcess(python, PROGRAMS / "running_code.py", request.param) as target:
        target.told()
        with open_interpreter(target.pid) as opened:
            yield opened


def names(frames: object) -> list[str]:
    return [frame.function.rpartition(".")[2] for frame in frames]  # type: ignore[attr-defined]


def test_a_blocking_call_in_the_loop_is_seen_as_running_with_its_plain_frames(interpreter: Interpreter) -> None:
    tasks = {code.name: code for code in interpreter.read_suspended().suspended}
    running = tasks["running"]
    assert running.running
    assert running.complete
    assert running.awaits is None
    assert names(running.frames) == ["outer", "handler", "blocking_call"]
    assert [frame.line for frame in running.frames] == [
        line_of("await handler()"),
        line_of("    blocking_call()"),
        line_of("os.read(0, 1)"),
    ]


def line_of(text: str) -> int:
    lines = (PROGRAMS / "running_code.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line and not line.startswith("def"))


def test_a_task_that_waits_for_running_code_shows_that_code(interpreter: Interpreter) -> None:
    tasks = {code.name: code for code in interpreter.read_suspended().suspended}
    assert names(tasks["waits"].frames) == ["waits_for_blocked", "outer", "handler", "blocking_call"]
    assert tasks["waits"].through == ("running",)


def test_a_task_that_never_began_has_its_first_line(interpreter: Interpreter) -> None:
    tasks = {code.name: code for code in interpreter.read_suspended().suspended}
    code = tasks["never began"]
    assert names(code.frames) == ["never_began"]
    assert code.frames[0].line == line_of("async def never_began")
    assert not code.running
    assert code.complete


def test_threads_with_their_frames(interpreter: Interpreter) -> None:
    # The third one tells that all is ready, and then ends.
    threads = [thread for thread in interpreter.read_threads() if "tell" not in names(thread.frames)]
    assert len(threads) == 2
    main = [thread for thread in threads if names(thread.frames)[-1] == "blocking_call"]
    assert len(main) == 1
    assert names(main[0].frames)[0] == "<module>"
    if interpreter.version >= (3, 11, 0):
        assert main[0].main
        assert main[0].native_thread_id == interpreter.pid
    arbiter = next(thread for thread in threads if "run" in names(thread.frames) and not thread.main)
    at = names(arbiter.frames).index("call")
    assert names(arbiter.frames)[at - 2 : at + 2] == ["run", "run", "call", "wait"]


def test_the_self_of_a_running_method_and_all_that_hangs_on_it(interpreter: Interpreter) -> None:
    arbiter = interpreter.read_self_of_frame("run", "running_code.py")
    assert arbiter is not None
    assert arbiter.type_name in ("Arbiter", "Slotted")

    def value(name: str) -> object:
        attribute = arbiter.attribute(name)
        assert attribute is not None, name
        return attribute.value()

    assert value("timeout") == 30
    assert value("num_workers") == 4
    assert value("ratio") == 0.25
    assert value("huge") == -(2**70)
    assert value("nothing") is None
    assert value("preload") is True
    assert value("text") == "größe 𐌼"
    workers = arbiter.attribute("WORKERS")
    assert workers is not None
    assert workers.keys() == (4711, 4712)
    assert workers.length() == 2
    listeners = arbiter.attribute("LISTENERS")
    assert listeners is not None
    assert listeners.type_name == "list"
    assert listeners.length() == 0
    listed = arbiter.attribute("names")
    assert listed is not None
    assert (item := listed.item(-1)) is not None
    assert item.value() == "b"
    assert listed.item(2) is None
    settings = arbiter.attribute("cfg").attribute("settings")  # type: ignore[union-attr]
    assert settings.item("worker_class").attribute("value").value() == "uvicorn.workers.UvicornWorker"  # type: ignore[union-attr]
    assert settings.item("no such") is None  # type: ignore[union-attr]
    assert arbiter.attribute("no_such") is None
    assert set(arbiter.keys()) >= {"timeout", "cfg", "_num_workers"}


def test_no_such_frame_is_none(interpreter: Interpreter) -> None:
    assert interpreter.read_self_of_frame("run", "gunicorn/arbiter.py") is None
    assert interpreter.read_self_of_frame("call", "running_code.py") is None


def test_strings_of_modules(interpreter: Interpreter) -> None:
    version = interpreter.read_module_string("sys", "version")
    assert version is not None
    assert version.startswith(str(interpreter.version))
    assert interpreter.read_module_string("__main__", "SETTING") == "a string in a module"
    assert interpreter.read_module_string("__main__", "no_such") is None
    assert interpreter.read_module_string("no_such_module", "__version__") is None
    assert interpreter.read_module_string("sys", "maxsize") is None
