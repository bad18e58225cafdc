"""The example application under gunicorn, its workers hanging in start-up: a database or a model service is mute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

MUTE = {
    "database": ("DATABASE_URL", "postgresql://app:secret@{peer}/orders"),
    "model service": ("MODEL_SERVICE_URL", "https://{peer}/models"),
}


@contextmanager
def hanging_start_up(
    folder: Path, *, workers: int = 2, timeout_s: float = 3, version: str = NEWEST, mute: str = "database"
) -> Iterator[tuple[GunicornProcess, str]]:
    """A gunicorn whose uvicorn workers have all booted, and the address of what is mute."""
    variable, url = MUTE[mute]
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(version),
            "startup_contention:app",
            folder=folder,
            worker_class="uvicorn",
            workers=workers,
            timeout_s=timeout_s,
            variables={variable: url.format(peer=server.peer)},
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(workers)
        yield gunicorn, server.peer
