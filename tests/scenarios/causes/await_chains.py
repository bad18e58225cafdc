"""Ways to await that hide the call, executors, and synchronous calls inside `async def`."""

from __future__ import annotations

from tests.scenarios.cells import LIFESPAN, REQUEST, Cause, Cell


def _chain(call: str, innermost: str, *, coroutine: bool = True, **given: object) -> Cause:
    arguments: dict[str, object] = {
        "name": f"await-{call.replace('_', '-')}",
        "family": "await chains" if coroutine else "blocked loop",
        "application": "await_chains",
        "calls": (innermost,),
        "categories": ("http",),
        "libraries": ("httpx",),
        "server": "mute",
        "states": ("ESTABLISHED",),
        "coroutine": coroutine,
        "variables": {"CALL": call, "UPSTREAM": "{peer}"},
        **given,
    }
    return Cause(**arguments)  # type: ignore[arg-type]


GATHER = _chain("gather_catalogue", "fetch_prices")
TASK_GROUP = _chain("load_in_task_group", "fetch_prices")
WAIT_FOR = _chain("wait_with_patience", "fetch_prices")
TIMEOUT = _chain("time_out_late", "fetch_prices")
GENERATOR = _chain("read_pages", "pages")
CONTEXT = _chain("enter_upstream", "upstream")
CLASS_CONTEXT = _chain("enter_class", "fetch_prices")
EXECUTOR = _chain("use_executor", "fetch_in_thread")
TO_THREAD = _chain("use_to_thread", "fetch_in_thread")
THREADPOOL = _chain("use_threadpool", "fetch_in_thread")
TASK = _chain("create_and_await_task", "fetch_prices")
SHIELD = _chain("shield_fetch", "fetch_prices")
IN_COROUTINE = _chain("fetch_in_coroutine", "fetch_in_coroutine", coroutine=False)
HELPER_IN_COROUTINE = _chain("call_helper_in_coroutine", "fetch_in_helper", coroutine=False)

CELLS: list[Cell] = [
    Cell(GATHER, version="21.2.0", worker="uvicorn-asyncio", phase=LIFESPAN, fast=True),
    Cell(TASK_GROUP, worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(WAIT_FOR, version="23.0.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(TIMEOUT, worker="asgi", phase=LIFESPAN),
    Cell(GENERATOR, version="25.3.0", worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(CONTEXT, version="22.0.0", worker="uvicorn-uvloop", phase=LIFESPAN, fast=True),
    Cell(CLASS_CONTEXT, version="26.2.0", worker="asgi", phase=LIFESPAN),
    Cell(EXECUTOR, version="21.2.0", worker="uvicorn-uvloop", phase=LIFESPAN, fast=True),
    Cell(EXECUTOR, worker="uvicorn-asyncio", phase=REQUEST),  # the loop goes on: nothing is wrong
    Cell(TO_THREAD, worker="asgi", phase=LIFESPAN),
    Cell(THREADPOOL, version="20.1.0", worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(TASK, version="23.0.0", worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(SHIELD, version="21.2.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(GATHER, version="22.0.0", worker="gthread"),
    Cell(IN_COROUTINE, version="21.2.0", worker="uvicorn-uvloop", phase=REQUEST, fast=True),
    Cell(IN_COROUTINE, worker="asgi", phase=REQUEST),
    Cell(IN_COROUTINE, version="25.3.0", worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(HELPER_IN_COROUTINE, version="23.0.0", worker="uvicorn-asyncio", phase=REQUEST),
    Cell(HELPER_IN_COROUTINE, version="20.1.0", worker="uvicorn-uvloop", phase=REQUEST),
]
