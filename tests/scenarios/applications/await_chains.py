"""Ways to await, all of which end at an upstream that does not answer; $CALL names the one to do."""

import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from phases import application_that

URL = f"http://{os.environ['UPSTREAM']}/prices"


async def fetch_prices():
    async with httpx.AsyncClient(timeout=None) as client:
        return (await client.get(URL)).json()


async def load_labels():
    await asyncio.sleep(0.1)
    return {}


def fetch_in_thread():
    return httpx.get(URL, timeout=None).json()


async def gather_catalogue():
    return await asyncio.gather(load_labels(), fetch_prices())


async def load_in_task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(load_labels())
        group.create_task(fetch_prices())


async def wait_with_patience():
    return await asyncio.wait_for(fetch_prices(), 3600)


async def time_out_late():
    async with asyncio.timeout(3600):
        return await fetch_prices()


async def pages():
    async with httpx.AsyncClient(timeout=None) as client:
        while True:
            yield (await client.get(URL)).json()


async def read_pages():
    return [page async for page in pages()]


@asynccontextmanager
async def upstream():
    async with httpx.AsyncClient(timeout=None) as client:
        await client.get(URL)
        yield client


async def enter_upstream():
    async with upstream() as client:
        return client


class Upstream:
    async def __aenter__(self):
        self.prices = await fetch_prices()
        return self

    async def __aexit__(self, *exception):
        return None


async def enter_class():
    async with Upstream() as opened:
        return opened.prices


async def use_executor():
    return await asyncio.get_running_loop().run_in_executor(None, fetch_in_thread)


async def use_to_thread():
    return await asyncio.to_thread(fetch_in_thread)


async def use_threadpool():
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(fetch_in_thread)


async def create_and_await_task():
    task = asyncio.create_task(fetch_prices(), name="prices")
    return await task


async def shield_fetch():
    return await asyncio.shield(fetch_prices())


async def fetch_in_coroutine():
    """A synchronous call inside `async def`: the loop stands still."""
    return httpx.get(URL, timeout=None).json()


def fetch_in_helper():
    return httpx.get(URL, timeout=None).json()


async def call_helper_in_coroutine():
    """The same, a function further down."""
    await asyncio.sleep(0)
    return fetch_in_helper()


application, make_application = application_that(globals()[os.environ["CALL"]])
