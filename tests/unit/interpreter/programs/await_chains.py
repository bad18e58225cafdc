"""Suspends tasks in every way the standard library knows, tells on stdout how each really stands, and stays that way.

Usage: await_chains.py c|python|uvloop. Ends when stdin ends. Runs on every supported CPython, so it uses old syntax.
"""

# ruff: noqa: E402, N802, RET504, UP036 - the odd code is what is looked at; it runs on old versions too

import contextlib
import gc
import json
import sys
import threading
import types

MODE = sys.argv[1]
if MODE == "python":
    sys.modules["_asyncio"] = None  # asyncio falls back to the tasks and futures written in Python

import asyncio

HAS_QUALNAME = sys.version_info >= (3, 11)
LINKS = {}  # name of a task -> the task that it waits for through a bare future
KEEP = []


async def nap():
    await asyncio.sleep(100000)


async def middle():
    value = [
        1,
        await nap(),
        3,
    ]
    return value


async def nested():
    x = 1
    while x:
        await middle()


@contextlib.asynccontextmanager
async def inner_lifespan():
    try:
        await middle()
        yield
    finally:
        pass


@contextlib.asynccontextmanager
async def outer_lifespan():
    async with inner_lifespan():
        yield


async def lifespan():
    async with outer_lifespan():
        pass


async def exit_stack():
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(outer_lifespan())


@contextlib.asynccontextmanager
async def cleans_up_slowly():
    try:
        yield
    except ValueError:
        await middle()


async def leaves_with_an_error():
    async with cleans_up_slowly():
        raise ValueError


@contextlib.asynccontextmanager
async def closes_slowly():
    yield
    await middle()


async def leaves():
    async with closes_slowly():
        pass


async def numbers():
    for number in [1, 2, 3]:
        if number == 2:
            await middle()
        yield number


async def async_for():
    async for _ in numbers():
        pass


async def comprehension():
    return [n async for n in numbers()]


async def closing():
    generator = delayed_close()
    await generator.__anext__()
    await generator.aclose()


async def delayed_close():
    try:
        yield 1
    finally:
        await nap()


class ByGenerator:
    def __await__(self):
        for _ in range(3):
            yield from middle().__await__()


class ByWrapper:
    def __await__(self):
        return middle().__await__()


async def by_generator():
    await ByGenerator()


async def by_wrapper():
    await ByWrapper()


@types.coroutine
def old_style():
    yield from middle()


async def by_old_style():
    await old_style()


async def on_a_future():
    await asyncio.get_running_loop().create_future()


async def on_an_event():
    await asyncio.Event().wait()


async def on_a_queue():
    await asyncio.Queue().get()


async def größe():
    await nap()


async def μέγεθος():
    await größe()


async def 𐌼𐌹𐌺𐌹𐌻():
    await μέγεθος()


async def unicode_names():
    await 𐌼𐌹𐌺𐌹𐌻()


async def gathers():
    await asyncio.gather(done_at_once(), nested(), nap())


async def done_at_once():
    return 1


async def gathers_gathers():
    await asyncio.gather(gathers(), nap())


async def on_a_task(task):
    await task


async def waits_for(task):
    await asyncio.wait_for(task, 100000)


async def waits(task):
    await asyncio.wait({task})


async def shields(task):
    await asyncio.shield(task)


async def in_a_group(task_name):
    async with asyncio.TaskGroup() as group:
        LINKS["group"] = group.create_task(nested(), name=task_name)


async def with_a_timeout():
    async with asyncio.timeout(100000):
        await nested()


async def cycle(other):
    await TASKS[other]


async def deep(levels):
    if levels:
        await deep(levels - 1)
    else:
        await nap()


async def to_a_thread():
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 100000)


class MyTask(asyncio.Task):
    """A subclass, as task factories make them."""


TASKS = {}


def start(name, coroutine):
    TASKS[name] = asyncio.ensure_future(coroutine)
    TASKS[name].set_name(name)
    return TASKS[name]


async def main():
    loop = asyncio.get_running_loop()
    for function in (
        nested,
        lifespan,
        exit_stack,
        leaves_with_an_error,
        leaves,
        async_for,
        comprehension,
        closing,
        by_generator,
        by_wrapper,
        by_old_style,
        on_a_future,
        on_an_event,
        on_a_queue,
        unicode_names,
        gathers,
        gathers_gathers,
    ):
        start(function.__name__, function())
    if sys.version_info >= (3, 10):
        generator = numbers()
        await generator.__anext__()

        async def anext_with_default():
            await anext(generator, None)

        start("anext_with_default", anext_with_default())
    start("on_a_task", on_a_task(start("awaited", lifespan())))
    LINKS["waits_for"] = start("waited for", lifespan())
    start("waits_for", waits_for(LINKS["waits_for"]))
    LINKS["waits"] = start("waited in a set", lifespan())
    start("waits", waits(LINKS["waits"]))
    LINKS["shields"] = start("shielded", lifespan())
    start("shields", shields(LINKS["shields"]))
    if sys.version_info >= (3, 11):
        start("group", in_a_group("in the group"))
        start("timeout", with_a_timeout())
    start("cycle a", cycle("cycle b"))
    start("cycle b", cycle("cycle a"))
    start("deep", deep(200))
    TASKS["my task"] = MyTask(nested(), loop=loop, name="my task")
    TASKS["unnamed"] = loop.create_task(nested())
    finished = loop.create_task(done_at_once())
    KEEP.append(finished)
    threading.Thread(target=tell, args=(loop,), daemon=True).start()
    await asyncio.Event().wait()


# What the standard library says of each task


def follow(thing):
    """One awaitable -> (frame or None, the awaitable behind it)."""
    if isinstance(thing, types.CoroutineType):
        return thing.cr_frame, thing.cr_await
    if isinstance(thing, types.AsyncGeneratorType):
        return thing.ag_frame, thing.ag_await
    if isinstance(thing, types.GeneratorType):
        frame = thing.gi_frame
        if thing.gi_yieldfrom is None and thing.__qualname__ == "Future.__await__":
            return frame, frame.f_locals["self"]
        return frame, thing.gi_yieldfrom
    if isinstance(thing, asyncio.Future):
        return None, None
    kinds = (types.CoroutineType, types.AsyncGeneratorType, types.GeneratorType, asyncio.Future)
    for behind in gc.get_referents(thing):
        if isinstance(behind, kinds) or type(behind).__name__ in ("async_generator_asend", "coroutine_wrapper"):
            return None, behind
    return None, None


def stand(task):
    frames, through, seen, ends_in = [], [], {id(task)}, None
    thing = task.get_coro()
    while thing is not None:
        if id(thing) in seen:
            ends_in = "cycle"
            break
        seen.add(id(thing))
        frame, behind = follow(thing)
        if frame is not None:
            code = frame.f_code
            name = code.co_qualname if HAS_QUALNAME else code.co_name
            frames.append([name, code.co_filename, frame.f_lineno])
        if isinstance(thing, asyncio.Task):
            through.append(thing.get_name())
            behind = thing.get_coro()
        elif isinstance(thing, asyncio.Future):
            ends_in = type(thing).__name__
            if hasattr(thing, "_children"):
                behind = next(child for child in thing._children if not child.done())
            elif task.get_name() in LINKS and id(LINKS[task.get_name()]) not in seen:
                behind = LINKS[task.get_name()]
        thing = behind
    return {"frames": frames, "through": through, "ends_in": ends_in}


def tell(loop):
    # Two rounds of the loop: every task has run to where it stays.
    settled = threading.Event()
    for _ in range(10):
        settled.clear()
        loop.call_soon_threadsafe(settled.set)
        settled.wait()
    stands = {task.get_name(): stand(task) for task in asyncio.all_tasks(loop)}
    print(json.dumps(stands), flush=True)


if MODE == "uvloop":
    import uvloop

    new_loop = uvloop.new_event_loop
else:
    new_loop = asyncio.new_event_loop

main_loop = new_loop()
asyncio.set_event_loop(main_loop)
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
main_loop.run_until_complete(main())
