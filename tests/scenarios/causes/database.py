"""Databases: drivers, an ORM, migrations; a real PostgreSQL with a lock held, and servers that do not answer."""

from __future__ import annotations

from tests.scenarios.cells import (
    ASYNC_WORKERS,
    FACTORY,
    LIFESPAN,
    PRELOAD,
    REQUEST,
    Cause,
    Cell,
    over,
)

DATABASE_URL = {"DATABASE_URL": "postgresql://app:opensesame@{peer}/orders"}

PSYCOPG2_CONNECT = Cause(
    name="psycopg2-connect",
    family="database",
    application="psycopg2_connect",
    calls=("open_database",),
    categories=("database",),
    libraries=("psycopg2",),
    server="mute",
    states=("ESTABLISHED",),
    needs=("psycopg2-binary",),
    variables=DATABASE_URL,
)
PSYCOPG2_LOCKED = Cause(
    name="psycopg2-locked",
    family="database",
    application="psycopg2_query",
    calls=("check_migrations",),
    categories=("database",),
    libraries=("psycopg2",),
    server="postgres",
    states=("ESTABLISHED",),
    needs=("psycopg2-binary",),
    variables=DATABASE_URL,
)
ASYNCPG_CONNECT = Cause(
    name="asyncpg-connect",
    family="database",
    application="asyncpg_connect",
    calls=("open_database",),
    categories=("database",),
    libraries=("asyncpg",),
    server="mute",
    states=("ESTABLISHED",),
    coroutine=True,
    needs=("asyncpg",),
    variables=DATABASE_URL,
)

CELLS: list[Cell] = [
    Cell(PSYCOPG2_CONNECT, fast=True),
    Cell(PSYCOPG2_CONNECT, version="21.2.0", fast=True),
    Cell(PSYCOPG2_CONNECT, phase=PRELOAD, fast=True),
    Cell(PSYCOPG2_CONNECT, phase=FACTORY),
    Cell(PSYCOPG2_CONNECT, phase=REQUEST, fast=True),
    Cell(PSYCOPG2_CONNECT, phase=REQUEST, worker="asgi", fast=True),
    Cell(PSYCOPG2_CONNECT, phase=REQUEST, worker="gthread", fast=True),
    Cell(PSYCOPG2_LOCKED, workers=4, fast=True),
    Cell(PSYCOPG2_LOCKED, phase=REQUEST, version="21.2.0"),
    *over(ASYNCPG_CONNECT, version=("21.2.0", "27.0.1"), worker=ASYNC_WORKERS, phase=(LIFESPAN,)),
]
