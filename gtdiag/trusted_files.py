"""A file that was found, not named, to why it must not decide what gtdiag does: somebody else can write it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def why_not_trusted(path: Path) -> str | None:
    """Say who else can change the file, or put another in its place; None where nobody but root and this user can.

    The file and each folder above it must belong to root or to the user who runs gtdiag, and others must not be able to
    write them; nor their group, where gtdiag runs as root. A folder with the sticky bit (/tmp) may be open to all: it
    lets nobody replace what belongs to another (inode(7)). Links are followed first, and none of them has a say.
    """
    if not hasattr(os, "geteuid"):  # Windows: its files' owners are another matter, and nobody runs gunicorn there
        return None
    user = os.geteuid()
    try:
        # Twice: the way there (a link in a foreign folder could be turned elsewhere) and where it ends.
        places = dict.fromkeys((*_with_parents(Path(os.path.abspath(path))), *_with_parents(path.resolve())))  # noqa: PTH100
        for place in places:
            why = _why_not(place, place.lstat(), user)
            if why is not None:
                return why
    except (OSError, RuntimeError) as error:
        return f"{path} cannot be looked at: {error}"
    return None


def _with_parents(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _why_not(place: Path, found: os.stat_result, user: int) -> str | None:
    if found.st_uid not in (0, user):
        return f"{place} belongs to user {found.st_uid}"
    if stat.S_ISLNK(found.st_mode):  # its mode means nothing
        return None
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return None
    if found.st_mode & stat.S_IWOTH:
        return f"everybody can write {place}"
    if user == 0 and found.st_mode & stat.S_IWGRP and found.st_gid != 0:
        return f"group {found.st_gid} can write {place}"
    return None
