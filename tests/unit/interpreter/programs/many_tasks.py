"""As many suspended tasks as the argument says, each three frames deep."""

import asyncio
import json
import os
import sys
import threading


async def inner():
    await asyncio.sleep(100000)


async def middle():
    await inner()


async def outer():
    await middle()


async def main():
    tasks = [asyncio.ensure_future(outer()) for _ in range(int(sys.argv[1]))]
    await asyncio.sleep(0)
    print(json.dumps({"tasks": len(tasks) + 1}), flush=True)
    await asyncio.Event().wait()


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
