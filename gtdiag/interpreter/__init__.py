"""Reads a CPython interpreter in another process, from its memory, without stopping it: suspended tasks and objects."""

from __future__ import annotations

from gtdiag.interpreter.errors import (
    InterpreterAccessError,
    InterpreterGoneError,
    InterpreterStartingError,
    UnsupportedInterpreterError,
)
from gtdiag.interpreter.reader import Interpreter, PythonVersion, RemoteObject, open_interpreter
from gtdiag.interpreter.requests_in_flight import RequestSeen
from gtdiag.interpreter.tasks import SuspendedReading

__all__ = [
    "Interpreter",
    "InterpreterAccessError",
    "InterpreterGoneError",
    "InterpreterStartingError",
    "PythonVersion",
    "RemoteObject",
    "RequestSeen",
    "SuspendedReading",
    "UnsupportedInterpreterError",
    "open_interpreter",
]
