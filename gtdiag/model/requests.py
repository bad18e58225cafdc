"""A request that a worker is handling, as it was seen in the worker's memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestInFlight:
    """One request that had not been answered to its end when it was seen.

    `key` tells it from every other request of the same worker, so that it is known again at the next look; it means
    nothing else. `path` is the raw one, without the query; `query` keeps the names, its values read `***` unless they
    were asked for. `client`: the peer's address, without the port. `request_id`: what the first header of
    `x-request-id`, `x-correlation-id`, `request-id`, `traceparent` (its trace id) and `x-amzn-trace-id` says.
    `age_s`: for at least so long it had been handled at the moment of the look, where the worker's memory tells.
    `on_main_thread`: the worker's main thread was running it at that moment.
    """

    key: str
    method: str | None = None
    path: str | None = None
    query: str | None = None
    client: str | None = None
    request_id: str | None = None
    age_s: float | None = None
    on_main_thread: bool = False
