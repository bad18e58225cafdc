"""HTTP and gRPC clients: an upstream that is mute, that refuses, that cannot be reached, that trickles."""

from __future__ import annotations

from tests.scenarios.cells import FACTORY, LIFESPAN, PRELOAD, REQUEST, Cause, Cell


def _client(call: str, library: str, server: str = "mute", **given: object) -> Cause:
    state = {"mute": "ESTABLISHED", "trickling": "ESTABLISHED", "full_backlog": "SYN_SENT"}.get(server)
    how = "" if server == "mute" else f"-{server.replace('_', '-')}"
    arguments: dict[str, object] = {
        "name": f"http-{call.removeprefix('fetch_with_').replace('_', '-')}{how}",
        "family": "http",
        "application": "http_clients",
        "calls": (call,),
        "categories": ("http",),
        "libraries": (library,),
        "server": server,
        "states": (state,) if state else (),
        "variables": {"CALL": call, "UPSTREAM": "{peer}"},
        **given,
    }
    return Cause(**arguments)  # type: ignore[arg-type]


REQUESTS = _client("fetch_with_requests", "requests", releases_hub=("gevent", "eventlet"))
REQUESTS_UNREACHABLE = _client("fetch_with_requests", "requests", "full_backlog", releases_hub=("gevent", "eventlet"))
REQUESTS_TRICKLING = _client("fetch_with_requests", "requests", "trickling", releases_hub=("gevent", "eventlet"))
# Refused at once, it sleeps between its tries: 0, 4, 8, 16 s and so on.
REQUESTS_RETRIES = _client("fetch_with_retries", "requests", "refusing", waits=("sleep",))
URLLIB3 = _client("fetch_with_urllib3", "urllib3")
URLLIB = _client("fetch_with_urllib", "urllib")
HTTPX = _client("fetch_with_httpx", "httpx")
HTTPX_ASYNC = _client("fetch_with_httpx_async", "httpx", coroutine=True)
HTTPX_ASYNC_UNREACHABLE = _client("fetch_with_httpx_async", "httpx", "full_backlog", coroutine=True)
AIOHTTP = _client("fetch_with_aiohttp", "aiohttp", coroutine=True)
AIOHTTP_TRICKLING = _client("fetch_with_aiohttp", "aiohttp", "trickling", coroutine=True)
BOTOCORE = _client("list_buckets", "botocore")
# gRPC's own C++ threads have the sockets; the thread that called waits for them.
GRPC = _client("ask_pricing_service", "grpc", waits=("lock", "socket"), states=())
GRPC_REFUSED = _client("ask_pricing_service", "grpc", "refusing", waits=("lock", "socket", "sleep"), states=())
GRPC_UNREACHABLE = _client("ask_pricing_service", "grpc", "full_backlog", waits=("lock", "socket", "sleep"), states=())
GRPC_ASYNC = _client("ask_pricing_service_async", "grpc", coroutine=True, waits=(), states=())
REFUSED_AND_GONE_ON = _client("read_status", "urllib", "refusing", truth={"kind": None, "patterns": ()})

CELLS: list[Cell] = [
    Cell(REQUESTS, fast=True),
    Cell(REQUESTS, version="21.2.0", phase=REQUEST),
    Cell(REQUESTS, version="20.1.0", worker="gthread", phase=FACTORY),
    Cell(REQUESTS, version="23.0.0", worker="gevent", fast=True),
    Cell(REQUESTS, version="26.2.0", worker="gevent", phase=REQUEST),  # others go on: nothing is wrong
    Cell(REQUESTS, version="25.3.0", worker="eventlet"),
    Cell(REQUESTS, version="22.0.0", worker="tornado", phase=REQUEST),
    Cell(REQUESTS, version="22.0.0", worker="uvicorn-asyncio", phase=REQUEST),
    Cell(REQUESTS_UNREACHABLE, version="21.2.0"),
    Cell(REQUESTS_UNREACHABLE, phase=PRELOAD),
    Cell(REQUESTS_TRICKLING, version="25.3.0", phase=REQUEST),
    Cell(REQUESTS_RETRIES, version="23.0.0", timeout_s=5),
    Cell(URLLIB3, version="26.2.0", phase=REQUEST),
    Cell(URLLIB, version="20.1.0"),
    Cell(URLLIB, worker="tornado"),
    Cell(HTTPX, version="22.0.0", phase=FACTORY),
    Cell(HTTPX, worker="asgi", phase=LIFESPAN),
    Cell(HTTPX_ASYNC, version="21.2.0", worker="uvicorn-asyncio", phase=LIFESPAN, workers=2),
    Cell(HTTPX_ASYNC, version="26.2.0", worker="uvicorn-uvloop", phase=REQUEST),  # others go on
    Cell(HTTPX_ASYNC_UNREACHABLE, worker="asgi", phase=LIFESPAN),
    Cell(AIOHTTP, version="25.3.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(AIOHTTP, version="23.0.0", worker="gthread"),
    Cell(AIOHTTP_TRICKLING, version="21.2.0", worker="uvicorn-uvloop", phase=LIFESPAN),
    Cell(BOTOCORE, version="23.0.0"),
    Cell(BOTOCORE, version="21.2.0", phase=REQUEST),
    Cell(GRPC),
    Cell(GRPC, version="21.2.0", phase=REQUEST),
    Cell(GRPC_REFUSED, version="22.0.0"),
    Cell(GRPC_UNREACHABLE, version="25.3.0"),
    Cell(GRPC_ASYNC, worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(REFUSED_AND_GONE_ON),
    Cell(REFUSED_AND_GONE_ON, worker="asgi", phase=REQUEST),
]
