"""Two tasks that wait for calls in a pool of one thread: one call runs, the other is in the pool's queue."""

import asyncio
import concurrent.futures
import os
import sys
import threading

POOL = concurrent.futures.ThreadPoolExecutor(1)
NEVER = threading.Lock()
NEVER.acquire()
BEGUN = threading.Event()


def call():
    waits_in_thread()


def waits_in_thread():
    BEGUN.set()
    NEVER.acquire()


async def outer():
    await asyncio.get_running_loop().run_in_executor(POOL, call)


async def main():
    tasks = []
    for name in ("runs", "queued"):
        tasks.append(asyncio.ensure_future(outer()))
        tasks[-1].set_name(name)
    await asyncio.sleep(0)
    BEGUN.wait()
    print("true", flush=True)
    await asyncio.Event().wait()


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
