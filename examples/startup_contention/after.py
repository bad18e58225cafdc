"""The application of before.py with a start-up that cannot take all its workers down.

- One elected worker does the slow work; the others start at once. Elected is who gets a lock without waiting for it: a
  file lock (one worker of a host at a time), or with ELECT_BY=database a PostgreSQL advisory lock (one of all hosts).
  A lock, and not `os.getpid() % 4`: the kernel does not hand out pids evenly, so that no worker would win, or several.
  And a lock ends with its holder: when the elected worker is killed, another one takes over.
- Each client has a time-out far below gunicorn's `--timeout`. When the database stays away, the elected worker
  goes on without it after START_UP_S, and the work is tried again in the background.
- Until it is done, requests that need it wait a moment and are then told to come back (503 with Retry-After);
  `/healthz` tells a load balancer the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import asyncpg
import httpx
from fastapi import Depends, FastAPI, HTTPException

EXPECTED_MIGRATION = "4f1c2a9d7b3e"
ADVISORY_LOCK = 0x6F7264657273  # any number that nothing else in this database uses

# All of them together stay below gunicorn's --timeout (30 s unless set): a worker sends no heartbeat in its lifespan.
CLIENT_TIMEOUT_S = float(os.environ.get("CLIENT_TIMEOUT_S", "3"))
START_UP_S = float(os.environ.get("START_UP_S", "4"))
ELECTION_S = 0.5  # a worker that does not know by then whether it is elected starts without it
RETRY_S = 0.5
FIRST_USE_S = 2.0
FRESH_S = 300.0  # a worker that replaces another one within this time asks nobody

# Any folder that the workers share and nobody else writes to: RuntimeDirectory= of the systemd unit, an emptyDir.
FOLDER = Path(os.environ.get("STARTUP_FOLDER") or Path(tempfile.gettempdir()) / f"orders-{os.getuid()}")
# Named after what it was checked against: what an older release has stored does not count for this one.
LOCK = FOLDER / f"{EXPECTED_MIGRATION}.lock"
RESULT = FOLDER / f"{EXPECTED_MIGRATION}.json"

log = logging.getLogger("uvicorn.error")  # what uvicorn's workers write to gunicorn's error log


async def connect() -> asyncpg.Connection:
    return await asyncpg.connect(os.environ["DATABASE_URL"], timeout=CLIENT_TIMEOUT_S, command_timeout=CLIENT_TIMEOUT_S)


async def verify_database_migrations() -> None:
    """Refuse to serve on a database that is older than the code."""
    connection = await connect()
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close(timeout=CLIENT_TIMEOUT_S)
    if found != EXPECTED_MIGRATION:
        raise RuntimeError(f"the database is at migration {found}, this code needs {EXPECTED_MIGRATION}")


class DirectModelService:
    """Knows which model answers under which name."""

    async def get_model_mapping(self) -> dict[str, str]:
        """Ask the model service, over HTTPS."""
        async with httpx.AsyncClient(timeout=CLIENT_TIMEOUT_S, verify=False) as client:
            response = await client.get(os.environ["MODEL_SERVICE_URL"])
            response.raise_for_status()
            return dict(response.json())


direct_model_service = DirectModelService()


@asynccontextmanager
async def file_lock() -> AsyncIterator[bool]:
    """Whether this worker is elected. The kernel gives the lock up with the process, however that ends."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@asynccontextmanager
async def advisory_lock() -> AsyncIterator[bool]:
    """The same over all hosts. PostgreSQL gives the lock up with the session: not behind a pooler of transactions."""
    connection = await connect()
    try:
        yield await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK)
    finally:
        await connection.close(timeout=CLIENT_TIMEOUT_S)


class Startup:
    """What the slow work came to, and whether this worker was elected to do it."""

    def __init__(self) -> None:
        self.elected = False
        self.decided = asyncio.Event()
        self.done = asyncio.Event()
        self.mapping: dict[str, str] = {}

    async def keep_trying(self) -> None:
        """Until the work is done, here or in another worker."""
        while not self.take_stored():
            try:
                await self.initialise_if_elected()
            except Exception as error:  # whatever it is, it may be over when this is tried again
                log.warning("not ready yet, trying again: %r", error)
            if not self.done.is_set():
                await asyncio.sleep(RETRY_S)

    async def initialise_if_elected(self) -> None:
        election = advisory_lock if os.environ.get("ELECT_BY") == "database" else file_lock
        async with election() as self.elected:
            self.decided.set()
            if not self.elected or self.take_stored():  # the worker elected before may have done the work
                return
            log.info("worker %d is elected to initialise", os.getpid())
            await verify_database_migrations()
            self.mapping = await direct_model_service.get_model_mapping()
            store(self.mapping)
            self.done.set()

    def take_stored(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - RESULT.stat().st_mtime < FRESH_S:
                self.mapping = json.loads(RESULT.read_text())
                self.done.set()
                self.decided.set()
        return self.done.is_set()


def store(mapping: dict[str, str]) -> None:
    """All at once: nobody reads half a file."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    unfinished = RESULT.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(mapping))
    unfinished.replace(RESULT)


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """The elected worker initialises before it serves, within START_UP_S; the others do not wait for it."""
    startup = application.state.startup = Startup()
    trying = asyncio.create_task(startup.keep_trying())
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(startup.decided.wait(), ELECTION_S)
        if startup.elected:
            await asyncio.wait_for(startup.done.wait(), START_UP_S)
    yield
    trying.cancel()


async def model_mapping() -> dict[str, str]:
    """For requests that need it: they wait a moment, then the client is told to come back."""
    startup: Startup = app.state.startup
    try:
        await asyncio.wait_for(startup.done.wait(), FIRST_USE_S)
    except asyncio.TimeoutError:
        raise HTTPException(503, "starting up", headers={"Retry-After": "2"}) from None
    return startup.mapping


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """For the readiness probe of a load balancer; answers at once."""
    if not app.state.startup.done.is_set():
        raise HTTPException(503, "starting up", headers={"Retry-After": "2"})
    return {"status": "ready"}


# One route with a parameter instead of one router for each model: nothing is built in start-up.
@app.get("/{name}/")
async def describe(name: str, mapping: Annotated[dict[str, str], Depends(model_mapping)]) -> dict[str, str]:
    if name not in mapping:
        raise HTTPException(404)
    return {"model": mapping[name]}
