"""A task that waits inside an asynchronous generator, in a program that never asks an attribute of `asend(...)`.

CPython up to 3.9 makes that type ready only when somebody does.
"""

import asyncio


async def steps():
    print('"ready"', flush=True)
    await asyncio.get_running_loop().create_future()
    yield


async def main():
    async for _ in steps():
        pass


asyncio.run(main())
