"""A path to a descriptor that only this user reads, and that is nobody else's file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from gtdiag.errors import RecordingError
from gtdiag.recording.shared_folders import ForeignPlaceError, check_pipe, follow_own_links
from gtdiag.shell_words import quote_command

_PRIVATE = 0o600


def open_private(path: str) -> int:
    """Open a new or an own file for writing, empty and with mode 0600; a pipe or a device is opened as it is.

    In a folder that others may write to (/tmp), a file or symbolic link may wait under the name that is expected, so
    that what is seen here would be written into it, or over a file of this user's. What is opened is looked at before
    anything of it is changed. Raises `RecordingError` for a symbolic link to a file, somebody else's file, and a file
    with further names (hard links); OSError where it cannot be opened at all.
    """
    _check_way(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        descriptor = _open_linked_device(path)
    try:
        _check_own(path, os.fstat(descriptor))
    except RecordingError:
        os.close(descriptor)
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, _PRIVATE)
        os.ftruncate(descriptor, 0)
    return descriptor


def _check_way(path: str) -> None:
    """Before it is opened: a stranger's pipe would be waited for, a stranger's link of a folder be followed."""
    try:
        target = follow_own_links(path)
        check_pipe(target, target.stat())
    except FileNotFoundError:
        return
    except ForeignPlaceError as error:
        raise RecordingError(f"cannot write the recording {path}: {error}", hint="give another --record FILE") from None


def _open_linked_device(path: str) -> int:
    """Open what `>(gzip > FILE)` and /dev/stdout are: links to a pipe or a terminal."""
    refused = RecordingError(
        f"{path} is a symbolic link, which a recording does not follow",
        hint=f"name the file itself: --record {quote_command([os.path.realpath(path)])}",
    )
    if Path(path).is_file() or not Path(path).exists():
        raise refused
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):  # exchanged since
        os.close(descriptor)
        raise refused
    return descriptor


def _check_own(path: str, status: os.stat_result) -> None:
    try:
        check_pipe(Path(path), status)
    except ForeignPlaceError as error:
        raise RecordingError(f"cannot write the recording {path}: {error}", hint="give another --record FILE") from None
    if not stat.S_ISREG(status.st_mode):
        return
    why = ""
    if status.st_uid != os.geteuid():
        why = f"belongs to another user (uid {status.st_uid})"
    elif status.st_nlink > 1:
        why = "has other names too (hard links)"
    if why:
        raise RecordingError(
            f"cannot write the recording {path}: the file that is there {why}", hint="give another --record FILE"
        )
