"""Runs one cell: real gunicorn, `gtdiag watch` as a user would start and end it, `gtdiag analyze` of the log.

The watch is ended with Ctrl-C when what the cell waits for has happened (the time-out and the kill are in the log), or
when the time has come at which a hang that gunicorn never ends must have been seen.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.environments import REPOSITORY, Environment
from tests.live.gtdiag_command import Done, run_gtdiag, start_gtdiag
from tests.live.gunicorn_process import APPLICATIONS as LIVE_APPLICATIONS
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import Address
from tests.scenarios.cell_environments import environment_of
from tests.scenarios.cells import FACTORY, PRELOAD, REQUEST, Cell, truth_of
from tests.scenarios.servers import server_of

APPLICATIONS = Path(__file__).resolve().parent / "applications"

_ENDED = r"\(pid: ?\d+\) was sent|Worker with pid \d+ was terminated|Worker exiting|Worker \(pid: ?\d+\) exited"
_TIMED_OUT = r"WORKER TIMEOUT \(pid:(\d+)\)"
_AFTER_THE_END_S = 1.5
"""So that the watch has read the last line, the next worker has booted and the exit has been seen."""
_DEADLINE_S = 45


@dataclass(frozen=True)
class Observed:
    """What a cell gave: the two reports, and facts for the grade."""

    cell: Cell
    server: Address | None
    workers: tuple[int, ...]
    master: int
    report: dict[str, Any] = field(repr=False)
    log_report: dict[str, Any] | None = field(repr=False)
    log_status: int
    log_text: str = field(repr=False)
    seconds: float
    replay_differs_in: tuple[str, ...] = ()
    """Where the report of the recording is not that of the watch ("incidents[0].blocked.seconds"); it must be empty."""


def run_cell(cell: Cell, folder: Path | None = None) -> Observed:
    """Run it. `folder` keeps the log, the recording and the reports; without one they are thrown away.

    Raises NotRunError, ServerMissingError, and AssertionError when gunicorn or gtdiag did not do what a run needs.
    """
    environment = environment_of(cell)
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scenario-")))
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(server_of(cell.cause.server))
        return _run(cell, environment, server, folder)


def _run(cell: Cell, environment: Environment, server: Address | None, folder: Path) -> Observed:
    started = time.monotonic()
    (folder / "gunicorn.log").unlink(missing_ok=True)
    options = [*cell.options]
    if cell.phase == PRELOAD:
        options.append("--preload")
    if cell.worker == "gthread":
        options += ["--threads", "4"]
    with running_gunicorn(
        environment,
        application_of(cell),
        folder=folder,
        workers=cell.workers,
        worker_class=worker_class_of(cell, environment),
        timeout_s=cell.timeout_s,
        options=options,
        variables=variables_of(cell, server, folder),
        working_directory=APPLICATIONS,
    ) as gunicorn:
        workers: list[int] = []
        if cell.phase != PRELOAD:
            workers = gunicorn.wait_for_workers(cell.workers, deadline_s=_DEADLINE_S)
        if cell.phase == REQUEST:
            _wait_until_it_answers(cell, gunicorn)
        report = _watch(cell, gunicorn, folder, workers)
        gone = gunicorn.returncode
        assert gone is None or truth_of(cell).kind is not None, f"the master ended with {gone}\n{gunicorn.log_text()}"
        master = gunicorn.pid
        log_text = gunicorn.log_text()
    log_report, log_status = _analyze_log(cell, log_text, folder)
    return Observed(
        cell,
        server,
        tuple(workers),
        master,
        report,
        log_report,
        log_status,
        log_text,
        time.monotonic() - started,
        compare_with_replay(report, folder / "watch.jsonl"),
    )


def application_of(cell: Cell) -> str:
    """What gunicorn is told to load."""
    if ":" in cell.cause.application:
        return cell.cause.application
    return f"{cell.cause.application}:{'make_application()' if cell.phase == FACTORY else 'application'}"


def worker_class_of(cell: Cell, environment: Environment) -> str:
    """gunicorn's name of it; uvicorn's pure Python worker is the one on asyncio's own loop."""
    if cell.worker == "uvicorn-uvloop":
        return environment.uvicorn_worker_class
    if cell.worker == "uvicorn-asyncio":
        return environment.uvicorn_worker_class.replace("UvicornWorker", "UvicornH11Worker")
    return cell.worker


def variables_of(cell: Cell, server: Address | None, folder: Path) -> dict[str, str]:
    """The environment variables of the application."""
    places = {"folder": str(folder), "examples": str(REPOSITORY / "examples")}
    if server is not None:
        places |= {"host": server.host, "port": str(server.port), "peer": server.peer}
    given = {**cell.cause.variables, **cell.variables}
    filled = {name: value.format(**places) for name, value in given.items()}
    # The applications of the other live tests can be named too.
    found_in = {"PYTHONPATH": str(LIVE_APPLICATIONS), "PHASE": cell.phase, "PROTOCOL": "asgi" if cell.asgi else "wsgi"}
    return {**found_in, **filled}


def _watch(cell: Cell, gunicorn: GunicornProcess, folder: Path, workers: list[int]) -> dict[str, Any]:
    arguments = ["watch", str(gunicorn.pid), "--format", "json", "--for", f"{_DEADLINE_S}s", "--json-events"]
    errors = folder / "watch.stderr"
    with start_gtdiag(*arguments, "--record", str(folder / "watch.jsonl"), stderr=errors) as process:
        try:
            _wait_until_it_watches(process, errors)
            with _what_the_cell_does(cell, gunicorn, workers):
                _wait_for_what_happens(cell, gunicorn, process)
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            process.communicate()
            raise
    assert process.returncode in (0, 1), f"exit code {process.returncode}\n{errors.read_text(errors='replace')[-3000:]}"
    (folder / "report.json").write_text(stdout)
    return Done(process.returncode, stdout, "").report()


def _wait_until_it_watches(process: subprocess.Popen[str], errors: Path) -> None:
    end = time.monotonic() + _DEADLINE_S
    while not errors.exists() or errors.stat().st_size == 0:
        assert process.poll() is None, f"gtdiag ended with {process.returncode}"
        assert time.monotonic() < end, "gtdiag showed no event"
        time.sleep(0.05)


def _wait_until_it_answers(cell: Cell, gunicorn: GunicornProcess) -> None:
    end = time.monotonic() + _DEADLINE_S
    while True:
        with contextlib.suppress(OSError), _request(gunicorn, "/") as connection:
            connection.settimeout(5)
            if connection.recv(100):
                break
        assert time.monotonic() < end, f"gunicorn does not answer\n{gunicorn.log_text()}"
        time.sleep(0.05)
    if cell.worker == "tornado":
        # It beats for the first time a second after it began to serve; before that, 22 and later never time it out.
        time.sleep(1.5)


def _request(gunicorn: GunicornProcess, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gunicorn.port), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
    return connection


@contextlib.contextmanager
def _what_the_cell_does(cell: Cell, gunicorn: GunicornProcess, workers: list[int]) -> Iterator[None]:
    """Ask for the path that blocks, or send the signal that somebody else sends."""
    with contextlib.ExitStack() as stack:
        if cell.phase == REQUEST and cell.kill is None:
            for _ in range(cell.workers):
                if cell.cause.client == "idle":
                    stack.enter_context(socket.create_connection(("127.0.0.1", gunicorn.port), timeout=10))
                else:
                    stack.enter_context(_request(gunicorn, "/block"))
        if cell.kill is not None:
            time.sleep(1.5)
            os.kill(workers[0], getattr(signal, cell.kill))
        yield


def _wait_for_what_happens(cell: Cell, gunicorn: GunicornProcess, process: subprocess.Popen[str]) -> None:
    truth = truth_of(cell)
    if cell.watch_s is not None:
        _sleep(cell.watch_s, process)
    elif truth.kind == "worker_timeout":
        gunicorn.wait_for_log(_TIMED_OUT, cell.workers, deadline_s=_DEADLINE_S - 10)
        gunicorn.wait_for_log(_ENDED, cell.workers, deadline_s=10)
        _sleep(_AFTER_THE_END_S, process)
    else:
        # A hang counts from the boot, which was before the watch; its report wants a look after that.
        _sleep(cell.timeout_s + 2.5, process)


def _sleep(seconds: float, process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)  # it ends by itself where the master does


def compare_with_replay(report: dict[str, Any], recording: Path) -> tuple[str, ...]:
    """Where `analyze` of the recording says something else than the watch did; the source alone may differ."""
    done = run_gtdiag("analyze", str(recording), "--format", "json")
    if done.status not in (0, 1):
        return (f"analyze of the recording ended with {done.status}: {done.stderr.strip()}",)
    return tuple(_differences({**report, "source": None}, {**done.report(), "source": None}, ""))


def _differences(watched: Any, replayed: Any, place: str) -> Iterator[str]:
    if isinstance(watched, dict) and isinstance(replayed, dict) and watched.keys() == replayed.keys():
        for name in watched:
            yield from _differences(watched[name], replayed[name], f"{place}.{name}".lstrip("."))
    elif isinstance(watched, list) and isinstance(replayed, list) and len(watched) == len(replayed):
        for number, (one, other) in enumerate(zip(watched, replayed, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif watched != replayed:
        yield place


def _analyze_log(cell: Cell, log_text: str, folder: Path) -> tuple[dict[str, Any] | None, int]:
    if not log_text:
        return None, 0  # a master that hangs while it preloads says nothing at all
    saved = folder / "saved.log"
    saved.write_text(log_text)
    done = run_gtdiag("analyze", str(saved), "--timeout", str(cell.timeout_s), "--format", "json")
    if done.status not in (0, 1):
        return None, done.status
    (folder / "log_report.json").write_text(done.stdout)
    return done.report(), done.status
