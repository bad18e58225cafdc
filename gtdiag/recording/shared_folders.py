"""A path that something is to be written to, to where it ends, unless a stranger in an open folder decides where.

In a folder that everybody can write to (/tmp), a link or a pipe may wait under the name that is expected. Linux refuses
such links (fs.protected_symlinks) and pipes (fs.protected_fifos) where that is switched on, and only while they are
followed by the kernel: a name that was resolved before, and then renamed over, goes past it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_LINKS = 40
"""The kernel itself gives up after this many (path_resolution(7))."""


class ForeignPlaceError(Exception):
    """What somebody else put there would decide where the output goes; the text says what it is."""


def follow_own_links(path: str) -> Path:
    """Follow the links of a path and return where it ends, which need not exist. Raises ForeignPlaceError.

    A link in a folder that everybody can write to counts only where it belongs to the user who runs this, or to the
    folder's owner. What /proc has for open descriptors (/dev/stdout leads there) is left as it is.
    """
    if not hasattr(os, "geteuid"):
        return Path(os.path.realpath(path))
    pending = os.path.abspath(path).split("/")[::-1]  # noqa: PTH100 (follows nothing)
    done = "/"
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = os.path.dirname(done)  # noqa: PTH120
            continue
        step = os.path.join(done, part)  # noqa: PTH118
        if step == "/proc" or step.startswith("/proc/"):
            return Path(step, *pending[::-1])
        try:
            found = os.lstat(step)
        except OSError:
            return Path(step, *pending[::-1])
        if not stat.S_ISLNK(found.st_mode):
            done = step
            continue
        _check_link(step, found, Path(done).stat())
        links += 1
        if links > MOST_LINKS:
            raise ForeignPlaceError(f"{path} leads through too many links")
        target = os.readlink(step)  # noqa: PTH115 (text)
        done = "/" if target.startswith("/") else done
        pending += target.split("/")[::-1]
    return Path(done)


def check_pipe(path: Path, found: os.stat_result) -> None:
    """Raise ForeignPlaceError for a named pipe that somebody else made: he reads what is written, or nobody does."""
    inherited = path.is_relative_to("/proc") or path.is_relative_to("/dev")  # from the shell, whoever made it
    if stat.S_ISFIFO(found.st_mode) and not inherited and found.st_uid not in (0, os.geteuid()):
        raise ForeignPlaceError(f"{path} is a pipe of another user (uid {found.st_uid})")


def _check_link(link: str, found: os.stat_result, folder: os.stat_result) -> None:
    if folder.st_mode & stat.S_IWOTH and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise ForeignPlaceError(
            f"{link} is a symbolic link of another user (uid {found.st_uid}) in a folder that everybody can write to"
        )
