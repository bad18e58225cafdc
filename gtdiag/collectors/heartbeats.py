"""A worker's descriptor of its heartbeat file to the heartbeat's age: one `stat` call for each look."""

from __future__ import annotations

import os

from gtdiag.collectors.clock import Clock
from gtdiag.gunicorn.heartbeat import Heartbeat, judge_heartbeat
from gtdiag.gunicorn.heartbeat_files import HeartbeatFile


def read_heartbeat(file: HeartbeatFile, clock: Clock, version_major: int | None) -> Heartbeat | None:
    """Read a worker's heartbeat through `/proc/PID/fd/N`.

    None when that descriptor is closed or is another file by now (the worker is exiting, or the pid is a new process).
    Raises PermissionError when the descriptor table may not be read.
    """
    try:
        stat = os.stat(file.path)  # noqa: PTH116  (once a second for every worker)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if (stat.st_dev, stat.st_ino) != file.key:
        return None
    return judge_heartbeat(
        mtime_s=stat.st_mtime,
        ctime_s=stat.st_ctime,
        mode=stat.st_mode,
        wall_now_s=clock.now().timestamp() + clock.stepped_s(),
        monotonic_now_s=clock.monotonic() + file.clock_offset_s,
        version_major=version_major,
        stepped_s=clock.stepped_s(),
    )
