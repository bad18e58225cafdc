"""A configuration of gunicorn's whose workers have a thread that always runs, so that py-spy is asked for stacks."""

from __future__ import annotations

from pathlib import Path

_CONFIGURATION = """
import threading
def post_fork(server, worker):
    def spin():
        while True:
            pass
    threading.Thread(target=spin, daemon=True).start()
"""


def with_busy_thread(folder: Path) -> dict[str, str]:
    """The variables that give it to gunicorn. The memory of a worker at rest shows its stacks without py-spy."""
    path = folder / "busy.conf.py"
    path.write_text(_CONFIGURATION)
    return {"GUNICORN_CMD_ARGS": f"--config {path}"}
