"""Turns a CPython version into its memory layout: where each field of the structures read here lies, in bytes.

One version is one file in layouts/; adding a version adds a file and changes no code.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import MISSING, dataclass, fields
from importlib import import_module, resources
from typing import Any

# tomllib came with 3.11; tomli is the same parser for 3.10.
_toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


@dataclass(frozen=True, slots=True)
class RuntimeLayout:
    """_PyRuntimeState, and from it PyInterpreterState."""

    interpreters_head: int
    interpreter_next: int
    interpreter_modules: int
    interpreter_threads_head: int
    gc_generations: int | None = None
    """The collector's three generations, in PyInterpreterState; from _PyRuntimeState where `gc_in_runtime` (3.8)."""
    gc_in_runtime: bool = False
    gc_full_collections: int = 152
    """From the generations to a word that each full collection changes: their number, up to 3.13."""


@dataclass(frozen=True, slots=True)
class ThreadLayout:
    """PyThreadState. Where `cframe` is set (3.11, 3.12), `current_frame` is an offset in the _PyCFrame it leads to."""

    next: int
    current_frame: int
    thread_id: int
    cframe: int | None = None
    native_thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class CodeLayout:
    """PyCodeObject. `instructions`: the first instruction itself (3.11+), or a pointer to a bytes object (to 3.10)."""

    filename: int
    name: int
    firstlineno: int
    line_table: int
    instructions: int
    line_table_format: str  # "location" | "linetable" | "lnotab"
    qualname: int | None = None
    local_names: int = 0
    local_names_after: tuple[int, ...] = ()
    """More tuples of names that follow in the frame's locals: cell and free variables, up to 3.10."""
    first_traceable: int | None = None


@dataclass(frozen=True, slots=True)
class GeneratorLayout:
    """PyGenObject, PyCoroObject, PyAsyncGenObject (the same beginning): where the frame is and what state it is in."""

    frame: int
    frame_state: int | None = None
    states: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """_PyInterpreterFrame (kind "embedded", 3.11 and later) or PyFrameObject (kind "object", up to 3.10)."""

    kind: str
    code: int
    previous: int
    instruction: int
    locals: int
    stack_top: int
    stack_top_is_pointer: bool = False
    """`stack_top` points behind the top of the value stack (3.14 and later); else see the frame's kind."""
    tag_bits: int = 0
    """Low bits of stack references that are no part of the address (3.14 and later)."""
    owner: int | None = None
    instruction_unit_bytes: int = 1
    """Unit of `instruction` where it is a number (kind "object"): 3.10 counts in 2-byte units."""
    value_stack: int | None = None
    """Where it is set, `stack_top` counts from there; else that is a pointer behind the top (kind "object")."""
    state: int | None = None
    executing: int | None = None
    """f_state (3.10), or the flag f_executing (3.8 and 3.9)."""
    resume_opcodes: tuple[int, ...] = ()
    """RESUME and its specialised and instrumented forms; the next one's argument tells an await from a yield."""
    yield_from_opcodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectLayout:
    """PyTypeObject, PyUnicodeObject, PyLongObject, PyDictObject, and where an instance keeps its attributes."""

    str_header_ascii: int
    str_header_compact: int
    str_data_pointer: int
    type_cached_keys: int
    int_format: str  # "size" (to 3.11) | "tag" (3.12 and later)
    dict_keys_format: str  # "log2" (3.11 and later) | "size" (to 3.10)
    function_qualname: int
    function_closure: int
    attributes: str  # "dict" | "values_or_dict" | "tagged" | "inline"
    values_first: int = 0
    tuple_items: int = 24


@dataclass(frozen=True, slots=True)
class TaskLayout:
    """TaskObj and FutureObj of the _asyncio module, and what holds every task: sets of asyncio.tasks, by name, and from
    3.14 on circular lists that begin in each thread and interpreter and have a `node` in each task.
    """

    all_tasks: tuple[str, ...]
    future_callback0: int
    future_callbacks: int
    future_state: int
    fut_waiter: int
    coro: int
    name: int
    node: int | None = None
    interpreter_tasks: int = 0
    thread_tasks: int = 0
    c_tasks_known: bool = True
    """False until the offsets that _asyncio publishes were found: it may be loaded later."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All of one CPython version (64-bit, with GIL). `source`: where the numbers are from."""

    version: str
    source: str
    runtime: RuntimeLayout
    thread: ThreadLayout
    code: CodeLayout
    generator: GeneratorLayout
    frame: FrameLayout
    object: ObjectLayout
    task: TaskLayout


class LayoutFileError(ValueError):
    """A layout file lacks a field, or has one that nothing reads."""


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(value.items())
    return value


def _section(cls: Any, table: dict[str, Any], where: str) -> Any:
    known = {field.name for field in fields(cls)}
    if unknown := set(table) - known:
        raise LayoutFileError(f"{where}: unknown {sorted(unknown)}")
    if missing := {f.name for f in fields(cls) if f.default is MISSING} - set(table):
        raise LayoutFileError(f"{where}: missing {sorted(missing)}")
    return cls(**{key: _frozen(value) for key, value in table.items()})


_SECTIONS: dict[str, Any] = {
    "runtime": RuntimeLayout,
    "thread": ThreadLayout,
    "code": CodeLayout,
    "generator": GeneratorLayout,
    "frame": FrameLayout,
    "object": ObjectLayout,
    "task": TaskLayout,
}


def parse_toml(text: str) -> dict[str, Any]:
    """A layout file's text to its tables."""
    tables: dict[str, Any] = _toml.loads(text)
    return tables


def build_layout(tables: dict[str, Any], where: str) -> Layout:
    """The tables of a layout file to a layout; `LayoutFileError` names what is missing or unknown."""
    tables = dict(tables)
    for name, cls in _SECTIONS.items():
        tables[name] = _section(cls, tables.get(name, {}), f"{where} [{name}]")
    layout: Layout = _section(Layout, tables, where)
    return layout


def parse_layout(text: str, where: str = "layout") -> Layout:
    """A layout file's text to a layout; `LayoutFileError` names what is missing or unknown."""
    return build_layout(parse_toml(text), where)


def read_layout_tables(version: str) -> dict[str, Any] | None:
    """The tables of the file of a version such as "3.11", or None where there is none."""
    file = resources.files("gtdiag.interpreter").joinpath("layouts").joinpath(f"cpython-{version}.toml")
    return parse_toml(file.read_text(encoding="utf-8")) if file.is_file() else None


@functools.cache
def read_layout(version: str) -> Layout | None:
    """The layout of a version, or None where there is no file for it or the interpreter itself has to give it."""
    tables = read_layout_tables(version)
    return None if tables is None or "debug_offsets" in tables else build_layout(tables, f"cpython-{version}")


def known_versions() -> tuple[str, ...]:
    """Every version with a layout file, oldest first."""
    folder = resources.files("gtdiag.interpreter").joinpath("layouts")
    found = [
        entry.name[len("cpython-") : -len(".toml")]
        for entry in folder.iterdir()
        if entry.name.startswith("cpython-") and entry.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")]))
