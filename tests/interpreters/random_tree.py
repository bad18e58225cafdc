"""Suspends random trees of tasks, coroutines and generators, tells how each really stands, and stays that way.

    random_tree.py SEED CASES c|python|uvloop

One line of JSON: by task, what the standard library says of it. Every function of a tree is generated, so its name and
its line are its own. Ends when stdin ends. Runs on every supported CPython, hence the old syntax.
"""

# ruff: noqa: E402, F401 - modules are hidden before asyncio is imported; generated code uses the others

import concurrent.futures
import contextlib
import gc
import json
import os
import random
import sys
import threading
import types
from pathlib import Path

SEED, CASES, MODE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if MODE == "python":
    sys.modules["_asyncio"] = None  # asyncio falls back to the tasks and futures written in Python

import asyncio

try:
    import anyio
    import anyio.to_thread
except ImportError:
    anyio = None

V = sys.version_info
RANDOM = random.Random(SEED)
POOL = concurrent.futures.ThreadPoolExecutor(5)
NEVER = threading.Lock()
NEVER.acquire()
BLOCKED = {}  # key of a call in a thread -> ident of the thread that runs it
SHIELDED = {}  # id of an outer future -> the task behind it
CALLS = {}  # id of a future -> key of its call in a thread
KEEP = []
TASKS = {}


def blocks(key):
    BLOCKED[key] = threading.get_ident()
    NEVER.acquire()


def start(name, coroutine):
    task = asyncio.ensure_future(coroutine)
    task.set_name(name)
    KEEP.append(task)
    TASKS[name] = task
    return task


def shield(task):
    outer = asyncio.shield(task)
    SHIELDED[id(outer)] = task
    KEEP.append(outer)
    return outer


def in_pool(key):
    future = asyncio.get_running_loop().run_in_executor(POOL, blocks, key)
    CALLS[id(future)] = key
    KEEP.append(future)
    return future


async def at_once():
    return 1


def read_pieces():
    """The functions that trees are made of, by kind, as far as this interpreter knows their syntax and modules."""
    pieces = {"leaf": [], "thread": [], "inner": []}
    with (Path(__file__).parent / "random_tree_pieces.txt").open() as stream:
        for piece in stream.read().split("== ")[1:]:
            head, _, text = piece.partition("\n")
            kind, _, needs = head.partition(" ")
            if needs == "anyio":
                usable = anyio is not None
            else:
                least = tuple(int(part) for part in needs.split(".")) if needs else V
                usable = V[: len(least)] >= least
            if usable:
                pieces[kind].append(text.rstrip())
    return pieces


PIECES = read_pieces()


class Generator:
    def __init__(self, case):
        self.case = case
        self.count = 0
        self.source = []
        self.threads = 1 if RANDOM.random() < 0.3 else 0

    def function(self, depth):
        self.count += 1
        name = f"f{self.case}_{self.count}"
        number = self.case * 1000 + self.count
        if depth <= 0 or self.count > 40:
            kind = "leaf"
            if self.threads:
                self.threads -= 1
                kind = "thread"
            text = RANDOM.choice(PIECES[kind]).format(f=name, n=number)
        else:
            template = RANDOM.choice(PIECES["inner"])
            child = self.function(depth - 1)
            more = self.function(RANDOM.randrange(2)) if "{a}" in template else ""
            text = template.format(f=name, n=number, child=child, a=more)
        self.source.append("\n" * RANDOM.randrange(4) + text)
        return name


def make_case(number):
    generator = Generator(number)
    name = generator.function(RANDOM.randrange(1, 9))
    code = compile("\n\n".join(generator.source), f"<case {number}>", "exec")
    exec(code, globals())
    return globals()[name]


# What the standard library says

POOL_FILES = ("concurrent/futures/thread.py", "anyio/_backends/_asyncio.py")


def describe(frame):
    code = frame.f_code
    return [code.co_qualname if V >= (3, 11) else code.co_name, code.co_filename, frame.f_lineno]


def thread_frames(key):
    if key not in BLOCKED:
        return []
    frames, frame = [], sys._current_frames()[BLOCKED[key]]
    while not (frame.f_code.co_name == "run" and frame.f_code.co_filename.endswith(POOL_FILES)):
        frames.append(describe(frame))
        frame = frame.f_back
    return frames[::-1]


KINDS = (types.CoroutineType, types.AsyncGeneratorType, types.GeneratorType, asyncio.Future)


def behind(thing):
    """One awaitable -> (its frame or None, the awaitable behind it)."""
    if isinstance(thing, types.CoroutineType):
        return thing.cr_frame, thing.cr_await
    if isinstance(thing, types.AsyncGeneratorType):
        return thing.ag_frame, thing.ag_await
    if isinstance(thing, types.GeneratorType):
        if thing.gi_yieldfrom is None and thing.__qualname__ == "Future.__await__":
            return thing.gi_frame, thing.gi_frame.f_locals["self"]
        return thing.gi_frame, thing.gi_yieldfrom
    if not isinstance(thing, asyncio.Future):
        for other in gc.get_referents(thing):
            if isinstance(other, KINDS) or type(other).__name__ in (
                "async_generator_asend",
                "async_generator_athrow",
                "coroutine_wrapper",
            ):
                return None, other
    return None, None


def first_waiting(things):
    return next((thing for thing in things if isinstance(thing, asyncio.Future) and not thing.done()), None)


def behind_future(future, frame, seen):
    """A bare future -> (the future that it stands for, key of a call in a thread)."""
    if hasattr(future, "_children"):
        return first_waiting(future._children), None
    if id(future) in SHIELDED:
        return SHIELDED[id(future)], None
    if id(future) in CALLS:
        return None, CALLS[id(future)]
    name, file, variables = frame.f_code.co_name, frame.f_code.co_filename, frame.f_locals
    other = None
    if file.endswith("asyncio/tasks.py"):
        if name in ("wait_for", "_cancel_and_wait"):
            other = variables.get("fut")
        elif name == "_wait":
            other = first_waiting(variables["fs"])
    elif file.endswith("asyncio/threads.py"):
        return None, variables["args"][0]
    elif file.endswith(("asyncio/taskgroups.py", "anyio/_backends/_asyncio.py")):
        if "args" in variables and variables.get("func") is blocks:
            return None, variables["args"][0]
        if name in ("__aexit__", "_aexit"):
            other = first_waiting(variables["self"]._tasks)
    return (other, None) if other is not None and id(other) not in seen else (None, None)


def stand(task):
    frames, through, seen = [], [], {id(task)}
    thing, innermost = task.get_coro(), None
    while thing is not None and id(thing) not in seen:
        seen.add(id(thing))
        frame, following = behind(thing)
        if frame is not None:
            frames.append(describe(frame))
            if not frame.f_code.co_filename.endswith("asyncio/futures.py"):
                innermost = frame
        if isinstance(thing, asyncio.Task):
            through.append(thing.get_name())
            following = thing.get_coro()
        elif isinstance(thing, asyncio.Future):
            following, key = behind_future(thing, innermost, seen)
            if key is not None:
                frames += thread_frames(key)
        thing = following
    return {"frames": frames, "through": through}


def tell(loop):
    before = None
    while True:  # until two rounds of the loop agree: every task and thread has run to where it stays
        for _ in range(20):
            settled = threading.Event()
            loop.call_soon_threadsafe(settled.set)
            settled.wait()
        try:
            stands = {task.get_name(): stand(task) for task in asyncio.all_tasks(loop)}
        except (RuntimeError, AttributeError, KeyError):
            continue
        if stands == before:
            break
        before = stands
    print(json.dumps(stands), flush=True)


async def main():
    for number in range(CASES):
        start(f"case {number}", make_case(number)())
    threading.Thread(target=tell, args=(asyncio.get_running_loop(),), daemon=True).start()
    await asyncio.Event().wait()


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
if MODE == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
elif V >= (3, 11):
    with asyncio.Runner() as runner:
        runner.run(main())
else:
    asyncio.run(main())
