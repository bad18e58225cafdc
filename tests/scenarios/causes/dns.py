"""Name resolution: a name server that never answers, asked by the application, a library, a loop's executor, libpq."""

from __future__ import annotations

from tests.scenarios.cells import FACTORY, LIFESPAN, REQUEST, Cause, Cell


def _name(call: str, **given: object) -> Cause:
    arguments: dict[str, object] = {
        "name": f"dns-{call.replace('_', '-')}",
        "family": "dns",
        "application": "name_resolution",
        "calls": (call,),
        "categories": ("dns",),
        "waits": ("dns",),
        "server": "mute_resolver",
        "variables": {"CALL": call, "RESOLVER": "{host}", "GUNICORN_CMD_ARGS": "--config own_resolver_conf.py"},
        **given,
    }
    return Cause(**arguments)  # type: ignore[arg-type]


GETADDRINFO = _name("resolve_upstream", releases_hub=("gevent", "eventlet"))
REQUESTS = _name("fetch_prices", releases_hub=("gevent", "eventlet"))
LIBPQ = _name("open_database", libraries=("psycopg2",))
ASYNCIO = _name("connect_to_upstream", coroutine=True)
HTTPX_ASYNC = _name("fetch_prices_async", coroutine=True)
# An `async def` that does not await: the loop stands still.
IN_COROUTINE = _name("resolve_in_coroutine")

CELLS: list[Cell] = [
    Cell(GETADDRINFO, fast=True),
    Cell(GETADDRINFO, version="21.2.0", worker="gevent"),
    Cell(GETADDRINFO, version="20.1.0", phase=REQUEST),
    Cell(REQUESTS, version="23.0.0", phase=FACTORY),
    Cell(REQUESTS, version="25.3.0", worker="tornado", phase=REQUEST),
    Cell(LIBPQ, version="22.0.0"),
    Cell(ASYNCIO, version="21.2.0", worker="uvicorn-asyncio", phase=LIFESPAN, fast=True),
    Cell(ASYNCIO, worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(HTTPX_ASYNC, worker="asgi", phase=LIFESPAN),
    Cell(HTTPX_ASYNC, version="26.2.0", worker="uvicorn-asyncio", phase=REQUEST),  # others go on: nothing is wrong
    Cell(IN_COROUTINE, version="23.0.0", worker="uvicorn-asyncio", phase=REQUEST),
]
