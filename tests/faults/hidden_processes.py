"""/proc mounted with hidepid, an ordinary user: what each command says of a master that it may not see."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.faults.measured import CannotTryError, measure
from tests.live.gtdiag_command import as_module
from tests.live.gunicorn_process import running_gunicorn

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def hidepid() -> list[str]:
    """Each command with hidepid 1 and 2; what was wrong, in words. Raises CannotTryError."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None:
        raise CannotTryError("needs root, unshare and setpriv (util-linux)")
    if subprocess.run(["unshare", "-m", "mount", "-t", "proc", "proc", "/proc"], check=False).returncode:
        raise CannotTryError("no mounts in a namespace here")
    wrong = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-hidepid-")))
        gunicorn = stack.enter_context(
            running_gunicorn(standard_environment(NEWEST), "sync_serving:application", folder=folder)
        )
        gunicorn.wait_for_workers(1)
        pid = str(gunicorn.pid)
        for option in (1, 2):
            mount = f'mount -t proc -o hidepid={option} proc /proc && exec "$@"'
            command = ["unshare", "-m", "sh", "-c", mount, "sh", *NOBODY, *as_module()]
            for arguments in (["ps"], ["doctor", pid], ["snapshot", pid], ["watch", pid, "--for", "2s"], ["snapshot"]):
                done = measure(folder, *arguments, command=command)
                said = (done.stdout if arguments == ["ps"] else done.stderr).replace("\n", " | ")
                print(f"hidepid={option}  gtdiag {' '.join(arguments)}: exit {done.status}; {said[:230]}", flush=True)
                name = f"hidepid={option} {arguments[0]}"
                wrong += [f"{name}: {words}" for words in done.wrong(statuses=(0, 2, 3))]
                if "hides" not in said or "sudo gtdiag" not in said:
                    wrong.append(f"{name}: it says {said}")
    return wrong
