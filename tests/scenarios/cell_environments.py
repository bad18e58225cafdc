"""The virtual environment of a cell: one gunicorn and its uvicorn, and the libraries all cells of a CPython share."""

from __future__ import annotations

import functools
import threading

from tests.environments import Environment, EnvironmentBuildError, Libraries, gunicorn_environment, shared_libraries
from tests.scenarios.cells import PYTHON, Cell, major
from tests.unit.interpreter.target_process import interpreters

MAIN_LIBRARIES = (
    "fastapi",
    "asyncpg",
    "httpx",
    "psycopg2-binary",
    "requests",
    "uvloop",
    "httptools",
    "gevent",
    "redis",
)
"""What the main case and its worker classes need: installed for every CPython, as far as there are wheels."""

LIBRARIES = (
    *MAIN_LIBRARIES,
    "tornado",
    "psycopg[binary]",
    "psycopg-pool",
    "sqlalchemy",
    "django",
    "alembic",
    "pymysql",
    "pymongo",
    "pika",
    "kafka-python",
    "flask",
    "urllib3",
    "aiohttp",
    "botocore",
    "grpcio",
    "numpy",
    "joblib",
    "filelock",
)
"""What all causes need; for the CPython of most cells."""

_LOCK = threading.RLock()
"""Cells run in threads, and `functools.cache` does not keep two of them from the same work."""


class NotRunError(Exception):
    """The cell cannot be run on this machine; the message says why."""


def environment_of(cell: Cell) -> Environment:
    """The environment to run this cell in; built when it is not there yet. Raises NotRunError."""
    with _LOCK:
        libraries = _libraries(cell.python)
        missing = set(cell.cause.needs) & set(libraries.missing)
        if missing:
            raise NotRunError(f"no wheel of {', '.join(sorted(missing))} for CPython {cell.python}")
        return _environment(cell.version, cell.python)


@functools.cache
def _interpreter(python: str) -> str:
    found = interpreters().get(python)
    if found is None:
        raise NotRunError(f"no CPython {python} on this machine")
    return found


@functools.cache
def _libraries(python: str) -> Libraries:
    wanted = LIBRARIES if python == PYTHON else MAIN_LIBRARIES
    try:
        return shared_libraries(*wanted, python=_interpreter(python))
    except EnvironmentBuildError as error:
        raise NotRunError(f"no libraries for CPython {python}: {_last_line(error)}") from error


@functools.cache
def _environment(version: str, python: str) -> Environment:
    uvicorn = ("uvicorn", "uvicorn-worker") if major(version) >= 26 else ("uvicorn<0.30",)
    eventlet = ("eventlet",) if major(version) <= 25 else ()
    try:
        return gunicorn_environment(
            version, *uvicorn, *eventlet, "packaging", python=_interpreter(python), libraries=_libraries(python)
        )
    except EnvironmentBuildError as error:
        raise NotRunError(f"no gunicorn {version} for CPython {python}: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
