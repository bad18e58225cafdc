"""A master's pid, or only this host, to the facts that decide what gtdiag can observe here."""

from __future__ import annotations

import os

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.heartbeats import read_heartbeat
from gtdiag.collectors.host_rights import collect_host_facts
from gtdiag.collectors.log_choice import find_masters_log
from gtdiag.collectors.master import read_master
from gtdiag.collectors.own_rights import collect_own_facts
from gtdiag.collectors.process_rights import collect_place_facts, collect_process_facts
from gtdiag.collectors.processes import WorkerFinder, WorkerProcess
from gtdiag.collectors.stacks import StackReader, StackReadError
from gtdiag.errors import GtdiagError
from gtdiag.gunicorn.control_socket import read_control_socket
from gtdiag.gunicorn.heartbeat import major_of
from gtdiag.gunicorn.settings import read_settings
from gtdiag.interpreter import open_interpreter
from gtdiag.interpreter.layout import known_versions
from gtdiag.model.observability import Attempt, LogFacts, MasterFacts, ObservabilityFacts

FIRST_CONTROL_SOCKET = (25, 1)
"""gunicorn 25.1.0 has it; `--no-control-socket` turns it off."""


def collect_observability(pid: int | None, *, is_gunicorn: bool | None = True) -> ObservabilityFacts:
    """Look at this host and, where a pid is given, at that master with its workers.

    `is_gunicorn`: None where this user could not find out whether it is one. Raises ProcessLookupError when it is gone.
    """
    return ObservabilityFacts(
        own=collect_own_facts(),
        host=collect_host_facts(os.getpid() if pid is None else pid),
        master=None if pid is None else _collect_master(pid, is_gunicorn),
    )


def _collect_master(pid: int, is_gunicorn: bool | None) -> MasterFacts:
    facts = read_master(pid)
    finder = WorkerFinder(pid)
    workers = finder.find()
    python, python_known, interpreter = _try_interpreter(pid, facts.python)
    location = find_masters_log(pid, facts)
    followed = location.path is not None or bool(location.journal)
    return MasterFacts(
        process=collect_process_facts(pid, pid),
        is_gunicorn=is_gunicorn,
        place=collect_place_facts(pid),
        log=LogFacts(location.shown, followed, location.why, location.hint),
        version=facts.version,
        worker_class=facts.text("worker_class"),
        timeout_s=facts.number("timeout"),
        settings_from=facts.source,
        settings_doubt="; ".join(facts.problems),
        settings_hint=facts.hint,
        python=python,
        python_known=python_known,
        interpreter=interpreter,
        stacks=_try_stacks(pid),
        control_socket=_try_control_socket(pid, facts.version),
        workers=tuple(collect_process_facts(worker.id.pid, pid) for worker in workers),
        heartbeats=sum(_beat_is_readable(worker, facts.version) for worker in workers),
    )


def _try_interpreter(pid: int, python: str | None) -> tuple[str | None, bool | None, Attempt | None]:
    """Version, whether its layout is known, and whether the interpreter could be opened and checked."""
    try:
        with open_interpreter(pid) as interpreter:
            return str(interpreter.version), True, Attempt(True)
    except GtdiagError as error:
        attempt = Attempt(False, getattr(error, "why", "") or error.message, error.hint)
    except (OSError, ImportError) as error:
        attempt = Attempt(False, str(error))
    known = None if python is None else ".".join(python.split(".")[:2]) in known_versions()
    return python, known, attempt


def _try_stacks(pid: int) -> Attempt | None:
    """One real look with py-spy, which decides more than its version."""
    try:
        StackReader.found().read(pid)
    except StackReadError as error:
        return Attempt(False, error.why, error.hint)
    return Attempt(True)


def _try_control_socket(pid: int, version: str | None) -> bool | None:
    numbers = tuple(int(part) for part in (version or "").split(".")[:2] if part.isdigit())
    if numbers < FIRST_CONTROL_SOCKET:
        return None
    return bool(read_control_socket(pid, read_settings(pid).text("control_socket")))


def _beat_is_readable(worker: WorkerProcess, version: str | None) -> bool:
    if worker.heartbeat_file is None:
        return False
    try:
        return read_heartbeat(worker.heartbeat_file, SystemClock(), major_of(version)) is not None
    except PermissionError:
        return False
