"""A start-up of known parts: a slow package is imported, the lifespan awaits for WAIT_S and computes for COMPUTE_S."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import slow_package  # noqa: F401
from fastapi import FastAPI


async def await_the_service() -> None:
    await asyncio.sleep(float(os.environ["WAIT_S"]))


def compute_the_index() -> int:
    end, count = time.process_time() + float(os.environ["COMPUTE_S"]), 0
    while time.process_time() < end:
        count += 1
    return count


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    await await_the_service()
    compute_the_index()
    yield


app = FastAPI(lifespan=lifespan)
