"""What a cell of the accuracy matrix is made of: a cause, where it is run, and the truth that a report must tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.environments import NEWEST

VERSIONS = ("20.1.0", "21.2.0", "22.0.0", "23.0.0", "25.3.0", "26.2.0", NEWEST)
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
PYTHON = "3.11"
"""The CPython of every cell that does not name one."""

ASYNC_WORKERS = ("uvicorn-asyncio", "uvicorn-uvloop", "asgi")
WORKERS = ("sync", "gthread", "gevent", "eventlet", "tornado", *ASYNC_WORKERS)

IMPORT, FACTORY, LIFESPAN, PRELOAD, REQUEST = "import", "factory", "lifespan", "preload", "request"
GREENLETS = ("gevent", "eventlet")

PHASES = (IMPORT, FACTORY, LIFESPAN, PRELOAD, REQUEST)


@dataclass(frozen=True)
class Cause:
    """One way to block, in one known place, with one real library.

    `application`: the module in tests/scenarios/applications, or `module:attribute` as gunicorn has it. `calls`: the
    innermost application function (several where it depends on the moment of the look; none where no application
    function has a part in it). `libraries`: what that function called (empty: not graded). `waits`: the report's
    waiting_on.kind. `server`: a name in tests/scenarios/servers.py. `states`: TCP states of the connection; with any,
    the server is the peer that a report must name. `coroutine`: the function is an `async def`. `releases_hub`: the
    worker classes under which other greenlets go on meanwhile (eventlet makes psycopg2 cooperative too).
    `needs`: packages, as `cell_environments.py` has them, that not every CPython has.
    `variables`: for the application; `{host}`, `{port}`, `{peer}` and `{folder}` are filled in.
    `client`: "asks" for the path that blocks, or is "idle": connects and sends nothing.
    `truth`: what only this cause does, in place of what `truth_of` derives.
    """

    name: str
    family: str
    application: str
    calls: tuple[str, ...]
    categories: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    waits: tuple[str, ...] = ("socket",)
    server: str | None = None
    states: tuple[str, ...] = ()
    coroutine: bool = False
    releases_hub: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, object] = field(default_factory=dict)
    client: str = "asks"


@dataclass(frozen=True)
class Truth:
    """What is so. `kind` None: nothing is wrong, and a report that finds anything is wrong.

    `patterns` must all be in the report, of `forbidden` none. `also`: incident kinds that may stand beside (the next
    generation of a restart loop still hangs).
    """

    kind: str | None
    phase: str | None = None
    killed_by: tuple[str, ...] = ()
    blamed: bool = True
    patterns: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    in_log: bool = True


@dataclass(frozen=True)
class Cell:
    """A cause in one place of the matrix.

    `watch_s`: how long after the decisive moment the watch goes on. `kill`: a signal that somebody else sends the first
    worker. `fast`: belongs to the part that the test run covers. `truth`: as Cause.truth, for this cell.
    """

    cause: Cause
    version: str = NEWEST
    worker: str = "sync"
    python: str = PYTHON
    phase: str = IMPORT
    workers: int = 1
    timeout_s: int = 4
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, object] = field(default_factory=dict)
    watch_s: float | None = None
    kill: str | None = None
    note: str = ""
    fast: bool = False

    @property
    def name(self) -> str:
        """Unique in the matrix; also the name of its folder."""
        parts = [self.cause.name, self.phase, self.worker, self.version, self.python]
        if self.workers != 1:
            parts.append(f"{self.workers}-workers")
        if self.note:
            parts.append(self.note)
        return "-".join(parts)

    @property
    def asgi(self) -> bool:
        """Whether the worker class wants an ASGI application."""
        return self.worker in ASYNC_WORKERS


def major(version: str) -> int:
    """The first number of a gunicorn version."""
    return int(version.split(".")[0])


def kills_in_startup(version: str) -> bool:
    """gunicorn 22 and later never time out a worker that hangs before its first heartbeat."""
    return major(version) < 22


def fits(version: str, worker: str, python: str = PYTHON) -> bool:
    """Whether this gunicorn has this worker class, and runs on this CPython."""
    if worker == "asgi" and major(version) < 24:
        return False
    if worker == "eventlet" and (major(version) > 25 or major(version) <= 20):
        return False  # removed in 26; 20.1 wants an eventlet that does not run on CPython 3.10 and later
    minor = int(python.split(".")[1])
    if minor < 10 and major(version) >= 25:
        return False
    return not (minor >= 12 and major(version) <= 20)  # 20.1 needs pkg_resources and the `imp`-era standard library


def truth_of(cell: Cell) -> Truth:
    """What happens in this cell, from how gunicorn's versions and worker classes time out; measured, not assumed."""
    cause, workers = cell.cause, cell.workers
    if cell.phase == PRELOAD:
        truth = Truth("master_hang", "startup", ("none",), in_log=False)
    elif cell.phase != REQUEST:
        kills = kills_in_startup(cell.version)
        patterns = () if kills else ("silent_startup_hang",)
        contention = ("startup_contention",) if workers > 1 else ()
        truth = Truth(
            "worker_timeout" if kills else "startup_hang",
            "startup",
            ("gunicorn",) if kills else ("none",),
            patterns=(*patterns, *contention),
            forbidden=("silent_startup_hang",) if kills else ("restart_loop", "misleading_oom_message"),
            also=("startup_hang",) if kills else (),
            in_log=kills,
        )
    elif blocks_the_heartbeat(cell):
        blocking = cell.asgi and not cause.coroutine
        truth = Truth(
            "worker_timeout",
            "serving",
            ("gunicorn",),
            patterns=("blocking_call_in_event_loop",) if blocking else (),
            forbidden=("silent_startup_hang", "startup_contention"),
        )
    else:
        truth = Truth(None)
    return dataclasses.replace(truth, **{**cause.truth, **cell.truth})  # type: ignore[arg-type]


def blocks_the_heartbeat(cell: Cell) -> bool:
    """Whether a request that blocks keeps this worker class from its heartbeat."""
    if cell.worker == "gthread":
        return False  # it beats from its main thread, requests are in others
    if cell.worker in ("gevent", "eventlet"):
        return cell.worker not in cell.cause.releases_hub
    if cell.asgi:
        return not cell.cause.coroutine
    return True


def over(cause: Cause, **axes: Iterable[object]) -> list[Cell]:
    """Cells of one cause over some axes: `over(cause, version=VERSIONS, worker=("sync", "gthread"))`; what fits."""
    cells: list[dict[str, object]] = [{}]
    for axis, values in axes.items():
        values = list(values)
        cells = [{**cell, axis: value} for cell in cells for value in values]
    made = [Cell(cause, **cell) for cell in cells]  # type: ignore[arg-type]
    return [cell for cell in made if fits(cell.version, cell.worker, cell.python)]
