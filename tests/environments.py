"""Turns "gunicorn 21.2.0 with uvicorn and asyncpg" into a real virtual environment, made once and kept.

    environment = standard_environment("21.2.0")             # what most tests want
    environment = gunicorn_environment("23.0.0", "redis")    # gunicorn 23.0.0 and what you name, nothing else
    environment.python, environment.gunicorn                 # paths of the two programs
    environment.run_environment(DATABASE_URL="...")          # variables for a subprocess: the caller's, and yours

Environments live in `<repo>/.cache/environments/<name>`, ignored by git (`GTDIAG_TEST_ENVIRONMENTS` names another
folder). The name is made of the gunicorn version, the Python version and a hash of the requirements, so a changed
requirement is a new environment and never a stale one. A finished environment has the file `complete`, written last: an
interrupted build is thrown away and made again, and so is one that was moved. A file lock per environment keeps the
workers of pytest-xdist apart. Once an environment is complete, nothing here needs the network.

`standard_environment(version)`, for version in `STANDARD_VERSIONS`:

- 27.0.1 (`NEWEST`) and 21.2.0 hold everything: uvicorn, uvicorn-worker, uvloop, httptools, FastAPI, asyncpg, httpx,
  psycopg2, requests, gevent, tornado, and (21.2.0 only) eventlet
- the others hold gunicorn and uvicorn only

uvicorn has its worker classes in `uvicorn.workers` up to the versions used with gunicorn 25 and earlier here, in the
package uvicorn-worker for 26 and later; `environment.uvicorn_worker_class` is the right one.

`python -m tests.environments [VERSION...]` builds the standard ones beforehand (all without arguments).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

NEWEST = "27.0.1"
STANDARD_VERSIONS = ("20.1.0", "21.2.0", "22.0.0", "23.0.0", "25.3.0", "26.2.0", NEWEST)

_OLD_UVICORN = ("uvicorn<0.30",)
_NEW_UVICORN = ("uvicorn", "uvicorn-worker")
_EVERYTHING = (
    "uvloop",
    "httptools",
    "fastapi",
    "asyncpg",
    "httpx",
    "psycopg2-binary",
    "requests",
    "gevent",
    "packaging",  # gunicorn 27's gevent worker imports it without requiring it
    "tornado",
)

_LEAKING_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT")
"""What the test run's own environment must not hand on: each of them changes what gunicorn does."""

_BUILD_DEADLINE_S = 900


class EnvironmentBuildError(Exception):
    """pip or venv failed; the message ends with what they wrote."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one gunicorn version in it."""

    gunicorn_version: str
    folder: Path
    uvicorn_worker_class: str

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def gunicorn(self) -> Path:
        """The environment's `gunicorn` command."""
        return self.folder / "bin" / "gunicorn"

    @property
    def site_packages(self) -> Path:
        """Where pip installed to."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run_environment(self, **variables: str) -> dict[str, str]:
        """Variables for a process of this environment: the caller's without what leaks, then `variables`."""
        kept = {name: value for name, value in os.environ.items() if name not in _LEAKING_VARIABLES}
        kept["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
        # Logs of a killed worker must not be lost in a buffer.
        kept["PYTHONUNBUFFERED"] = "1"
        kept.update(variables)
        return kept


def standard_environment(version: str = NEWEST) -> Environment:
    """The environment that the standard tests use for this gunicorn version (see the module's docstring)."""
    if version == NEWEST:
        return gunicorn_environment(version, *_NEW_UVICORN, *_EVERYTHING)
    if version == "21.2.0":
        return gunicorn_environment(version, *_OLD_UVICORN, *_EVERYTHING, "eventlet")
    if int(version.split(".")[0]) >= 26:
        return gunicorn_environment(version, *_NEW_UVICORN)
    return gunicorn_environment(version, *_OLD_UVICORN)


def gunicorn_environment(
    version: str,
    *requirements: str,
    python: str | os.PathLike[str] | None = None,
    libraries: Libraries | None = None,
) -> Environment:
    """An environment with this gunicorn version and these requirements; built when it is not there yet.

    `python`: the interpreter to build it with, by default the one that runs the tests. `libraries`: packages that this
    environment shares with others; its own win.
    Raises EnvironmentBuildError.
    """
    interpreter = _base_interpreter() if python is None else os.fspath(python)
    wanted = _with_pins(version, requirements)
    python_version = _version_of(interpreter)
    shared = [] if libraries is None else [libraries.folder.name]
    digest = hashlib.sha256("\n".join((python_version, *sorted(wanted), *shared)).encode()).hexdigest()[:8]
    folder = _environments_folder() / f"gunicorn-{version}-py{python_version}-{digest}"

    _build_once(folder, lambda: _build(folder, interpreter, wanted, libraries))
    new_worker = any(requirement.startswith("uvicorn-worker") for requirement in wanted)
    worker_class = "uvicorn_worker.UvicornWorker" if new_worker else "uvicorn.workers.UvicornWorker"
    return Environment(gunicorn_version=version, folder=folder, uvicorn_worker_class=worker_class)


@dataclass(frozen=True)
class Libraries:
    """Packages without gunicorn, for several environments of one Python version."""

    folder: Path
    missing: tuple[str, ...]
    """What could not be installed for this Python version."""

    @property
    def site_packages(self) -> Path:
        """Where they are."""
        return next(self.folder.glob("lib/python*/site-packages"))


def shared_libraries(*requirements: str, python: str | os.PathLike[str] | None = None) -> Libraries:
    """These packages for one interpreter, as far as there are wheels for it; built when they are not there yet."""
    interpreter = _base_interpreter() if python is None else os.fspath(python)
    python_version = _version_of(interpreter)
    digest = hashlib.sha256("\n".join((python_version, *sorted(requirements))).encode()).hexdigest()[:8]
    folder = _environments_folder() / f"libraries-py{python_version}-{digest}"
    _build_once(folder, lambda: _build_libraries(folder, interpreter, list(requirements)))
    missing = (folder / "missing").read_text().split() if (folder / "missing").exists() else []
    return Libraries(folder, tuple(missing))


def _build_libraries(folder: Path, interpreter: str, wanted: list[str]) -> None:
    pip = _make_virtual_environment(folder, interpreter)
    install = [*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check", "--only-binary=:all:"]
    missing: list[str] = []
    try:
        _run([*install, *wanted])
    except EnvironmentBuildError:
        for requirement in wanted:
            try:
                _run([*install, requirement])
            except EnvironmentBuildError:
                missing.append(requirement)
    (folder / "missing").write_text("\n".join(missing))
    (folder / "complete").write_text("\n".join(wanted) + "\n")


def _build_once(folder: Path, build: Callable[[], None]) -> None:
    if is_complete(folder):
        return
    with _only_one_builds(folder):
        if not is_complete(folder):
            build()


def is_complete(folder: Path) -> bool:
    """Whether it was built to its end, and here: moved with its checkout, its programs would start nothing."""
    try:
        return (folder / "complete").exists() and os.fspath(folder) in (folder / "bin" / "activate").read_text()
    except OSError:
        return False


def _environments_folder() -> Path:
    named = os.environ.get("GTDIAG_TEST_ENVIRONMENTS")
    return Path(named) if named else REPOSITORY / ".cache" / "environments"


def _base_interpreter() -> str:
    """The interpreter under the virtual environment that runs the tests: its environments must outlive that one."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _with_pins(version: str, requirements: tuple[str, ...]) -> list[str]:
    wanted = [f"gunicorn=={version}", *requirements]
    if int(version.split(".")[0]) <= 20:
        # gunicorn up to 20.1 imports pkg_resources, which setuptools dropped in 81 or later.
        wanted.append("setuptools<81")
    return wanted


@functools.cache
def _version_of(interpreter: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def _only_one_builds(folder: Path) -> Iterator[None]:
    import fcntl  # not on Windows, where the unit tests run and nothing is built

    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_virtual_environment(folder: Path, interpreter: str) -> list[str]:
    """Make it, and return the pip command for it."""
    # In place, not renamed into place: the programs in bin/ carry the folder in their first line.
    shutil.rmtree(folder, ignore_errors=True)
    pip_of_the_tests = _version_of(interpreter) == _version_of(sys.executable)
    if not pip_of_the_tests:
        try:
            _run([interpreter, "-m", "venv", os.fspath(folder)])
        except EnvironmentBuildError:
            pip_of_the_tests = True  # Debian's python without its ensurepip
            shutil.rmtree(folder, ignore_errors=True)
    if pip_of_the_tests:
        _run([interpreter, "-m", "venv", "--without-pip", os.fspath(folder)])
    # pip's own `--python` saves an ensurepip per environment, but pip must support that Python version.
    pip = [sys.executable, "-m", "pip", "--python"] if pip_of_the_tests else []
    return [*pip, os.fspath(folder / "bin" / "python"), *([] if pip else ["-m", "pip"])]


def _build(folder: Path, interpreter: str, wanted: list[str], libraries: Libraries | None) -> None:
    command = _make_virtual_environment(folder, interpreter)
    install = [*command, "install", "--quiet", "--no-input", "--disable-pip-version-check", *wanted]
    try:
        _run(install)
    except EnvironmentBuildError:
        _run(install)  # a network that failed once
    if libraries is not None:
        site_packages = next(folder.glob("lib/python*/site-packages"))
        (site_packages / "shared_libraries.pth").write_text(f"{libraries.site_packages}\n")
    (folder / "complete").write_text("\n".join(wanted) + "\n")


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(f"{' '.join(command)}\n{done.stdout[-3000:]}")


def main(versions: list[str]) -> None:
    """Build the standard environments of these versions, or all."""
    for version in versions or STANDARD_VERSIONS:
        print(version, standard_environment(version).folder, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
