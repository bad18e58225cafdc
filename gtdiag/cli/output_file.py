"""Text to a file that is either the old one or the whole new one, never a part; and text to standard output."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from gtdiag.cli.errors import drop_standard_output
from gtdiag.errors import GtdiagError
from gtdiag.recording.shared_folders import ForeignPlaceError, check_pipe, follow_own_links

MODE = 0o644
"""Of a new file, less what the umask takes: nobody else may write it, whatever the umask leaves."""

PRIVATE = 0o600
"""Until it is whole."""


class OutputError(GtdiagError):
    """A result could not be written."""


def write_file(path: str, text: str) -> None:
    """Write UTF-8 text to a file, atomically where it is (or will be) a regular file. Raises OutputError."""
    try:
        target = follow_own_links(path)
        if target.exists() and not target.is_file():
            _write_to_device(target, text)
        else:
            _replace(target, text)
    except ForeignPlaceError as error:
        raise _cannot_write(path, str(error)) from error
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error


def check_file(path: str) -> None:
    """Raise OutputError where `write_file` is bound to fail: better before an hour of watching than after it."""
    if path == "-":
        return
    try:
        target = follow_own_links(path)
        if target.exists():
            check_pipe(target, target.stat())
    except ForeignPlaceError as error:
        raise _cannot_write(path, str(error)) from error
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error
    why = ""
    if target.is_dir():
        why = "it is a folder"
    elif not target.parent.is_dir():
        why = f"there is no folder {target.parent}"
    elif not os.access(target.parent if not target.exists() or target.is_file() else target, os.W_OK):
        why = "this user may not write there"
    if why:
        raise _cannot_write(path, why)


def _cannot_write(path: str, why: str) -> OutputError:
    return OutputError(f"cannot write {path}: {why}", hint="give another file with -o, or none")


def _write_to_device(target: Path, text: str) -> None:
    """A FIFO, /dev/stdout. It is looked at again once it is open: what is there may have been exchanged."""
    check_pipe(target, target.stat())
    descriptor = os.open(target, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    with open(descriptor, "w", encoding="utf-8", newline="\n") as device:  # noqa: PTH123 (the descriptor is open)
        found = os.fstat(descriptor)
        check_pipe(target, found)
        if stat.S_ISREG(found.st_mode) and not target.is_relative_to("/proc"):
            raise ForeignPlaceError(f"{target} was exchanged meanwhile")
        device.write(text)


def _replace(target: Path, text: str) -> None:
    import secrets  # hashes come with it; most reports go to standard output

    # A name that nobody can foresee, and no link under it is followed (O_EXCL).
    partial = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), MODE)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 (the descriptor is open)
            mode = _final_mode(target, stat.S_IMODE(os.fstat(descriptor).st_mode))
            partial.chmod(PRIVATE)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        partial.chmod(mode)
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _final_mode(target: Path, usual: int) -> int:
    """That of the file which is replaced, if it is this user's: with a stranger's he would decide who reads this."""
    try:
        old = target.lstat()
    except OSError:
        return usual
    own = not hasattr(os, "geteuid") or old.st_uid == os.geteuid()
    return stat.S_IMODE(old.st_mode) & 0o777 if own and stat.S_ISREG(old.st_mode) else usual


def write_standard_output(text: str) -> None:
    """Write to standard output. A reader that went away (`| head`) is no error, a full disk is OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_standard_output()
    except OSError as error:
        drop_standard_output()
        raise OutputError(f"cannot write to standard output: {error.strerror or error}", hint="") from error
