"""Text to a file that is either the old one or the whole new one, never a part; and text to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from gtdiag.cli.errors import drop_standard_output
from gtdiag.errors import GtdiagError


class OutputError(GtdiagError):
    """A result could not be written."""


def write_file(path: str, text: str) -> None:
    """Write UTF-8 text to a file, atomically where it is (or will be) a regular file. Raises OutputError."""
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="\n") as device:  # a FIFO, /dev/stdout
                device.write(text)
            return
        _replace(target, text)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", hint="give another file with -o, or none"
        ) from error


def check_file(path: str) -> None:
    """Raise OutputError where `write_file` is bound to fail: better before an hour of watching than after it."""
    target = Path(os.path.realpath(path))
    if path == "-":
        return
    why = ""
    if target.is_dir():
        why = "it is a folder"
    elif not target.parent.is_dir():
        why = f"there is no folder {target.parent}"
    elif not os.access(target.parent if not target.exists() or target.is_file() else target, os.W_OK):
        why = "this user may not write there"
    if why:
        raise OutputError(f"cannot write {path}: {why}", hint="give another file with -o, or none")


def _replace(target: Path, text: str) -> None:
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            partial.chmod(target.stat().st_mode & 0o777)
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


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
