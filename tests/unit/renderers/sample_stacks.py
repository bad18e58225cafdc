"""Stack profiles built by hand, as the report of `sample_reports.restart_loop` would have them."""

from __future__ import annotations

from gtdiag.model.report import Phase
from gtdiag.model.stack_profile import ProfiledStack, StackProfile, WorkerProfile
from gtdiag.model.stacks import Frame

SELECT = (Frame("run", "/usr/lib/python3.11/asyncio/runners.py", 190), Frame("select", "/usr/lib/selectors.py", 468))
CONNECT = (
    Frame("lifespan", "/srv/app/main.py", 58),
    Frame("verify_database_migrations", "/srv/app/main.py", 41),
    Frame("connect", "/srv/venv/site-packages/asyncpg/connection.py", 2329),
)


def two_workers() -> StackProfile:
    """One that was followed through its start-up, one of which a log has a traceback only."""
    return StackProfile(
        (
            WorkerProfile(
                7,
                1,
                (
                    ProfiledStack(Phase.STARTUP, "main thread", SELECT, 28, 27.5),
                    ProfiledStack(Phase.STARTUP, "tasks", CONNECT, 27, 26.25),
                    ProfiledStack(Phase.SERVING, "main thread", SELECT, 1, 0.5),
                ),
            ),
            WorkerProfile(8, 2, (ProfiledStack(None, "traceback in the log", CONNECT, 1, 0.0),), left_out=3),
        )
    )


def with_text(text: str) -> StackProfile:
    """Every name is this text."""
    frames = (Frame(text, text, 1), Frame(text, text))
    return StackProfile((WorkerProfile(7, 1, (ProfiledStack(Phase.STARTUP, text, frames, 1, 1.5),)),))
