"""A py-spy beside gtdiag that stops every worker and hangs: the server must serve again."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.faults import hanging_tracer
from tests.faults.measured import CannotTryError, measure, still_running
from tests.live.gtdiag_command import installation_without_py_spy, path_without_py_spy
from tests.live.gunicorn_process import running_gunicorn

WORKERS = 2
TRACER = Path(hanging_tracer.__file__)


def tracer() -> list[str]:
    """A snapshot for each way to take hold of a process; what was wrong, in words. Raises CannotTryError."""
    wrong = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-tracer-")))
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(NEWEST), "sync_serving:application", folder=folder, workers=WORKERS, timeout_s=60
            )
        )
        workers = gunicorn.wait_for_workers(WORKERS)
        command = installation_without_py_spy(folder / "installation")
        fake = Path(command[0]).with_name("py-spy")
        for how in ("seize", "attach", "stop"):
            traced = folder / f"traced-{how}"
            fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TRACER}" {how} "$@"\n')
            fake.chmod(0o755)
            variables = {"PATH": path_without_py_spy(), "TRACED": os.fspath(traced)}
            done = measure(
                folder, "snapshot", str(gunicorn.pid), "--format", "json", command=command, variables=variables
            )
            held = traced.read_text().split("\n") if traced.exists() else []
            if any("error" in line for line in held):
                raise CannotTryError(f"no ptrace here: {held}")
            print(done.line("tracer", f"{how}, {len(held) - 1} workers were stopped; "), flush=True)
            wrong += [f"{how}: {words}" for words in done.wrong()]
            if len(held) - 1 < WORKERS:
                wrong.append(f"{how}: the fake took hold of {held}")
            for pid in workers:
                status = Path(f"/proc/{pid}/status").read_text()
                if "TracerPid:\t0" not in status or "State:\tT" in status or "State:\tt" in status:
                    wrong.append(f"{how}: worker {pid} was left stopped")
            with urllib.request.urlopen(gunicorn.url("/"), timeout=10) as answer:
                if answer.status != 200:
                    wrong.append(f"{how}: the server answers {answer.status}")
            if still_running(os.fspath(TRACER)):
                wrong.append(f"{how}: the tracer is still there")
    return [f"tracer: {words}" for words in wrong]
