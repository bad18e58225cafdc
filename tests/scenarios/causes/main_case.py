"""The case gtdiag was made for: FastAPI workers that all wait in their lifespan for a database, an API or routers."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.cells import ASYNC_WORKERS, LIFESPAN, NEWEST, PYTHONS, VERSIONS, Cause, Cell, fits, over

DATABASE = Cause(
    name="main-database",
    family="main case",
    application="startup_contention:app",
    calls=("verify_database_migrations",),
    categories=("database",),
    libraries=("asyncpg",),
    server="mute",
    states=("ESTABLISHED",),
    coroutine=True,
    needs=("fastapi", "asyncpg", "httpx"),
    variables={"DATABASE_URL": "postgresql://postgres:opensesame@{peer}/postgres"},
)
DATABASE_LOCKED = replace(DATABASE, name="main-database-locked", server="postgres")
DATABASE_SYN = replace(DATABASE, name="main-database-unreachable", server="full_backlog", states=("SYN_SENT",))
HTTP = replace(
    DATABASE,
    name="main-http",
    calls=("get_model_mapping",),
    categories=("http",),
    libraries=("httpx",),
    variables={"MODEL_SERVICE_URL": "https://{peer}/models"},
)
ROUTERS = replace(
    DATABASE,
    name="main-routers",
    # Which of the two is innermost depends on what takes longer, making a router or including it.
    calls=("configure_routers", "make_model_router"),
    categories=("router",),
    libraries=(),
    server=None,
    states=(),
    coroutine=False,
    waits=("cpu",),
    variables={"ROUTERS": "1000000"},
    # Two different innermost functions in two workers are one contention no more.
    truth={"patterns": ()},
)
FIXED = replace(
    DATABASE,
    name="main-fixed",
    application="after:app",
    needs=("fastapi", "asyncpg", "httpx"),
    variables={
        "PYTHONPATH": "{examples}/startup_contention",
        "DATABASE_URL": "postgresql://postgres:opensesame@{peer}/postgres",
        "MODEL_SERVICE_URL": "https://{peer}/models",
        "STARTUP_FOLDER": "{folder}/shared",
        "START_UP_S": "3",
        "CLIENT_TIMEOUT_S": "2",
    },
    truth={"kind": None, "patterns": ()},
)

UVLOOP = ("uvicorn-uvloop",)

CELLS: list[Cell] = [
    *(
        replace(cell, fast=cell.version in ("21.2.0", NEWEST) and cell.worker == "uvicorn-uvloop")
        for cell in over(
            DATABASE, version=VERSIONS, worker=ASYNC_WORKERS, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)
        )
    ),
    # A second and a third generation: the loop itself.
    *(
        replace(cell, watch_s=18.0, note="loop", truth={"patterns": ("restart_loop", "startup_contention")})
        for cell in over(
            DATABASE, version=("20.1.0", "21.2.0"), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)
        )
    ),
    *over(DATABASE_LOCKED, version=("21.2.0", NEWEST), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)),
    *over(DATABASE_SYN, version=("21.2.0", NEWEST), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)),
    *(
        replace(cell, fast=cell.version in ("21.2.0", NEWEST))
        for cell in over(
            HTTP, version=("21.2.0", "23.0.0", NEWEST), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)
        )
    ),
    Cell(HTTP, worker="asgi", phase=LIFESPAN, workers=4, timeout_s=6),
    *over(ROUTERS, version=("21.2.0", NEWEST), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(6,)),
    # The elected one is slow: some seconds, which must not be most of the time-out.
    *over(FIXED, version=("21.2.0", NEWEST), worker=UVLOOP, phase=(LIFESPAN,), workers=(4,), timeout_s=(10,)),
    # Every CPython, with the gunicorn that most of them can run and the newest that each can.
    *(
        Cell(DATABASE, version=version, worker=worker, python=python, phase=LIFESPAN, timeout_s=5)
        for python in PYTHONS[1:]  # the application's annotations want 3.9
        for version in ("21.2.0", "23.0.0", NEWEST)
        for worker in ("uvicorn-asyncio", "uvicorn-uvloop")
        if fits(version, worker, python) and (version != "21.2.0" or worker == "uvicorn-uvloop")
    ),
]
