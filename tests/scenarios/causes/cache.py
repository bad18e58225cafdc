"""Caches: redis-py against a real Redis that was paused, and against servers that do not answer."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.cells import GREENLETS, IMPORT, LIFESPAN, NEWEST, PRELOAD, REQUEST, Cause, Cell, over

REDIS_PAUSED = Cause(
    name="redis-paused",
    family="cache",
    application="redis_get",
    calls=("load_feature_flags",),
    categories=("cache",),
    libraries=("redis",),
    server="redis_paused",
    states=("ESTABLISHED",),
    releases_hub=GREENLETS,
    needs=("redis",),
    # The default of redis-py is some seconds, and then an error.
    variables={"REDIS_URL": "redis://{peer}/0?socket_timeout=3600&socket_connect_timeout=3600"},
)
REDIS_MUTE = replace(REDIS_PAUSED, name="redis-mute", server="mute")
REDIS_SYN = replace(REDIS_PAUSED, name="redis-unreachable", server="full_backlog", states=("SYN_SENT",))
REDIS_ASYNC = replace(REDIS_PAUSED, name="redis-async-paused", application="redis_async", coroutine=True)

CELLS: list[Cell] = [
    Cell(REDIS_PAUSED, fast=True),
    Cell(REDIS_PAUSED, version="21.2.0", phase=REQUEST, fast=True),
    Cell(REDIS_PAUSED, version="23.0.0", phase=PRELOAD),
    *over(REDIS_PAUSED, version=(NEWEST,), worker=("gevent", "gthread"), phase=(IMPORT, REQUEST)),
    *over(REDIS_MUTE, version=("21.2.0", NEWEST)),
    *over(REDIS_SYN, version=("21.2.0", NEWEST)),
    *over(REDIS_ASYNC, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop",), phase=(LIFESPAN,)),
]
