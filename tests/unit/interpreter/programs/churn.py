"""Makes, runs, cancels and drops tasks as fast as it can, until stdin ends. With "spin": all in one running task."""

import asyncio
import contextlib
import json
import os
import random
import sys
import threading


async def leaf(depth):
    if depth:
        return await leaf(depth - 1)
    await asyncio.sleep(0)
    return [b"x" * random.randrange(2000) for _ in range(3)]


@contextlib.asynccontextmanager
async def held():
    await leaf(3)
    yield


async def one(number):
    with contextlib.suppress(asyncio.CancelledError):
        async with held():
            await asyncio.gather(leaf(number % 17), asyncio.shield(leaf(2)))


def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


async def spin():
    while True:
        fibonacci(18)


async def main():
    print(json.dumps({"ready": True}), flush=True)
    if "spin" in sys.argv:
        await spin()
    number = 0
    while True:
        tasks = [asyncio.ensure_future(one(number + extra)) for extra in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.wait(tasks)
        number += 50


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
