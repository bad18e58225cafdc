"""Databases: drivers, an ORM, migrations; a real PostgreSQL with a lock held, and servers that do not answer."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.cells import (
    ASYNC_WORKERS,
    FACTORY,
    IMPORT,
    LIFESPAN,
    NEWEST,
    PRELOAD,
    REQUEST,
    VERSIONS,
    Cause,
    Cell,
    over,
)

DATABASE_URL = {"DATABASE_URL": "postgresql://postgres:opensesame@{peer}/postgres"}
HOST_AND_PORT = {"DATABASE_HOST": "{host}", "DATABASE_PORT": "{port}"}


def database(name: str, application: str, call: str, *libraries: str, **facts: object) -> Cause:
    """A cause of this family, on a connection that was made unless `facts` say something else."""
    given: dict[str, object] = {"server": "mute", "states": ("ESTABLISHED",), "variables": DATABASE_URL, **facts}
    categories = given.pop("categories", ("database",))
    return Cause(name, "database", application, (call,), categories, libraries, **given)  # type: ignore[arg-type]


def locked(name: str, application: str, call: str, *libraries: str, **facts: object) -> Cause:
    """A cause that waits for a lock in the real PostgreSQL."""
    return database(name, application, call, *libraries, **{"server": "postgres", **facts})


PSYCOPG2_CONNECT = database(
    "psycopg2-connect",
    "psycopg2_connect",
    "open_database",
    "psycopg2",
    needs=("psycopg2-binary",),
    releases_hub=("eventlet",),
)
PSYCOPG2_SYN = replace(PSYCOPG2_CONNECT, name="psycopg2-unreachable", server="full_backlog", states=("SYN_SENT",))
PSYCOPG2_LOCKED = locked(
    "psycopg2-locked", "psycopg2_query", "check_migrations", "psycopg2", needs=("psycopg2-binary",)
)
PSYCOPG_CONNECT = database("psycopg-connect", "psycopg_connect", "open_database", "psycopg", needs=("psycopg[binary]",))
PSYCOPG_LOCKED = locked("psycopg-locked", "psycopg_query", "check_migrations", "psycopg", needs=("psycopg[binary]",))
PSYCOPG_ASYNC = locked(
    "psycopg-async-locked", "psycopg_async", "check_migrations", "psycopg", coroutine=True, needs=("psycopg[binary]",)
)
PSYCOPG_POOL = locked(
    "psycopg-pool-exhausted", "psycopg_pool_exhausted", "list_orders", "psycopg_pool", waits=("lock",), states=()
)
ASYNCPG_CONNECT = database(
    "asyncpg-connect", "asyncpg_connect", "open_database", "asyncpg", coroutine=True, needs=("asyncpg",)
)
ASYNCPG_SYN = replace(ASYNCPG_CONNECT, name="asyncpg-unreachable", server="full_backlog", states=("SYN_SENT",))
ASYNCPG_LOCKED = locked(
    "asyncpg-locked", "asyncpg_query", "check_migrations", "asyncpg", coroutine=True, needs=("asyncpg",)
)
ASYNCPG_POOL = locked(
    "asyncpg-pool-exhausted",
    "asyncpg_pool",
    "list_orders",
    "asyncpg",
    coroutine=True,
    waits=("lock", "event_loop", "socket"),
    states=(),
)
SQLALCHEMY_LOCKED = locked("sqlalchemy-locked", "sqlalchemy_query", "check_migrations", "sqlalchemy")
SQLALCHEMY_ASYNC = locked(
    "sqlalchemy-async-locked", "sqlalchemy_async", "check_migrations", "sqlalchemy", coroutine=True
)
SQLALCHEMY_POOL = locked(
    "sqlalchemy-pool-exhausted", "sqlalchemy_pool", "list_orders", "sqlalchemy", waits=("lock",), states=()
)
DJANGO_MIGRATIONS = locked(
    "django-migrations-locked", "django_migrations", "check_migrations", "django", variables=HOST_AND_PORT
)
ALEMBIC_LOCKED = replace(
    locked("alembic-locked", "alembic_upgrade", "upgrade_database", "alembic", "sqlalchemy"),
    # Alembic's env.py is the application's too, and what it calls runs the migrations.
    calls=("run_migrations_online", "upgrade_database"),
)
PYMYSQL_CONNECT = database("pymysql-connect", "pymysql_connect", "open_database", "pymysql", variables=HOST_AND_PORT)
SQLITE_LOCKED = database(
    "sqlite3-locked",
    "sqlite_locked",
    "save_order",
    "sqlite3",
    server=None,
    states=(),
    variables={"FOLDER": "{folder}"},
    waits=("file_lock", "sleep", "lock"),
)
MONGO_URL = {"MONGO_URL": "mongodb://{peer}/orders"}
PYMONGO_MUTE = database(
    "pymongo-mute", "pymongo_ping", "ping_database", "pymongo", variables=MONGO_URL, states=(), waits=("lock", "socket")
)
PYMONGO_REFUSED = replace(PYMONGO_MUTE, name="pymongo-refused", server="refusing")
WAIT_FOR_DATABASE = database(
    "psycopg2-refused",
    "wait_for_database",
    "wait_for_database",
    server="refusing",
    states=(),
    waits=("sleep", "socket"),
    # It sleeps between two tries that take no time.
    categories=("sleep", "database"),
)

CELLS: list[Cell] = [
    # Every phase.
    Cell(PSYCOPG2_CONNECT, phase=PRELOAD, fast=True),
    Cell(PSYCOPG2_CONNECT, phase=FACTORY),
    Cell(PSYCOPG2_CONNECT, phase=FACTORY, version="21.2.0", fast=True),
    *over(PSYCOPG2_CONNECT, version=("20.1.0", "21.2.0", "23.0.0", "25.3.0"), phase=(PRELOAD,)),
    *over(ASYNCPG_CONNECT, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop",), phase=(IMPORT, FACTORY)),
    *over(PSYCOPG2_CONNECT, version=("21.2.0", NEWEST), worker=ASYNC_WORKERS, phase=(LIFESPAN,)),
    # Every version and every worker class that hangs in its import; what is fast is picked from the ends.
    *(
        replace(cell, fast=(cell.version, cell.worker) in {("21.2.0", "sync"), (NEWEST, "sync"), (NEWEST, "tornado")})
        for cell in over(
            PSYCOPG2_CONNECT, version=VERSIONS, worker=("sync", "gthread", "gevent", "eventlet", "tornado")
        )
    ),
    # Every version and worker class while it serves: a C library holds a greenlet's hub and a loop as well.
    *(
        replace(cell, fast=cell.version == NEWEST)
        for cell in over(
            PSYCOPG2_CONNECT,
            version=VERSIONS,
            worker=("sync", "gthread", "gevent", "eventlet", "tornado", "uvicorn-uvloop", "asgi"),
            phase=(REQUEST,),
        )
    ),
    *over(PSYCOPG2_CONNECT, version=("20.1.0", NEWEST), worker=("uvicorn-asyncio",), phase=(REQUEST,)),
    # A coroutine that waits is no reason not to beat.
    *over(ASYNCPG_CONNECT, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop", "asgi"), phase=(REQUEST,)),
    # Many at once, and little time.
    Cell(PSYCOPG2_CONNECT, version="21.2.0", workers=32, timeout_s=3),
    Cell(PSYCOPG2_CONNECT, phase=REQUEST, workers=32, timeout_s=3),
    Cell(PSYCOPG2_CONNECT, version="21.2.0", phase=REQUEST, timeout_s=3, note="3s"),
    # Not reachable.
    *over(PSYCOPG2_SYN, version=("21.2.0", NEWEST)),
    *over(ASYNCPG_SYN, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop",), phase=(LIFESPAN,)),
    *over(WAIT_FOR_DATABASE, version=("21.2.0", NEWEST)),
    # A lock in a real PostgreSQL, by every driver and what stands on it.
    Cell(PSYCOPG2_LOCKED, workers=4, fast=True),
    Cell(PSYCOPG2_LOCKED, phase=REQUEST, version="21.2.0"),
    Cell(PSYCOPG2_LOCKED, phase=REQUEST, version=NEWEST),
    *over(PSYCOPG_CONNECT, version=("21.2.0", NEWEST)),
    *over(PSYCOPG_LOCKED, version=("21.2.0", NEWEST), phase=(IMPORT, REQUEST)),
    *over(PSYCOPG_ASYNC, version=("21.2.0", NEWEST), worker=("uvicorn-asyncio",), phase=(LIFESPAN,)),
    *over(ASYNCPG_LOCKED, version=("21.2.0", NEWEST), worker=ASYNC_WORKERS, phase=(LIFESPAN,), workers=(2,)),
    *over(SQLALCHEMY_LOCKED, version=("21.2.0", NEWEST), phase=(IMPORT, REQUEST)),
    *over(SQLALCHEMY_ASYNC, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop",), phase=(LIFESPAN,)),
    *over(DJANGO_MIGRATIONS, version=("21.2.0", NEWEST)),
    *over(ALEMBIC_LOCKED, version=("21.2.0", NEWEST)),
    # Waiting for one's own pool.
    *over(SQLALCHEMY_POOL, version=("21.2.0", NEWEST), phase=(IMPORT, REQUEST)),
    *over(PSYCOPG_POOL, version=("21.2.0", NEWEST), phase=(REQUEST,)),
    *over(ASYNCPG_POOL, version=("21.2.0", NEWEST), worker=("uvicorn-uvloop",), phase=(LIFESPAN,)),
    # Other databases.
    *over(PYMYSQL_CONNECT, version=("21.2.0", NEWEST), phase=(IMPORT, REQUEST)),
    *over(SQLITE_LOCKED, version=("21.2.0", NEWEST), phase=(IMPORT, REQUEST)),
    *over(PYMONGO_MUTE, version=("21.2.0", NEWEST)),
    *over(PYMONGO_REFUSED, version=("21.2.0", NEWEST)),
]
