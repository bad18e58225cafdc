"""Layout files: every one is whole, says where its numbers are from, and agrees with what CPython itself publishes."""

from __future__ import annotations

import struct
from importlib import resources
from pathlib import Path

import pytest

from gtdiag.interpreter.debug_offsets import read_published_layout
from gtdiag.interpreter.elf import find_interpreter
from gtdiag.interpreter.layout import Layout, LayoutFileError, known_versions, parse_layout, read_layout
from gtdiag.interpreter.memory import ProcessMemory

from .target_process import PROGRAMS, TargetProcess, interpreters


def published_example(version: str) -> Layout:
    """What a version that publishes its offsets would be, if every word were its own position."""
    published = read_published_layout(version)
    assert published is not None
    words = {name: 8 * position for position, name in enumerate((*published.words, *published.asyncio_words))}
    return published.layout(words, words)


@pytest.mark.parametrize("version", known_versions())
def test_each_layout_is_whole_and_has_a_source(version: str) -> None:
    layout = read_layout(version) or published_example(version)
    assert layout.version == version
    assert len(layout.source) > 20
    assert read_layout("2.7") is None


def text_of(version: str) -> str:
    return resources.files("gtdiag.interpreter").joinpath("layouts").joinpath(f"cpython-{version}.toml").read_text()


def test_a_missing_and_an_unknown_field_are_named() -> None:
    text = text_of("3.11")
    with pytest.raises(LayoutFileError, match="fut_water"):
        parse_layout(text.replace("fut_waiter", "fut_water"))
    with pytest.raises(LayoutFileError, match="firstlineno"):
        parse_layout("\n".join(line for line in text.splitlines() if not line.startswith("firstlineno")))


def test_versions_are_in_order_of_age() -> None:
    versions = known_versions()
    assert {"3.11", "3.12", "3.13"} <= set(versions)
    assert list(versions) == sorted(versions, key=lambda text: tuple(map(int, text.split("."))))


@pytest.mark.live
def test_3_13_agrees_with_the_offsets_it_publishes_for_debuggers() -> None:
    """_Py_DebugOffsets of 3.13 (Include/internal/pycore_runtime.h): words from the start of _PyRuntime, by position."""
    python = interpreters().get("3.13")
    layout = read_layout("3.13")
    if python is None or layout is None:
        pytest.skip("no CPython 3.13 on this machine")
    with TargetProcess(python, PROGRAMS / "many_tasks.py", "1") as target:
        target.told()
        place = find_interpreter(target.pid, Path(f"/proc/{target.pid}/maps").read_text())
        memory = ProcessMemory(target.pid)
        words = struct.unpack("<60Q", memory.read(place.runtime_address, 480))
        memory.close()
    runtime, interpreter, thread, frame, code = 3, 6, 19, 28, 34
    assert words[runtime + 2] == layout.runtime.interpreters_head
    assert words[interpreter + 2] == layout.runtime.interpreter_next
    assert words[interpreter + 3] == layout.runtime.interpreter_threads_head
    assert words[interpreter + 5] == layout.runtime.interpreter_modules
    assert words[thread + 2] == layout.thread.next
    assert words[thread + 4 : thread + 7] == (
        layout.thread.current_frame,
        layout.thread.thread_id,
        layout.thread.native_thread_id,
    )
    assert words[frame + 1 : frame + 6] == (
        layout.frame.previous,
        layout.frame.code,
        layout.frame.instruction,
        layout.frame.locals,
        layout.frame.owner,
    )
    assert words[code + 1 : code + 6] == (
        layout.code.filename,
        layout.code.name,
        layout.code.qualname,
        layout.code.line_table,
        layout.code.firstlineno,
    )
    assert words[code + 7] == layout.code.local_names
    assert words[code + 9] == layout.code.instructions
