"""Tasks of two event loops in two threads, and of a third one whose thread has ended without finishing them."""

import asyncio
import gc
import json
import os
import sys
import threading

KEEP = []


async def waits():
    await asyncio.Event().wait()


async def second(standing):
    KEEP.append(asyncio.create_task(waits(), name="second"))
    await asyncio.sleep(0)
    standing.set()
    await asyncio.Event().wait()


def abandoned():
    loop = asyncio.new_event_loop()
    task = loop.create_task(waits(), name="abandoned")
    loop.run_until_complete(asyncio.sleep(0))
    KEEP.extend((loop, task))


async def main():
    ended = threading.Thread(target=abandoned)
    ended.start()
    ended.join()
    standing = threading.Event()
    threading.Thread(target=lambda: asyncio.run(second(standing)), daemon=True).start()
    standing.wait()
    asyncio.current_task().set_name("first")
    tasks = [thing for thing in gc.get_objects() if isinstance(thing, asyncio.Task)]
    print(json.dumps([task.get_name() for task in tasks if not task.done()]), flush=True)
    await asyncio.Event().wait()


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
