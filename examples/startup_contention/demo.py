"""What `make demo` runs: this folder's application under gunicorn, stuck in its start-up, and `gtdiag watch` on it.

    python demo.py [--gunicorn VERSION]... [--for SECONDS]

Shows two gunicorn versions one after the other: with 27 the hang is silent, with 21.2.0 it is a restart loop.
Everything that is started here is ended here, also on Ctrl-C. Needs Linux, and the network the first time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CACHE = FOLDER.parent.parent / ".cache" / "demo"
NEWEST = "27.0.1"
LAST_THAT_KILLS = "21.2.0"
REQUIREMENTS = ("uvicorn", "uvicorn-worker", "fastapi", "asyncpg", "httpx")
WORKERS = 4

# Long enough to be a real start-up budget, short enough to be watched: the hang must last longer than it (27), or be
# killed and started again a few times (21.2.0).
TIMEOUT_S = {NEWEST: 10, LAST_THAT_KILLS: 6}
WATCH_S = {NEWEST: 18, LAST_THAT_KILLS: 26}


class DemoError(Exception):
    """The demo cannot go on; said in one line."""


def main() -> int:
    arguments = argparse.ArgumentParser(description="Watch four workers hang in their start-up.")
    arguments.add_argument("--gunicorn", action="append", metavar="VERSION", help="only this version (may be repeated)")
    arguments.add_argument("--for", dest="watch_s", type=int, metavar="SECONDS", help="how long to watch each")
    chosen = arguments.parse_args()
    versions = chosen.gunicorn or [NEWEST, LAST_THAT_KILLS]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended then, too
    try:
        if not sys.platform.startswith("linux"):
            raise DemoError("gtdiag watches live processes on Linux only (gtdiag analyze works here)")
        say(f"Installing {', '.join(REQUIREMENTS)} and gunicorn {' and '.join(versions)} into {shown(CACHE)} (once)")
        environments = [environment(version) for version in versions]
        with mute_server() as port:
            for version, folder in zip(versions, environments, strict=True):
                watch(version, folder, port, chosen.watch_s or WATCH_S.get(version, 20))
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def watch(version: str, environment_folder: Path, port: int, watch_s: int) -> None:
    """Start the application under this gunicorn, run `gtdiag watch` on it as anybody would, end the application."""
    timeout_s = TIMEOUT_S.get(version, 10)
    say(f"gunicorn {version}: {WORKERS} UvicornWorkers, --timeout {timeout_s}, a database that never answers")
    log = CACHE / f"gunicorn-{version}.log"
    with application(version, environment_folder, port, timeout_s, log) as pid:
        gtdiag = shutil.which("gtdiag", path=os.fspath(Path(sys.executable).parent)) or "gtdiag"
        print(f"$ tail {shown(log)}\n{log.read_text().rstrip()}\n", flush=True)
        command = [gtdiag, "watch", str(pid), "--for", f"{watch_s}s"]
        print(f"$ {' '.join(['gtdiag', *command[1:]])}", flush=True)
        status = run_in_foreground(command)
    print(f"\n(gtdiag ended with exit code {status}: {'found something' if status == 1 else 'see above'})", flush=True)
    if status != 1:
        raise DemoError(f"gtdiag was expected to find something; exit code {status}")


def run_in_foreground(command: list[str]) -> int:
    """Run a command that handles Ctrl-C itself (gtdiag then prints its report), and only then go on with ours."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(10)
            process.kill()
            raise


@contextlib.contextmanager
def application(version: str, environment_folder: Path, port: int, timeout_s: int, log: Path) -> Iterator[int]:
    """The pid of a gunicorn master whose workers are starting up; it and all its workers end with the block."""
    command = [
        os.fspath(environment_folder / "bin" / "gunicorn"),
        "before:app",
        *("--workers", str(WORKERS)),
        *("--worker-class", "uvicorn_worker.UvicornWorker"),
        *("--timeout", str(timeout_s)),
        *("--graceful-timeout", "1"),
        *("--bind", "127.0.0.1:0"),
    ]
    print(f"$ {' '.join(['gunicorn', *command[1:]])}", flush=True)
    variables = {
        **os.environ,
        "DATABASE_URL": f"postgresql://orders:secret@127.0.0.1:{port}/orders",
        "MODEL_SERVICE_URL": f"https://127.0.0.1:{port}/models",
        "HOME": os.fspath(CACHE),  # gunicorn 25 and later keep a control socket under it
    }
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for gtdiag and for us; the workers are ended below, all at once.
        master = subprocess.Popen(
            command,
            cwd=FOLDER,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for_workers(master, log)
        yield master.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(master.pid, signal.SIGKILL)
        master.wait()


def wait_for_workers(master: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while log.read_bytes().count(b"Booting worker") < WORKERS:
        if master.poll() is not None or time.monotonic() > end:
            raise DemoError(f"gunicorn did not start its workers; its log:\n{log.read_text()}")
        time.sleep(0.05)


@contextlib.contextmanager
def mute_server() -> Iterator[int]:
    """The port of a server that accepts and never answers."""
    command = [sys.executable, os.fspath(FOLDER / "mute_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def environment(version: str) -> Path:
    """A virtual environment with this gunicorn; made once."""
    folder = CACHE / f"gunicorn-{version}-py{sys.version_info[0]}.{sys.version_info[1]}"
    with only_one_builds(folder):
        complete = folder / "complete"
        # A checkout that was moved since has programs that start nothing.
        if complete.exists() and os.fspath(folder) in (folder / "bin" / "activate").read_text():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        base = getattr(sys, "_base_executable", None) or sys.executable
        quietly([base, "-m", "venv", "--without-pip", os.fspath(folder)])
        pip = [sys.executable, "-m", "pip", "--python", os.fspath(folder / "bin" / "python")]
        quietly([*pip, "--disable-pip-version-check", "install", "--quiet", f"gunicorn=={version}", *REQUIREMENTS])
        complete.touch()
    return folder


@contextlib.contextmanager
def only_one_builds(folder: Path) -> Iterator[None]:
    """A second demo waits for the first one's installation; it would else replace modules that run already."""
    import fcntl  # not on Windows, where main() says so in a line

    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def quietly(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def shown(path: Path) -> str:
    """A path as the user would type it."""
    with contextlib.suppress(ValueError):
        return os.fspath(path.relative_to(Path.cwd()))
    return os.fspath(path)


if __name__ == "__main__":
    sys.exit(main())
