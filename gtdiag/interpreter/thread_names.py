"""The `threading` module of a process to the names of its threads, by pthread's id."""

from __future__ import annotations

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.objects import ObjectReader
from gtdiag.interpreter.threads import ThreadReader

_MODULE, _REGISTER, _NAME = "threading", "_active", "_name"
"""`threading._active` holds each Thread by its id, and a Thread its name in `_name` (CPython 3.8 to 3.15)."""


class ThreadNameReader:
    """Reads the names that a process has given its threads."""

    def __init__(self, objects: ObjectReader, threads: ThreadReader) -> None:
        self._objects = objects
        self._threads = threads

    def read(self) -> dict[int, str]:
        """The names as far as they can be read: a name is a nicety, its stack counts without it."""
        found: dict[int, str] = {}
        try:
            for interpreter in self._threads.interpreters():
                modules = self._threads.modules(interpreter)
                module = self._objects.module(modules, _MODULE) if modules else None
                register = self._objects.attribute(module, _REGISTER) if module else None
                for key, thread in self._objects.dict_entries(register) if register else ():
                    thread_id, name = self._objects.simple_value(key), self._name_of(thread)
                    if isinstance(thread_id, int) and name is not None:
                        found[thread_id] = name
        except InconsistentReadError:
            pass
        return found

    def _name_of(self, thread: int) -> str | None:
        at = self._objects.attribute(thread, _NAME)
        name = self._objects.simple_value(at) if at else None
        return name if isinstance(name, str) else None
