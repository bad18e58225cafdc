"""A task that blocks the event loop in a plain call, one that never began, and a thread that runs a method."""

# ruff: noqa: B018, RUF012, UP031 - the odd code is what is looked at; it runs on old versions too

import asyncio
import json
import os
import sys
import threading

SETTING = "a string in a module"


class Setting:
    def __init__(self, value):
        self.value = value


class Config:
    def __init__(self):
        self.settings = {"worker_class": Setting("uvicorn.workers.UvicornWorker"), "timeout": Setting(30)}


class Arbiter:
    """The shape of gunicorn's."""

    LISTENERS = []
    WORKERS = {}

    def __init__(self):
        self.cfg = Config()
        self._num_workers = 4
        self.timeout = 30
        self.ratio = 0.25
        self.huge = -(2**70)
        self.nothing = None
        self.preload = True
        self.text = "größe 𐌼"
        self.names = ["a", "b"]
        self.WORKERS = {4711: "worker", 4712: "worker"}

    @property
    def num_workers(self):
        return self._num_workers

    def run(self, argument, *more, key=None):
        cell = self  # `self` in a closure lives in a cell
        return call(lambda: (self, cell, argument))


class Slotted(Arbiter):
    """More attributes than are kept inline, added late: the dict is made."""

    def __init__(self):
        super().__init__()
        for number in range(60):
            setattr(self, "extra_%d" % number, number)
        self.__dict__


def call(function):
    threading.Event().wait()
    return function


def blocking_call():
    loop_blocked.set()
    os.read(0, 1)


async def handler():
    blocking_call()


async def outer():
    await handler()


async def never_began():
    pass


async def waits_for_running(task):
    await task


async def main():
    task = asyncio.ensure_future(waits_for_blocked())
    task.set_name("waits")
    await asyncio.sleep(0)
    blocked.append(asyncio.ensure_future(outer()))
    blocked[0].set_name("running")
    await asyncio.sleep(0)


async def waits_for_blocked():
    while not blocked:
        await asyncio.sleep(0)
    late = asyncio.ensure_future(never_began())
    late.set_name("never began")
    await blocked[0]


blocked = []
loop_blocked = threading.Event()


def tell():
    loop_blocked.wait()
    print(json.dumps({"ready": True}), flush=True)


threading.Thread(target=Slotted().run if "dict" in sys.argv else Arbiter().run, args=(1,), daemon=True).start()
threading.Thread(target=tell, daemon=True).start()
asyncio.run(main())
os._exit(0)
