"""The frames of a stack or an await chain, with their owners, to the part that counts, and how much it explains."""

from __future__ import annotations

from collections.abc import Sequence

from gtdiag.analysis.ownership import OwnedFrame
from gtdiag.model.report import Owner
from gtdiag.model.stacks import SuspendedCode
from gtdiag.rules.frameworks import is_event_loop_module

_POOL_THREAD_MODULES = ("concurrent.futures.thread", "anyio._backends._asyncio", "gevent.threadpool", "eventlet.tpool")
_POOL_QUEUES = ("gevent._threading",)
"""A pool's own queue that is no part of the standard library."""
_GREENLET_FRONT_ENDS = ("gevent.threadpool", "gevent.pool", "eventlet.tpool")
"""What a greenlet calls to have work done by a thread; below it is only the waiting."""
_GREENLET_SERVERS = ("gevent.pywsgi", "geventwebsocket.handler", "eventlet.wsgi")
"""What calls the application in the worker classes that bring a server of their own (gunicorn's gevent_pywsgi)."""

IDLE_RANK = 90
"""From here on a task or greenlet explains nothing."""


def waits_in_event_loop(frames: tuple[OwnedFrame, ...]) -> bool:
    """Whether the innermost frames are a loop's own: no application or other library code runs on this thread now."""
    # A selector is every poll's last frame; only a loop above it makes it the loop's own (subprocess has one).
    return any(f.package != "selectors" for f in frames[event_loop_start(frames) :])


def event_loop_start(frames: tuple[OwnedFrame, ...]) -> int:
    """Index of the outermost frame of the innermost unbroken run of event loop frames."""
    start = len(frames)
    while start > 0 and is_event_loop_module(frames[start - 1].module):
        start -= 1
    return start


def is_inside_event_loop(frames: tuple[OwnedFrame, ...]) -> bool:
    """Whether application code runs as a step of an asyncio loop (not before the loop started, at import)."""
    last_app = max((i for i, f in enumerate(frames) if f.owner is Owner.APP), default=0)
    return any(
        # uvloop is compiled and leaves no frame: what gunicorn's own ASGI worker calls is a step of its loop.
        f.module.startswith(("asyncio.runners", "asyncio.base_events", "asyncio.events", "uvloop", "gunicorn.asgi"))
        for f in frames[:last_app]
    )


def innermost_coroutine(frames: tuple[OwnedFrame, ...], suspended: Sequence[SuspendedCode]) -> str | None:
    """The application's innermost `async def` of a stack; which code is one, the running task's chain tells."""
    asynchronous = {(f.function, f.file) for code in suspended if code.running for f in code.frames if f.coroutine}
    return next(
        (
            f.frame.function
            for f in reversed(frames)
            if f.owner is Owner.APP and (f.frame.coroutine or (f.frame.function, f.frame.file) in asynchronous)
        ),
        None,
    )


def rank_of(code: SuspendedCode, frames: tuple[OwnedFrame, ...], *, in_startup: bool, in_own_loop: bool) -> int:
    """How well a task or greenlet explains why the worker does not go on; smaller is better, from `IDLE_RANK` not.

    `in_own_loop`: the application runs the event loop itself (`asyncio.run` in a view), and waits for what is in it.
    """
    if code.kind == "greenlet":
        return _greenlet_rank(frames, in_startup)
    return _chain_rank(frames, in_startup, in_own_loop)


def _greenlet_rank(frames: tuple[OwnedFrame, ...], in_startup: bool) -> int:
    """A start-up runs in the main greenlet, a request below the server's frames; no other keeps the worker from work.

    Those that only wait for work have none of the application's frames: the worker's beat, acceptors, idle connections.
    """
    server = max((i for i, f in enumerate(frames) if _is_server(f)), default=None)
    if server is None:
        return IDLE_RANK  # the hub, or background work of the application's own
    # An application that embeds gunicorn has frames outside it too; what the server called is what counts.
    inner = frames[server + 1 :]
    starts_up = in_startup and any(f.module == "gunicorn.arbiter" for f in frames)
    if any(f.owner is Owner.APP for f in inner):
        return 0 if starts_up else 20
    return 5 if starts_up and inner and not _is_worker_loop(frames[server]) else IDLE_RANK


def _is_server(frame: OwnedFrame) -> bool:
    return frame.owner is Owner.GUNICORN or frame.module in _GREENLET_SERVERS


def _is_worker_loop(frame: OwnedFrame) -> bool:
    """Whether this is `run` of a gunicorn worker: the application is loaded, the worker beats."""
    return frame.module.startswith("gunicorn.workers.") and frame.frame.function.rpartition(".")[2] == "run"


def _chain_rank(frames: tuple[OwnedFrame, ...], in_startup: bool, in_own_loop: bool) -> int:
    """A task's await chain: the lifespan's first, while it lasts; then whatever runs the application's code."""
    has_app = any(f.owner is Owner.APP for f in frames)
    in_lifespan = any("lifespan" in f.module for f in frames)
    if in_lifespan and has_app and _waits_for_the_server(frames):
        # An application, or a middleware of its own, that awaits the message of the shut-down, as long as it serves.
        return 50 if in_startup else IDLE_RANK
    if in_lifespan and has_app:
        return 0
    if in_lifespan and in_startup:
        # uvicorn's own lifespan task waits on a queue for as long as the server runs; that alone explains nothing.
        return 50 if _frames_below_framework(frames) else IDLE_RANK
    if has_app and in_startup:
        return 10
    # A request is a task of the server's or of a framework's. One that begins with the application's own code is its
    # background work: a refresh for ever, which keeps no request waiting.
    return 20 if has_app and (in_own_loop or frames[0].owner is not Owner.APP) else IDLE_RANK


def _waits_for_the_server(frames: tuple[OwnedFrame, ...]) -> bool:
    """Whether a lifespan awaits the server's next message (`receive` of uvicorn and of gunicorn's own ASGI worker)."""
    inner = next((f for f in reversed(frames) if f.owner is not Owner.STDLIB), None)
    return inner is not None and "lifespan" in inner.module and inner.frame.function.endswith("receive")


def _frames_below_framework(frames: tuple[OwnedFrame, ...]) -> bool:
    return not is_event_loop_module(frames[-1].module)


def innermost_app_call(frames: tuple[OwnedFrame, ...]) -> tuple[str, str] | None:
    """File and function of the application's innermost frame."""
    return next(((f.frame.file, f.frame.function) for f in reversed(frames) if f.owner is Owner.APP), None)


def frames_below_app(frames: tuple[OwnedFrame, ...]) -> tuple[OwnedFrame, ...]:
    """What the application has called: the frames inside its innermost one, or all where it has none."""
    app_index = max((i for i, f in enumerate(frames) if f.owner is Owner.APP), default=None)
    below = frames[app_index + 1 :] if app_index is not None else frames
    front_end = next((i for i, f in enumerate(below) if f.module in _GREENLET_FRONT_ENDS), len(below))
    below = below[:front_end]
    # Thread-pool front ends only pass the call on to a thread.
    return tuple(f for f in below if not _is_thread_front_end(f))


def _is_thread_front_end(frame: OwnedFrame) -> bool:
    return frame.module in {
        "asyncio.threads",
        "anyio.to_thread",
        "anyio._backends._asyncio",
        "starlette.concurrency",
        "asgiref.sync",
        "asyncio.base_events",
        "asyncio.futures",
    }


def pool_work(frames: tuple[OwnedFrame, ...]) -> tuple[OwnedFrame, ...]:
    """What a pool thread is working on: the frames inside the pool's own; empty for an idle one or any other thread."""
    pool_end = max((i for i, f in enumerate(frames) if f.module in _POOL_THREAD_MODULES), default=None)
    if pool_end is None:
        return ()
    work = frames[pool_end + 1 :]
    # An idle pool thread waits for work in the pool's own queue.
    busy = any(f.owner in (Owner.APP, Owner.LIBRARY) and f.module not in _POOL_QUEUES for f in work) or any(
        f.frame.function.endswith("getaddrinfo") for f in work
    )
    return work if busy else ()
