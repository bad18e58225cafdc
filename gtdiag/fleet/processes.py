"""Batches of sources to their results, by processes of this machine; one that dies costs its batch a second try."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from gtdiag.collectors.search_processes import interrupts_held_back
from gtdiag.fleet.lost_batch import draw_lost
from gtdiag.fleet.one_source import analyze_batch
from gtdiag.fleet.work import Batch, BatchResult, WorkSettings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_TRIES = 2
_ENDED_TWICE = (
    "the process that read {file} ended without an answer, twice: it was killed (is memory short?) or could not start"
)


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection[Any, Any]
    batch: Batch
    tries: int


def analyze_in_processes(batches: Sequence[Batch], settings: WorkSettings, jobs: int) -> Iterator[BatchResult]:
    """The result of each batch, in the order in which they are ready. With one job, here and without a process.

    A process that is killed (no memory is left) loses its batch; the sources of it are tried again one by one, and one
    that costs a process twice is told of as unread.
    """
    if jobs <= 1 or len(batches) <= 1:
        for batch in batches:
            yield analyze_batch(batch, settings)
        return
    waiting = deque((batch, 1) for batch in batches)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_start(*waiting.popleft(), settings))
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                result = _receive(worker)
                if result is not None:
                    yield result
                    if waiting:
                        _hand_over(worker, *waiting.popleft())
                        continue
                elif len(worker.batch) > 1 or worker.tries < _TRIES:
                    waiting.extend(((source,), worker.tries + (len(worker.batch) == 1)) for source in worker.batch)
                else:
                    yield draw_lost(worker.batch, _ENDED_TWICE)
                workers.remove(worker)
                _end(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
            _end(worker)


def _start(batch: Batch, tries: int, settings: WorkSettings) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, settings), daemon=True)
    with interrupts_held_back():
        process.start()
    there.close()
    worker = _Worker(process, here, batch, tries)
    _hand_over(worker, batch, tries)
    return worker


def _hand_over(worker: _Worker, batch: Batch, tries: int) -> None:
    worker.batch, worker.tries = batch, tries
    with contextlib.suppress(OSError):  # it is gone, which is seen when its result is waited for
        worker.connection.send(batch)


def _receive(worker: _Worker) -> BatchResult | None:
    try:
        result = worker.connection.recv()
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    assert isinstance(result, BatchResult)
    return result


def _end(worker: _Worker) -> None:
    worker.connection.close()  # the process ends when nothing more can come
    worker.process.join()


def _serve(connection: Connection[Any, Any], settings: WorkSettings) -> None:
    try:
        while True:
            connection.send(analyze_batch(connection.recv(), settings))
    except (EOFError, OSError):
        return  # who asked is gone
