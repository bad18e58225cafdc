"""A master's interpreter and search path to the gunicorn version installed there, where its memory cannot be read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gtdiag.foreign_files import read_foreign
from gtdiag.gunicorn.proc_files import read_environment
from gtdiag.gunicorn.process_root import path_in_root

VERSION_INFO = re.compile(r"^version_info\s*=\s*\(([^)]*)\)", re.MULTILINE)
METADATA_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)
MOST_BYTES = 256 * 1024
"""What is wanted stands in the first lines."""
PYTHON_NAME = re.compile(r"python(\d+\.\d+)")


def read_installed_version(pid: int) -> str | None:
    """Find the gunicorn that the process most likely imported; None where it cannot be found or read.

    It looks where the interpreter would: PYTHONPATH, the virtual environment, beside the executable. A program that
    changes `sys.path` itself can escape this, which is why memory is asked first.
    """
    try:
        for folder in _search_path(pid):
            version = read_version_in(path_in_root(pid, str(folder)))
            if version is not None:
                return version
    except PermissionError:
        # Another user's process: what lies at the same path here may be another container's.
        pass
    return None


def read_version_in(folder: Path) -> str | None:
    """The version of the gunicorn package in one folder of a search path."""
    package = folder / "gunicorn" / "__init__.py"
    try:
        match = VERSION_INFO.search(read_foreign(package, MOST_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None
    if match:
        parts = [part.strip().strip("'\"") for part in match[1].split(",") if part.strip()]
        if parts and all(part.isalnum() for part in parts):
            return ".".join(parts)
    for metadata in sorted(folder.glob("gunicorn-*.dist-info/METADATA")):
        try:
            named = METADATA_VERSION.search(read_foreign(metadata, MOST_BYTES).decode("utf-8", "replace"))
        except OSError:
            continue
        if named:
            return named[1]
    return None


def _search_path(pid: int) -> Iterator[PurePosixPath]:
    try:
        environment = read_environment(pid)
    except OSError:
        environment = {}
    for entry in environment.get("PYTHONPATH", "").split(":"):
        if entry.startswith("/"):
            yield PurePosixPath(entry)
    prefixes: list[PurePosixPath] = []
    if environment.get("VIRTUAL_ENV", "").startswith("/"):
        prefixes.append(PurePosixPath(environment["VIRTUAL_ENV"]))
    prefixes += _prefixes_of_script(pid)
    try:
        executable = PurePosixPath(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115
    except OSError:
        executable = None
    if executable is not None:
        prefixes.append(executable.parent.parent)
    home = environment.get("HOME", "")
    if home.startswith("/"):
        prefixes.append(PurePosixPath(home) / ".local")
    seen: set[PurePosixPath] = set()
    for prefix in prefixes:
        if prefix in seen:
            continue
        seen.add(prefix)
        yield from _package_folders(pid, prefix)


def _prefixes_of_script(pid: int) -> Iterator[PurePosixPath]:
    """`/srv/venv/bin/python /srv/venv/bin/gunicorn` names the virtual environment although the executable is a link."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return
    for word in arguments[:2]:
        path = PurePosixPath(word)
        if path.is_absolute() and path.parent.name in ("bin", "Scripts"):
            yield path.parent.parent


def _package_folders(pid: int, prefix: PurePosixPath) -> Iterator[PurePosixPath]:
    root = path_in_root(pid, str(prefix))
    for pattern in ("lib/python3*/site-packages", "lib64/python3*/site-packages", "lib/python3*/dist-packages"):
        for folder in sorted(root.glob(pattern)):
            yield prefix / folder.relative_to(root)
    for folder in sorted(root.glob("local/lib/python3*/dist-packages")):
        yield prefix / folder.relative_to(root)
    yield prefix / "lib" / "python3" / "dist-packages"


def read_python_version(pid: int) -> str | None:
    """The interpreter's version as its executable's or library's name tells it ("3.11"), None where it does not."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        maps = ""
    try:
        names = [os.readlink(f"/proc/{pid}/exe")]  # noqa: PTH115
    except OSError:
        names = []
    names += [line.rsplit("/", 1)[-1] for line in maps.splitlines() if "python" in line]
    for name in names:
        match = PYTHON_NAME.search(PurePosixPath(name).name)
        if match:
            return match[1]
    return None
