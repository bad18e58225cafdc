"""A bare ASGI application, for uvicorn's workers and gunicorn's own asgi worker; per path it blocks the loop, or not.

/ is well. /slow awaits for an hour (the loop stays free), /blocking sleeps in the loop's thread, /spin computes there.
BACKGROUND: a task of its own refreshes something for ever.
STARTUP_SLEEP: seconds that the lifespan start-up awaits; STARTUP_FAIL: the start-up raises. DUMP_ON_ABORT: faulthandler
is enabled at import, which is after uvicorn's worker has reset SIGABRT.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import time
from typing import Any

if "DUMP_ON_ABORT" in os.environ:
    faulthandler.enable()


async def prepare() -> None:
    if "STARTUP_FAIL" in os.environ:
        raise RuntimeError("the model file is missing")
    if "STARTUP_SLEEP" in os.environ:
        await asyncio.sleep(float(os.environ["STARTUP_SLEEP"]))


def render_report() -> None:
    time.sleep(3600)


def spin() -> None:
    number = 0
    while True:
        number += 1


background: set[asyncio.Task[None]] = set()


async def refresh_for_ever() -> None:
    while True:
        await asyncio.sleep(3600)


async def handle(path: str) -> None:
    if path == "/slow":
        await asyncio.sleep(3600)
    elif path == "/blocking":
        render_report()
    elif path == "/spin":
        spin()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        try:
            await prepare()
        except RuntimeError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        if "BACKGROUND" in os.environ:
            background.add(asyncio.create_task(refresh_for_ever()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await handle(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"3")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok\n"})
