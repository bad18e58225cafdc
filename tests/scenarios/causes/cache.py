"""Caches: redis-py against a real Redis that was paused, and against servers that do not answer."""

from __future__ import annotations

from tests.scenarios.cells import REQUEST, Cause, Cell

REDIS_GET = Cause(
    name="redis-paused",
    family="cache",
    application="redis_get",
    calls=("load_feature_flags",),
    categories=("cache",),
    libraries=("redis",),
    server="redis_paused",
    states=("ESTABLISHED",),
    releases_hub=True,
    needs=("redis",),
    variables={"REDIS_URL": "redis://{peer}/0?socket_timeout=3600"},
)

CELLS: list[Cell] = [
    Cell(REDIS_GET, fast=True),
    Cell(REDIS_GET, version="21.2.0", phase=REQUEST, fast=True),
]
