"""Waits on this machine: locks, child processes, sleeps, computing, and some that are no trouble."""

from __future__ import annotations

from tests.scenarios.cells import FACTORY, LIFESPAN, PRELOAD, PYTHON, REQUEST, Cause, Cell, over


def _wait(call: str, category: str, wait: str | tuple[str, ...], **given: object) -> Cause:
    arguments: dict[str, object] = {
        "name": f"{category}-{call.replace('_', '-')}",
        "family": category,
        "application": "local_waits",
        "calls": (call,),
        "categories": (category,),
        "waits": (wait,) if isinstance(wait, str) else wait,
        "variables": {"CALL": call},
        **given,
    }
    return Cause(**arguments)  # type: ignore[arg-type]


NOTHING_WRONG = {"kind": None, "patterns": ()}

LOCK = _wait("take_lock_twice", "lock", "lock")
EVENT = _wait("wait_for_event", "lock", "lock", libraries=("threading",))
# `acquire` of a lock is a C function without a frame, and C libraries wait for their own threads in the same system
# call: beside another thread no more than low confidence is to be had of it.
LOCK_BESIDE_A_THREAD = _wait("take_lock_beside_a_thread", "lock", "lock")
QUEUE = _wait("take_from_queue", "lock", "lock")
PROCESS_LOCK = _wait("take_process_lock", "lock", "lock")
FLOCK = _wait("take_file_lock", "lock", "file_lock")
LOCKF = _wait("take_record_lock", "lock", "file_lock")
# It tries again and again, with a sleep in between.
FILELOCK = _wait("take_lock_of_filelock", "lock", ("file_lock", "sleep", "lock"), libraries=("filelock",))
LOOP_LOCK = _wait("take_loop_lock", "lock", ("lock", "event_loop"), coroutine=True)
FORKED_LOCK = Cause("lock-through-fork", "lock", "lock_through_fork", ("render_page",), ("lock",), (), ("lock",))

RUN = _wait("run_command", "subprocess", "child", libraries=("subprocess",))
CHECK_OUTPUT = _wait("read_output_of_command", "subprocess", "child", libraries=("subprocess",))
COMMUNICATE = _wait("communicate_with_command", "subprocess", "child", libraries=("subprocess",))
SHELL = _wait("run_in_shell", "subprocess", "child")
ASYNC_COMMAND = _wait("run_command_in_loop", "subprocess", ("child", "event_loop"), coroutine=True)
COMMAND_IN_COROUTINE = _wait("run_command_in_coroutine", "subprocess", "child")

SLEEP = _wait("sleep_long", "sleep", "sleep", releases_hub=("gevent", "eventlet"))
# Up to CPython 3.10 nothing says which thread of the kernel's a Python thread is, once there are several.
SLEEP_BESIDE_A_THREAD = _wait("sleep_beside_a_thread", "sleep", "sleep", calls=("sleep_long",))
SLEEP_IN_POOL = _wait("sleep_in_pool", "sleep", "sleep", calls=("sleep_long",), coroutine=True)
ASYNC_SLEEP = _wait("sleep_in_loop", "sleep", "sleep", coroutine=True)
# An `async def` that does not await: the loop stands still.
SLEEP_IN_COROUTINE = _wait("sleep_in_coroutine", "sleep", "sleep")
SHORT_SLEEP = _wait("sleep_for_two_seconds", "sleep", "sleep", truth=NOTHING_WRONG)

PYTHON_LOOP = _wait("count_in_python", "cpu", "cpu")
REGULAR_EXPRESSION = _wait("match_catastrophically", "cpu", "cpu")
C_WITH_GIL = _wait("sum_in_c", "cpu", "cpu")
C_WITHOUT_GIL = _wait("hash_in_c", "cpu", "cpu")
# Computing in a coroutine holds up the loop as well, but it is no call that blocks: nothing to hand to a thread.
LOOP_IN_COROUTINE = _wait("count_in_coroutine", "cpu", "cpu", calls=("count_in_python",), truth={"patterns": ()})
SHORT_LOOP = _wait("count_for_two_seconds", "cpu", "cpu", truth=NOTHING_WRONG)

# Nothing beats while another thread keeps the interpreter's lock.
HELD_GIL = {
    "kind": "worker_timeout",
    "phase": "serving",
    "killed_by": ("gunicorn",),
}

CELLS: list[Cell] = [
    Cell(LOCK, version="22.0.0"),
    Cell(LOCK, version="21.2.0", phase=REQUEST),
    Cell(LOCK_BESIDE_A_THREAD, version="25.3.0"),
    Cell(EVENT, version="20.1.0", worker="gthread"),
    Cell(EVENT, worker="gthread", phase=REQUEST),  # it beats in another thread: nothing is wrong for gunicorn
    Cell(QUEUE, version="25.3.0", worker="tornado", phase=REQUEST),
    Cell(PROCESS_LOCK, version="23.0.0"),
    Cell(FLOCK, version="21.2.0", fast=True),
    Cell(FLOCK, phase=PRELOAD),
    Cell(LOCKF, version="26.2.0", worker="gevent"),
    Cell(FILELOCK, version="20.1.0", phase=FACTORY),
    Cell(FILELOCK, workers=3),
    Cell(LOOP_LOCK, worker="asgi", phase=LIFESPAN),
    Cell(FORKED_LOCK, version="22.0.0", phase=REQUEST, options=("--preload",)),
    Cell(RUN, version="23.0.0", fast=True),
    Cell(RUN, version="21.2.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(CHECK_OUTPUT, version="20.1.0", phase=REQUEST),
    Cell(COMMUNICATE),
    Cell(COMMUNICATE, version="25.3.0", worker="eventlet"),
    Cell(SHELL, version="22.0.0", phase=FACTORY),
    Cell(ASYNC_COMMAND, version="23.0.0", worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(ASYNC_COMMAND, worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(COMMAND_IN_COROUTINE, worker="asgi", phase=REQUEST),
    Cell(SLEEP, version="26.2.0"),
    Cell(SLEEP, version="21.2.0", worker="gevent"),
    Cell(SLEEP, version="25.3.0", worker="gevent", phase=REQUEST),  # others go on: nothing is wrong
    Cell(SLEEP, version="23.0.0", phase=REQUEST, fast=True),
    *over(SLEEP, version=("23.0.0",), python=("3.8", "3.10")),
    *over(SLEEP_BESIDE_A_THREAD, version=("23.0.0",), python=("3.8", "3.9", "3.10", PYTHON), phase=(REQUEST,)),
    *over(SLEEP_IN_POOL, version=("21.2.0",), python=("3.9", PYTHON), worker=("uvicorn-asyncio",), phase=(LIFESPAN,)),
    Cell(ASYNC_SLEEP, version="22.0.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(ASYNC_SLEEP, version="21.2.0", worker="uvicorn-uvloop", phase=REQUEST),  # others go on
    Cell(SLEEP_IN_COROUTINE, version="23.0.0", worker="uvicorn-uvloop", phase=REQUEST),
    Cell(SHORT_SLEEP, version="21.2.0", timeout_s=6),
    Cell(SHORT_SLEEP, phase=REQUEST, timeout_s=6, fast=True),
    Cell(SHORT_SLEEP, worker="uvicorn-asyncio", phase=LIFESPAN, timeout_s=6),
    Cell(PYTHON_LOOP, version="21.2.0", phase=REQUEST),
    Cell(PYTHON_LOOP, worker="gevent", phase=REQUEST),
    Cell(REGULAR_EXPRESSION, version="23.0.0", phase=REQUEST),
    Cell(REGULAR_EXPRESSION, version="20.1.0"),
    Cell(C_WITH_GIL, worker="gthread", phase=REQUEST, truth=HELD_GIL),
    Cell(C_WITH_GIL, version="25.3.0"),
    Cell(C_WITHOUT_GIL, version="22.0.0", phase=REQUEST),
    Cell(LOOP_IN_COROUTINE, version="26.2.0", worker="uvicorn-uvloop", phase=REQUEST),
    Cell(SHORT_LOOP, version="20.1.0", phase=REQUEST, timeout_s=6),
    Cell(SHORT_LOOP, worker="asgi", phase=REQUEST, timeout_s=6),
]
