"""A FastAPI application that makes synchronous calls inside `async def`, so that its whole event loop stands still.

/requests, /sleep: in the handler. /dependency: in an async dependency. /plain: in a plain `def` dependency, which
FastAPI runs in a thread, so nothing stands still. UPSTREAM_URL: what is read. STARTUP: "requests" or "sleep", in the
lifespan.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import requests
from fastapi import Depends, FastAPI

UPSTREAM_URL = os.environ.get("UPSTREAM_URL", "")


def fetch_prices() -> bytes:
    return requests.get(UPSTREAM_URL, timeout=None).content


async def warm_up_cache() -> None:
    fetch_prices()


async def wait_for_service() -> None:
    time.sleep(3600)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    how = os.environ.get("STARTUP")
    if how == "requests":
        await warm_up_cache()
    elif how == "sleep":
        await wait_for_service()
    yield


async def current_user() -> str:
    fetch_prices()
    return "somebody"


def current_tenant() -> str:
    fetch_prices()
    return "something"


app = FastAPI(lifespan=lifespan)


@app.get("/requests")
async def read_prices() -> str:
    fetch_prices()
    return "ok"


@app.get("/sleep")
async def poll_job() -> str:
    time.sleep(3600)
    return "ok"


@app.get("/dependency")
async def read_orders(user: str = Depends(current_user)) -> str:
    return user


@app.get("/plain")
async def read_invoices(tenant: str = Depends(current_tenant)) -> str:
    return tenant


@app.get("/")
async def read_root() -> str:
    return "ok"
