"""Batches of sources to their results, by the workers of a Dask cluster (`pip install 'gtdiag[dask]'`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from gtdiag.errors import GtdiagError, ToolMissingError
from gtdiag.fleet.lost_batch import draw_lost
from gtdiag.fleet.one_source import analyze_batch
from gtdiag.fleet.work import Batch, BatchResult, WorkSettings

CONNECT_TIMEOUT_S = 10.0
"""A scheduler in the same network answers within milliseconds."""


class SchedulerError(GtdiagError):
    """The cluster cannot be reached, has no workers, or its workers cannot do the work."""


def count_workers(address: str) -> int:
    """How many tasks the cluster runs at a time. Raises SchedulerError where it is away or has no workers."""
    with _connect(address) as client:
        threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    if not threads:
        raise SchedulerError(f"the Dask scheduler at {address} has no workers", hint=f"dask worker {address}")
    return int(threads)


def analyze_on_cluster(batches: Sequence[Batch], settings: WorkSettings, address: str) -> Iterator[BatchResult]:
    """The result of each batch, in the order in which they are ready.

    A batch that the cluster lost is told of as unread. Raises SchedulerError where the scheduler is away or goes away,
    and where its workers have no gtdiag.
    """
    with _connect(address) as client:
        from distributed import as_completed
        from distributed.client import FutureCancelledError

        futures = {client.submit(analyze_batch, batch, settings, pure=False): batch for batch in batches}
        try:
            for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
                error = future.exception() if future.status != "finished" else None
                if error is None:
                    yield future.result()
                elif isinstance(error, ImportError):
                    raise SchedulerError(
                        f"the workers of {address} cannot import gtdiag: {error}",
                        hint="install the same version of gtdiag on the workers: pip install 'gtdiag[dask]'",
                    ) from None
                else:
                    yield _lost(futures[future], error)
                future.release()
        except (FutureCancelledError, OSError) as error:
            raise SchedulerError(
                f"the Dask scheduler at {address} went away", hint="start it, and run this again"
            ) from error


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ToolMissingError(
            "--scheduler needs Dask's distributed, which is not installed", hint="pip install 'gtdiag[dask]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # one line of ours says it
    try:
        return Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise SchedulerError(
            f"cannot reach the Dask scheduler at {address}: {words}",
            hint="start one with `dask scheduler`, and give its address as it says it: tcp://HOST:8786",
        ) from None


def _lost(batch: Batch, error: BaseException | None) -> BatchResult:
    words = " ".join(str(error).split())[:300].replace("{", "{{").replace("}", "}}")
    return draw_lost(batch, f"the cluster lost the work on {{file}}: {words}")
