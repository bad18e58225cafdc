"""Connects, on uvloop, to a server whose queue is full, so that no answer ever comes."""

import asyncio
import json
import os
import socket
import sys
import threading

import uvloop

server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(0)
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex(server.getsockname())


async def connects():
    await asyncio.open_connection(*server.getsockname())


async def main():
    task = asyncio.ensure_future(connects())
    task.set_name("connects")
    for _ in range(10):
        await asyncio.sleep(0)
    print(json.dumps({"ready": True}), flush=True)
    await task


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
uvloop.new_event_loop().run_until_complete(main())
