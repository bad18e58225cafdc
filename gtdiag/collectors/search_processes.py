"""Blocks to the places of their tell-tale lines, searched by processes of their own; the order stays."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gtdiag.collectors.block_search import SearchedBlock
from gtdiag.collectors.literal_search import search_one_by_one

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def search_elsewhere(blocks: Iterator[bytes], literals: tuple[bytes, ...], jobs: int) -> Iterator[SearchedBlock]:
    """Each process has one block at a time, so neither side ever waits for the other to read."""
    search = search_one_by_one(literals)
    with _searchers(literals, jobs) as connections:
        pending: deque[tuple[Connection[Any, Any] | None, bytes]] = deque()

        def hand_out(connection: Connection[Any, Any] | None) -> None:
            block = next(blocks, None)
            if block is None:
                return
            try:
                if connection is not None:
                    connection.send_bytes(block)
            except OSError:
                connection = None
            pending.append((connection, block))

        for connection in connections:
            hand_out(connection)
        if not connections:
            hand_out(None)
        while pending:
            sent_to, block = pending.popleft()
            starts: Iterable[int] | None = None
            if sent_to is not None:
                with contextlib.suppress(OSError, EOFError):
                    starts = array("Q", sent_to.recv_bytes())
            # A process that was ended from outside costs time and nothing else.
            hand_out(None if starts is None else sent_to)
            yield SearchedBlock(block, search(block) if starts is None else starts)


@contextlib.contextmanager
def _searchers(literals: tuple[bytes, ...], jobs: int) -> Iterator[list[Connection[Any, Any]]]:
    """Processes that search what they are sent. They end with this one: their end of the pipe is closed then."""
    context = multiprocessing.get_context("spawn")
    connections: list[Connection[Any, Any]] = []
    processes = []
    with interrupts_held_back():
        for _ in range(jobs):
            here, there = context.Pipe()
            try:
                process = context.Process(target=_serve, args=(there, literals), daemon=True)
                process.start()
            except OSError:
                here.close()  # no more processes: those that are there do the work
                break
            finally:
                there.close()
            connections.append(here)
            processes.append(process)
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def _serve(connection: Connection[Any, Any], literals: tuple[bytes, ...]) -> None:
    search = search_one_by_one(literals)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send_bytes(array("Q", search(connection.recv_bytes())))


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Ctrl-C in a terminal goes to all processes: those started here leave it to this one (the mask is inherited)."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # POSIX only

    # Started later by itself, it would unblock the signal for the first process.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
