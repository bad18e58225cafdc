"""Start-up lines that name no pid to the worker they are about: which workers wait for which step."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from gtdiag.model.events import WorkerProgressed, WorkerReady, WorkerTimedOut
from gtdiag.model.identity import WorkerId
from gtdiag.parsing.gunicorn_lines import Fact

_MOST_STREAMS = 256
_MOST_STARTING = 256


class StartupSteps:
    """Follows the workers of each stream from their first step until they are ready."""

    def __init__(self) -> None:
        self._starting: dict[str, list[tuple[int, str]]] = {}
        self._ready: OrderedDict[tuple[str, WorkerId], None] = OrderedDict()

    def was_ready(self, stream: str, worker: WorkerId) -> bool:
        """Whether a worker said that its start was complete."""
        return (stream, worker) in self._ready

    def find(self, stream: str, fact: Fact) -> int | None:
        """The worker a start-up line without a pid is about: the first one that waits for this step."""
        wanted = ("imported",) if fact.values.get("step") == "lifespan" else ("lifespan", "imported")
        starting = self._starting.get(stream, ())
        for step in wanted:
            for pid, state in starting:
                if state == step:
                    return pid
        return None

    def track(self, stream: str, fact: Fact, worker: WorkerId | None) -> None:
        """Take a fact about a worker into account."""
        if worker is None:
            return
        starting = self._starting.get(stream)
        if starting is None:
            if len(self._starting) >= _MOST_STREAMS:
                return
            starting = self._starting[stream] = []
        if fact.event is WorkerProgressed:
            starting[:] = [item for item in starting if item[0] != worker.pid][-_MOST_STARTING:]
            starting.append((worker.pid, str(fact.values["step"])))
        elif fact.event is not WorkerTimedOut:
            starting[:] = [item for item in starting if item[0] != worker.pid]
        if fact.event is WorkerReady:
            add_bounded(self._ready, (stream, worker))


def add_bounded(kept: OrderedDict[Any, None], key: Any) -> None:
    """Remember a key, and forget the oldest where there are many."""
    kept[key] = None
    if len(kept) > 4096:
        kept.popitem(last=False)
