"""gunicorn's configuration for the memory cells: the master, and so every worker, in the cgroup $CGROUP (a folder)."""

import os
from pathlib import Path

(Path(os.environ["CGROUP"]) / "cgroup.procs").write_text(str(os.getpid()))
