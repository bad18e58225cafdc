"""Ends that are no hang (crashes, exit codes, kills, memory), idle clients, and workers that are only recycled."""

from __future__ import annotations

from tests.scenarios.cells import IMPORT, REQUEST, Cause, Cell


def _end(
    name: str, call: str, kind: str | None, phase: str = "serving", killed_by: str = "none", **given: object
) -> Cause:
    truth = {"kind": kind, "phase": phase, "killed_by": (killed_by,), "blamed": False, "patterns": ()}
    arguments: dict[str, object] = {
        "name": f"end-{name}",
        "family": "endings",
        "application": "endings",
        "calls": (),
        "categories": (),
        "waits": (),
        "variables": {"CALL": call},
        **given,
    }
    arguments["truth"] = {**truth, **arguments.get("truth", {})}  # type: ignore[dict-item]
    return Cause(**arguments)  # type: ignore[arg-type]


CRASH = _end("sigsegv", "crash_in_c", "worker_crash")
CRASH_STARTING = _end("sigsegv", "crash_while_starting", "worker_crash", "startup")
LEAVES_WITH_1 = _end("exit-1", "leave_with_1", "worker_exit")
EXITS_STARTING = _end("exit-1", "exit_while_starting", "worker_exit", "startup")
EXIT_3 = _end("exit-3", "raise_while_starting", "boot_failure", "startup")
EXIT_4 = _end("exit-4", "answer", "boot_failure", "startup", application="no_application")
# Somebody else's SIGKILL: gunicorn 21 and later ask "Perhaps out of memory?", and it was not.
KILLED = _end("sigkill", "answer", "external_kill", killed_by="external")
KILLED_STARTING = _end(
    "sigkill",
    "sleep_long",
    "external_kill",
    "startup",
    "external",
    application="local_waits",
    # The next one hangs as well. "Perhaps out of memory?" is as misleading as while serving.
    truth={"also": ("startup_hang", "worker_timeout"), "forbidden": ("restart_loop",)},
)

IN_CGROUP = {"CGROUP": "{host}", "GUNICORN_CMD_ARGS": "--config memory_cgroup_conf.py"}
GROWS = _end(
    "out-of-memory",
    "grow",
    "oom_kill",
    killed_by="kernel_oom",
    server="memory_cgroup",
    variables={"CALL": "grow", **IN_CGROUP},
    truth={"forbidden": ("misleading_oom_message",)},
)
GROWS_STARTING = _end(
    "out-of-memory",
    "grow_while_starting",
    "oom_kill",
    "startup",
    "kernel_oom",
    server="memory_cgroup",
    variables={"CALL": "grow_while_starting", **IN_CGROUP},
    truth={"forbidden": ("misleading_oom_message", "silent_startup_hang")},
)
GROWS_A_LITTLE = _end(
    "some-memory",
    "grow_a_little",
    None,
    server="memory_cgroup",
    variables={"CALL": "grow_a_little", **IN_CGROUP},
)

# gunicorn reads from a client that sends nothing: no function of the application has a part in it.
IDLE_CLIENT = _end(
    "idle-client",
    "answer",
    "worker_timeout",
    killed_by="gunicorn",
    categories=("network",),
    waits=("socket",),
    client="idle",
    truth={"blamed": True},
)
IDLE_CLIENT_NO_MATTER = _end("idle-client-no-matter", "answer", None, client="idle")
# A worker that somebody asks to stop stops in order, and is replaced.
STOPPED = _end("sigterm", "answer", None)
RECYCLED = _end("recycled", "answer", None)

CELLS: list[Cell] = [
    Cell(CRASH, version="21.2.0", phase=REQUEST, fast=True),
    Cell(CRASH, worker="gthread", phase=REQUEST),
    Cell(CRASH, version="23.0.0", worker="uvicorn-uvloop", phase=REQUEST),
    Cell(CRASH, version="20.1.0", phase=REQUEST),
    Cell(CRASH_STARTING, version="25.3.0", phase=IMPORT, timeout_s=6),
    Cell(LEAVES_WITH_1, version="22.0.0", phase=REQUEST),
    Cell(LEAVES_WITH_1, worker="asgi", phase=REQUEST),
    Cell(EXITS_STARTING, version="21.2.0", phase=IMPORT, timeout_s=6),
    Cell(EXITS_STARTING, phase=IMPORT, worker="gevent", timeout_s=6),
    Cell(EXIT_3, version="23.0.0", phase=IMPORT, timeout_s=6, fast=True),
    Cell(EXIT_3, version="26.2.0", worker="uvicorn-asyncio", phase=IMPORT, timeout_s=6),
    Cell(EXIT_3, version="20.1.0", phase=IMPORT, timeout_s=6),
    Cell(EXIT_4, version="21.2.0", phase=IMPORT, timeout_s=6),
    Cell(EXIT_4, phase=IMPORT, timeout_s=6),
    Cell(KILLED, version="20.1.0", phase=REQUEST, kill="SIGKILL"),
    Cell(KILLED, version="21.2.0", phase=REQUEST, kill="SIGKILL", workers=2, fast=True),
    Cell(KILLED, worker="uvicorn-uvloop", phase=REQUEST, kill="SIGKILL"),
    Cell(KILLED, version="25.3.0", worker="gthread", phase=REQUEST, kill="SIGKILL"),
    Cell(KILLED_STARTING, version="23.0.0", phase=IMPORT, kill="SIGKILL", variables={"CALL": "sleep_long"}),
    Cell(GROWS, version="21.2.0", phase=REQUEST, fast=True),
    Cell(GROWS, worker="gthread", phase=REQUEST),
    Cell(GROWS, version="20.1.0", phase=REQUEST),
    Cell(GROWS_STARTING, version="23.0.0", phase=IMPORT, timeout_s=6),
    Cell(GROWS_A_LITTLE, phase=REQUEST),
    Cell(IDLE_CLIENT, version="21.2.0", phase=REQUEST),
    Cell(IDLE_CLIENT, phase=REQUEST, fast=True),
    Cell(IDLE_CLIENT_NO_MATTER, version="22.0.0", worker="gthread", phase=REQUEST),
    Cell(IDLE_CLIENT_NO_MATTER, worker="gevent", phase=REQUEST),
    Cell(IDLE_CLIENT_NO_MATTER, version="23.0.0", worker="uvicorn-uvloop", phase=REQUEST),
    Cell(STOPPED, version="21.2.0", phase=REQUEST, kill="SIGTERM"),
    Cell(STOPPED, phase=REQUEST, kill="SIGTERM"),
    Cell(STOPPED, version="23.0.0", worker="uvicorn-uvloop", phase=REQUEST, kill="SIGTERM"),
    Cell(RECYCLED, version="21.2.0", phase=REQUEST, options=("--max-requests", "1")),
    Cell(RECYCLED, worker="uvicorn-asyncio", phase=REQUEST, options=("--max-requests", "1")),
]
