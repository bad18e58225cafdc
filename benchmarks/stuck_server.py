"""A real server with as many uvicorn workers as wanted: healthy ones, or all of them stuck in their start-up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tests.environments import NEWEST, Environment, standard_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

APPLICATION = """
import asyncio, os
async def connect_to_database():
    await asyncio.sleep(3600)
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if "HANG" in os.environ:
            await connect_to_database()
        await send({"type": "lifespan.startup.complete"})
        await receive()
"""
UP_WITHIN_S = 240
SETTLES_S = 2.0


@contextlib.contextmanager
def running_uvicorn(
    folder: Path,
    workers: int,
    *,
    hang: bool,
    environment: Environment | None = None,
    timeout_s: float | None = None,
) -> Iterator[GunicornProcess]:
    """Run it until the block ends; every worker is in its start-up, or through it.

    `timeout_s`: gunicorn's; without one, those that hang are left alone for an hour.
    """
    (folder / "measured.py").write_text(APPLICATION)
    with running_gunicorn(
        environment or standard_environment(NEWEST),
        "measured:application",
        folder=folder,
        working_directory=folder,
        worker_class="uvicorn",
        workers=workers,
        timeout_s=timeout_s or (3600 if hang else 30),
        variables={"HANG": "1"} if hang else {},
    ) as gunicorn:
        gunicorn.wait_for_log("Waiting for application startup", workers, deadline_s=UP_WITHIN_S)
        time.sleep(SETTLES_S)
        yield gunicorn
