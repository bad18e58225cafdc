"""A process's descriptor to what it is: socket, pipe, file, eventfd, an epoll instance with its targets, a child."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from gtdiag.model.stacks import PeerProcess, WaitedDescriptor

INODE_LINK = re.compile(r"^(socket|pipe):\[(\d+)\]$")
ANONYMOUS_KINDS = {
    "eventfd": "eventfd",
    "eventpoll": "epoll",
    "inotify": "inotify",
    "timerfd": "timerfd",
    "signalfd": "signalfd",
    "pidfd": "pidfd",
    "io_uring": "io_uring",
}
"""What /proc/PID/fd shows as `anon_inode:[eventfd]`, or without brackets (proc(5)); since 6.9 `pidfd:[N]`."""
EPOLL_TARGET = re.compile(r"^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)", re.MULTILINE)
PIDFD_TARGET = re.compile(r"^Pid:\s*(\d+)", re.MULTILINE)
"""Lines of /proc/PID/fdinfo (proc(5)); epoll's targets there since Linux 3.8, a pidfd's process since 5.4."""
LONGEST_FDINFO_BYTES = 1024 * 1024


def read_descriptor(pid: int, fd: int) -> WaitedDescriptor:
    """What a descriptor is; "unknown" where it has just been closed or may not be read."""
    try:
        link = os.readlink(f"/proc/{pid}/fd/{fd}")  # noqa: PTH115
    except OSError:
        return WaitedDescriptor(fd, "unknown")
    found = parse_descriptor_link(fd, link)
    if found.kind == "pidfd":
        target = PIDFD_TARGET.search(read_fdinfo(pid, fd))
        if target:
            return WaitedDescriptor(fd, "pidfd", process=read_peer_process(int(target[1])))
    return found


def parse_descriptor_link(fd: int, link: str) -> WaitedDescriptor:
    """Parse what /proc/PID/fd/N points to."""
    match = INODE_LINK.match(link)
    if match:
        return WaitedDescriptor(fd, match[1], inode=int(match[2]))
    if link.startswith("anon_inode:"):
        return WaitedDescriptor(fd, ANONYMOUS_KINDS.get(link.removeprefix("anon_inode:").strip("[]"), "unknown"))
    if link.startswith("pidfd:"):
        return WaitedDescriptor(fd, "pidfd")
    if link.startswith(("/dev/pts/", "/dev/tty")):
        return WaitedDescriptor(fd, "terminal", link)
    return WaitedDescriptor(fd, "file", link) if link.startswith("/") else WaitedDescriptor(fd, "unknown")


def read_epoll_targets(pid: int, fd: int) -> Mapping[int, int]:
    """The descriptors that an epoll instance watches, and the events it watches each for."""
    return {int(target): int(events, 16) for target, events in EPOLL_TARGET.findall(read_fdinfo(pid, fd))}


def read_fdinfo(pid: int, fd: int) -> str:
    """The text of /proc/PID/fdinfo/N, bounded; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/fdinfo/{fd}", "rb") as file:  # noqa: PTH123
            return file.read(LONGEST_FDINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return ""


def read_peer_process(pid: int) -> PeerProcess | None:
    """A process's name; None when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:  # noqa: PTH123
            return PeerProcess(pid, file.read(64).decode("utf-8", "replace").strip())
    except OSError:
        return None
