"""A process's descriptor table to the heartbeat files it holds: `wgunicorn-XXXXXXXX (deleted)`, joined by inode."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from gtdiag.gunicorn.proc_files import read_clock_offset_s

PREFIX = "wgunicorn-"
"""The name gunicorn gives the file in every version; `--worker-tmp-dir` changes only the folder."""
DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class HeartbeatFile:
    """One descriptor of a heartbeat file. `path` follows the link although the file has no name any more (proc(5)).

    `clock_offset_s`: how far the holder's monotonic clock, with which 22 and later beat, is ahead of the reader's.
    """

    fd: int
    path: str
    device: int
    inode: int
    mtime_s: float
    ctime_s: float
    clock_offset_s: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        """What joins the master's descriptor and the worker's."""
        return (self.device, self.inode)


def read_heartbeat_files(pid: int) -> list[HeartbeatFile]:
    """List the heartbeat files that a process holds.

    Raises ProcessLookupError when the process is gone, PermissionError when its descriptor table may not be read
    (another user's, or one that changed its user and so became undumpable).
    """
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208  (called for every process of the host)
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    found = []
    for name in names:
        path = f"{folder}/{name}"
        try:
            target = os.readlink(path)  # noqa: PTH115
            if not target.endswith(DELETED):
                continue
            if not PurePosixPath(target[: -len(DELETED)]).name.startswith(PREFIX):
                continue
            stat = os.stat(path)  # noqa: PTH116
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(
            HeartbeatFile(
                fd=int(name),
                path=path,
                device=stat.st_dev,
                inode=stat.st_ino,
                mtime_s=stat.st_mtime,
                ctime_s=stat.st_ctime,
            )
        )
    if found and (offset_s := read_clock_offset_s(pid)):
        return [dataclasses.replace(file, clock_offset_s=offset_s) for file in found]
    return found


def newest_file(files: list[HeartbeatFile]) -> HeartbeatFile:
    """Of several heartbeat files of one process, its own: the one made last.

    gunicorn 19 never closes, and every version holds for a moment after the fork, the files of the workers that were
    started before. A file that has a monotonic mtime has been beaten, so belongs to an older worker.
    """
    return max(files, key=lambda file: (file.mtime_s, file.ctime_s, file.fd))
