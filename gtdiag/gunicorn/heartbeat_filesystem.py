"""A master's heartbeat files and its mount table to the kind of file system they are on."""

from __future__ import annotations

import os
from pathlib import Path

from gtdiag.gunicorn.heartbeat_files import read_heartbeat_files


def read_heartbeat_filesystem(master_pid: int) -> str | None:
    """ "tmpfs", "ext4", "overlay", ...; None without a worker yet, or where descriptors may not be read."""
    try:
        files = read_heartbeat_files(master_pid)
        table = Path(f"/proc/{master_pid}/mountinfo").read_text()
    except OSError:
        return None
    if not files:
        return None
    device = files[0].device
    return parse_filesystem(table, f"{os.major(device)}:{os.minor(device)}")


def parse_filesystem(mountinfo: str, device: str) -> str | None:
    """The type of the file system with a device number ("254:0"), from a mountinfo table (proc(5))."""
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if dash and len(fields) > 2 and fields[2] == device:
            return after.split(" ", 1)[0]
    return None  # btrfs gives its files device numbers that its mounts do not have
