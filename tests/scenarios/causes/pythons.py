"""Every CPython: a synchronous driver at import, an HTTP client while serving."""

from __future__ import annotations

from tests.scenarios.causes.database import ASYNCPG_CONNECT, PSYCOPG2_CONNECT
from tests.scenarios.cells import GREENLETS, LIFESPAN, NEWEST, PYTHON, PYTHONS, REQUEST, Cause, Cell, over

REQUESTS_GET = Cause(
    name="requests-get",
    family="http",
    application="requests_get",
    calls=("fetch_prices",),
    categories=("http",),
    libraries=("requests",),
    server="mute",
    states=("ESTABLISHED",),
    releases_hub=GREENLETS,
    needs=("requests",),
    variables={"UPSTREAM_URL": "http://{peer}/prices"},
)

OTHERS = tuple(python for python in PYTHONS if python != PYTHON)

CELLS: list[Cell] = [
    *over(PSYCOPG2_CONNECT, version=("21.2.0", "23.0.0"), python=OTHERS),
    *over(REQUESTS_GET, version=("21.2.0", NEWEST), python=OTHERS, phase=(REQUEST,)),
    *over(REQUESTS_GET, version=("23.0.0",), python=OTHERS, worker=("gevent",)),
    *over(ASYNCPG_CONNECT, version=("21.2.0", "23.0.0"), python=OTHERS, worker=("uvicorn-uvloop",), phase=(LIFESPAN,)),
]
