"""A master's pid to its version and effective settings: its memory first, then its control socket, then the disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gtdiag.collectors.clock import Clock
from gtdiag.collectors.permissions import say_rerun
from gtdiag.errors import GtdiagError
from gtdiag.gunicorn.control_socket import read_control_socket
from gtdiag.gunicorn.heartbeat_filesystem import read_heartbeat_filesystem
from gtdiag.gunicorn.settings import Settings, read_settings
from gtdiag.gunicorn.version import read_installed_version, read_python_version
from gtdiag.model.events import CollectionGap, Event, MasterSettings
from gtdiag.model.identity import Origin

if TYPE_CHECKING:
    from gtdiag.interpreter import Interpreter, RemoteObject

IN_MEMORY = (
    "worker_class",
    "graceful_timeout",
    "preload_app",
    "max_requests",
    "errorlog",
    "chdir",
    "logconfig",
    "wsgi_app",
    "default_proc_name",
)
"""Settings read from the arbiter's `cfg.settings[NAME].value` (the same in 20.1.0 to 27.0.1)."""

ARBITER_FILE = "gunicorn/arbiter.py"

RESOLUTION_S = 0.01


@dataclass(frozen=True, slots=True)
class MasterFacts:
    """What was found out about a master. `values` are gunicorn's settings by name; `problems` what may be wrong."""

    version: str | None
    python: str | None
    values: dict[str, object]
    application: str | None
    working_directory: str | None
    source: str
    problems: tuple[str, ...] = ()
    hint: str = ""
    heartbeat_filesystem: str | None = None

    def number(self, name: str) -> float | None:
        """A setting as a number."""
        value = self.values.get(name)
        with contextlib.suppress(TypeError, ValueError):
            return None if value is None else float(value)  # type: ignore[arg-type]
        return None

    def text(self, name: str) -> str | None:
        """A setting as text."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def read_master(pid: int, open_interpreter: Callable[[int], Interpreter] | None = None) -> MasterFacts:
    """Read a master's settings, the best source that can be read winning. Raises ProcessLookupError when it is gone."""
    on_disk = read_settings(pid)
    memory, version, python, why, hint = _read_memory(pid, open_interpreter or _open)
    told = {} if memory else read_control_socket(pid, on_disk.text("control_socket"))
    values = {**on_disk.values, **told, **memory}
    problems = [] if memory or told else list(on_disk.incomplete)
    if problems and why:
        problems.append(f"the arbiter's settings could not be read from memory: {why}")
    try:
        working_directory = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
    except OSError:
        working_directory = None
    return MasterFacts(
        version=version or read_installed_version(pid),
        python=python or read_python_version(pid),
        values=values,
        application=_application(on_disk, memory),
        working_directory=working_directory,
        source="memory" if memory else "control_socket" if told else on_disk.best_source,
        problems=tuple(problems),
        hint=hint,
        heartbeat_filesystem=read_heartbeat_filesystem(pid),
    )


def master_events(pid: int, facts: MasterFacts, clock: Clock, started_at: datetime | None = None) -> list[Event]:
    """The events that say it: MasterSettings, and one gap where a setting may be wrong."""
    origin, at = Origin("master"), clock.now()
    workers, max_requests = facts.number("workers"), facts.number("max_requests")
    preload = facts.values.get("preload_app")
    events: list[Event] = [
        MasterSettings(
            origin=origin,
            at=at,
            resolution_s=RESOLUTION_S,
            master_pid=pid,
            version=facts.version,
            worker_class=facts.text("worker_class"),
            workers=None if workers is None else int(workers),
            timeout_s=facts.number("timeout"),
            graceful_timeout_s=facts.number("graceful_timeout"),
            preload=preload if isinstance(preload, bool) else None,
            max_requests=None if max_requests is None else int(max_requests),
            python=facts.python,
            application=facts.application,
            working_directory=facts.working_directory,
            settings_source=facts.source,
            heartbeat_filesystem=facts.heartbeat_filesystem,
            started_at=started_at,
        )
    ]
    if facts.problems:
        events.append(
            CollectionGap(
                origin=origin,
                at=at,
                resolution_s=RESOLUTION_S,
                master_pid=pid,
                what="settings",
                why="; ".join(facts.problems),
                hint=facts.hint or say_rerun(pid),
            )
        )
    return events


def _application(on_disk: Settings, memory: dict[str, object]) -> str | None:
    if on_disk.application is not None:
        return on_disk.application
    for name in ("wsgi_app", "default_proc_name"):
        # gunicorn sets default_proc_name to what it was told to load (wsgiapp.py of 19 to 27).
        value = memory.get(name)
        if isinstance(value, str) and value != "gunicorn":
            return value
    return None


def _read_memory(
    pid: int, open_interpreter: Callable[[int], Interpreter]
) -> tuple[dict[str, object], str | None, str | None, str, str]:
    """Settings, gunicorn's version, Python's version, and why there are none."""
    try:
        interpreter = open_interpreter(pid)
    except GtdiagError as error:
        return {}, None, None, getattr(error, "why", "") or error.message, _hint_for_here(error.hint, pid)
    except (OSError, ImportError) as error:
        return {}, None, None, str(error), ""
    values: dict[str, object] = {}
    version: str | None = None
    python: str | None = None
    why = ""
    try:
        with contextlib.suppress(GtdiagError):
            version = interpreter.read_module_string("gunicorn", "__version__")
        python = str(interpreter.version)
        # A master that loads the application itself (`--preload`) does so in `setup`, with its settings in place.
        arbiter = interpreter.read_self_of_frame("run", ARBITER_FILE) or interpreter.read_self_of_frame(
            "setup", ARBITER_FILE
        )
        if arbiter is None:
            why = "no arbiter is running in it yet"
        else:
            values = _arbiter_settings(arbiter)
    except GtdiagError as error:
        why = getattr(error, "why", "") or error.message
    finally:
        interpreter.close()
    return values, version, python, why, ""


def _hint_for_here(hint: str, pid: int) -> str:
    """In a container there is no sudo."""
    return say_rerun(pid) if hint.startswith("sudo ") else hint


def _arbiter_settings(arbiter: RemoteObject) -> dict[str, object]:
    """Its own attributes where it has them (TTIN and TTOU change `num_workers` only there), else its `cfg`."""
    values: dict[str, object] = {}
    cfg = arbiter.attribute("cfg")
    settings = cfg.attribute("settings") if cfg is not None else None
    for name in IN_MEMORY if settings is not None else ():
        setting = settings.item(name) if settings is not None else None
        held = setting.attribute("value") if setting is not None else None
        if held is None:
            continue
        value = held.value()
        # A setting that is None must not hide behind what the command line says, nor a class behind its type's name.
        if value is not None or held.type_name == "NoneType":
            values[name] = value
    for attribute, name in (("timeout", "timeout"), ("num_workers", "workers")):
        held = arbiter.attribute(attribute)
        value = held.value() if held is not None else None
        if isinstance(value, (int, float)):
            values[name] = value
    return values if "timeout" in values else {}


def _open(pid: int) -> Interpreter:
    # Imported when first needed: reading ELF files is no part of an ordinary start.
    from gtdiag.interpreter import open_interpreter

    return open_interpreter(pid)
