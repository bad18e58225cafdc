"""What the user names (files, folders, patterns, `-`) to the log files meant."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gtdiag.collectors.log_names import may_be_log
from gtdiag.collectors.remote_files import expand_url, is_url
from gtdiag.errors import LogReadError

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read. `named`: the user named this very file, so that it must be readable.

    `problem`: why it cannot be looked at, where that is known already (a folder that may not be entered).
    """

    path: str
    named: bool
    problem: str = ""
    size_bytes: int | None = None
    """Where it is known without asking: of files in object stores."""


def find_log_files(arguments: Sequence[str]) -> list[FoundFile]:
    """The files that the arguments mean, each once, in the order of their paths.

    A folder gives the files in it, and in the folders in it, that are logs by their names; hidden ones and links to
    folders are left out. A pattern that is no file's name is matched here (`**` reaches into folders). A file that is
    reached by two names (the kubelet's links) is read once.

    Raises LogReadError for a folder without a log and for a pattern that matches nothing.
    """
    found: dict[object, FoundFile] = {}
    for file in (file for argument in arguments for file in _expand(argument)):
        identity = _identity_of(file.path) or file.path
        other = found.get(identity, file)
        # Of a link and the file itself the file: its path says more.
        path = min(file.path, other.path, key=lambda path: (Path(path).is_symlink(), path))
        found[identity] = FoundFile(path, file.named or other.named, file.problem, file.size_bytes)
    return sorted(found.values(), key=lambda file: file.path)


def _expand(argument: str) -> Iterator[FoundFile]:
    if argument == STANDARD_INPUT:
        yield FoundFile(argument, True)
        return
    if is_url(argument):
        files = expand_url(argument)
        yield from (FoundFile(url, len(files) == 1, size_bytes=size) for url, size in files)
        return
    if Path(argument).is_dir():
        yield from _expand_folder(argument)
        return
    if not glob.has_magic(argument) or os.path.lexists(argument):
        yield FoundFile(argument, True)
        return
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not matches:
        raise LogReadError(f"no file matches {argument}", "check the pattern; a folder's name gives all logs in it")
    for match in matches:
        if Path(match).is_dir():
            # `logs/*` means the folders in it as well; one of them without a log is no mistake.
            yield from _files_below(match)
        else:
            yield FoundFile(match, False)


def _expand_folder(folder: str) -> Iterator[FoundFile]:
    files = list(_files_below(folder))
    if not files:
        raise LogReadError(
            f"no log in the folder {folder}",
            "files that end in .log, .out, .err or .jsonl are taken, their rotations (.1, -20250722, .gz) too; "
            "name others, or a pattern: gtdiag analyze 'FOLDER/*.txt'",
        )
    yield from files


def _files_below(folder: str) -> Iterator[FoundFile]:
    closed: list[str] = []
    for where, folders, names in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(where, name)  # noqa: PTH118 - the path as the user began it
            if not name.startswith(".") and may_be_log(name) and Path(path).is_file():
                yield FoundFile(path, False)
    yield from (FoundFile(path, False, f"the folder {path} may not be read") for path in closed)


def _identity_of(path: str) -> tuple[int, int] | None:
    """What tells two names of one file; None for what is no file on a disk."""
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (stat.st_dev, stat.st_ino) if Path(path).is_file() and stat.st_ino else None
