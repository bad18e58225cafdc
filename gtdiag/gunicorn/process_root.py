"""A path as another process means it to a path that opens the same file from here, through /proc/PID/root."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

MOST_LINKS = 40
"""The kernel itself gives up after this many (path_resolution(7))."""
OWN_FOLDERS = ("self", "thread-self")


def path_in_root(pid: int, path: str) -> Path:
    """Follow the links of an absolute path as the process would.

    /proc/PID/root leads into a container, but the kernel takes an absolute link inside of it from the reader's own
    root: /var/run -> /run would lead to the host's. And /dev/stderr means the standard error of whoever opens it.
    Where a folder may not be looked into, the rest of the path is left as it is; so is a path that the kernel takes
    right by itself, since a link in it may be turned to another file (a rotated log).
    """
    root = f"/proc/{pid}/root"
    plain = Path(root + path)
    pending = path.split("/")[::-1]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        if done == ["proc"] and part in OWN_FOLDERS:
            return Path("/proc", str(pid), *pending[::-1])
        try:
            target = os.readlink("/".join((root, *done, part)))  # noqa: PTH115
        except OSError:
            done.append(part)  # no link, or nothing that can be looked at
            continue
        links += 1
        if links > MOST_LINKS:
            return plain
        if target.startswith("/"):
            done = []
        pending += target.split("/")[::-1]
    resolved = Path(root, *done)
    try:
        return plain if not links or plain.samefile(resolved) else resolved
    except OSError:
        return resolved


def path_as_meant(pid: int, path: str) -> Path:
    """A path as the process means it: relative to its working directory, seen through its root."""
    if PurePosixPath(path).is_absolute():
        return path_in_root(pid, path)
    here = Path(f"/proc/{pid}/cwd")
    try:
        folder, root = os.readlink(here), os.readlink(f"/proc/{pid}/root")  # noqa: PTH115
    except OSError:
        return here / path
    # The kernel names the working directory from the process's root, or, of a chroot, from the host's.
    for name in (folder, folder.removeprefix(root.rstrip("/"))):
        try:
            if Path(f"/proc/{pid}/root{name}").samefile(here):
                return path_in_root(pid, f"{name}/{path}")
        except OSError:
            continue
    return here / path
