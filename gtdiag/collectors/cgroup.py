"""A process's memory cgroup to its limit, use and count of out-of-memory kills; versions 1 and 2."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NO_LIMIT_BYTES = 1 << 60
"""Version 1 says "no limit" with a number just below 2**63, rounded to pages."""
_FILES = {
    ("memory", 1): ("memory.limit_in_bytes", "memory.limit_in_bytes"),
    ("memory", 2): ("memory.events", "memory.max"),
    ("cpu", 1): ("cpu.stat", "cpu.cfs_quota_us"),
    ("cpu", 2): ("cpu.stat", "cpu.max"),
}
"""By controller and version: a file that every cgroup with the controller has, and the one with its limit."""
OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """`limit_bytes` is the lowest limit on the way from the process's cgroup up; None where there is none."""

    limit_bytes: int | None
    current_bytes: int | None
    oom_kill: int | None
    inactive_file_bytes: int | None = None
    kill_count_file: str | None = None


@dataclass(frozen=True, slots=True)
class CgroupPlace:
    """Where the files of a process's memory cgroup are: `folder`, at most up to `top`."""

    version: int
    folder: Path
    top: Path


@dataclass(frozen=True, slots=True)
class Mount:
    """A cgroup mount of a mount table: `root` is the cgroup shown at `point`."""

    version: int
    root: str
    point: str
    controllers: frozenset[str]


def find_cgroup(pid: int, controller: str = "memory") -> CgroupPlace | None:
    """Find the cgroup of a process for a controller ("memory" or "cpu").

    None where there is none, or where its files cannot be seen from here.
    """
    try:
        memberships = parse_memberships(Path(f"/proc/{pid}/cgroup").read_text(), controller)
    except OSError:
        return None
    # First as this process sees the hierarchy; then as the watched one does (its own mounts, through its root).
    for table, prefix in (("/proc/self/mountinfo", ""), (f"/proc/{pid}/mountinfo", f"/proc/{pid}/root")):
        try:
            mounts = parse_cgroup_mounts(Path(table).read_text(), controller)
        except OSError:
            continue
        for version in (1, 2):
            path = memberships.get(version)
            for mount in mounts:
                if path is None or mount.version != version:
                    continue
                place = _place(version, path, mount, prefix, controller)
                if place is not None:
                    return place
    return None


def read_cgroup(place: CgroupPlace) -> CgroupMemory:
    """Read limit, use and kills; a file that is missing or unreadable gives None."""
    if place.version == 2:
        limits = [read_number(folder / "memory.max") for folder in folders_upwards(place)]
        kills, inactive = place.folder / "memory.events", "inactive_file"
        current = read_number(place.folder / "memory.current")
    else:
        limits = [read_number(folder / "memory.limit_in_bytes") for folder in folders_upwards(place)]
        kills, inactive = place.folder / "memory.oom_control", "total_inactive_file"
        current = read_number(place.folder / "memory.usage_in_bytes")
    real = [limit for limit in limits if limit is not None and limit < NO_LIMIT_BYTES]
    oom_kill = read_pairs(kills).get("oom_kill")
    return CgroupMemory(
        limit_bytes=min(real, default=None),
        current_bytes=current,
        oom_kill=oom_kill,
        inactive_file_bytes=read_pairs(place.folder / "memory.stat").get(inactive),
        kill_count_file=None if oom_kill is None else str(kills),
    )


def parse_memberships(text: str, controller: str = "memory") -> dict[int, str]:
    """Parse /proc/PID/cgroup: the path of the version 2 cgroup, and of version 1's for a controller."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            found[2] = path
        elif controller in controllers.split(","):
            found[1] = path
    return found


def parse_cgroup_mounts(text: str, controller: str = "memory") -> list[Mount]:
    """Parse a mountinfo table (proc(5)) for its cgroup mounts that a controller could be in."""
    mounts = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not dash or len(fields) < 5 or len(kind) < 3:
            continue
        root, point = _unescape(fields[3]), _unescape(fields[4])
        if kind[0] == "cgroup2":
            mounts.append(Mount(2, root, point, frozenset()))
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            mounts.append(Mount(1, root, point, frozenset(kind[2].split(","))))
    return mounts


def _place(version: int, path: str, mount: Mount, prefix: str, controller: str) -> CgroupPlace | None:
    top = Path(prefix + mount.point)
    try:
        inside = PurePosixPath(path).relative_to(mount.root)
    except ValueError:
        # A path outside of the mounted part ("/../..") is what a cgroup namespace shows of its neighbours.
        return None
    if ".." in inside.parts:
        return None
    folder = top / inside
    name, limit = _FILES[controller, version]
    if version == 2 and not (folder / name).exists() and (top / limit).exists():
        folder = top
    return CgroupPlace(version, folder, top) if os.access(folder / name, os.R_OK) else None


def folders_upwards(place: CgroupPlace) -> list[Path]:
    """The cgroup's folder and those above it that can be seen from here."""
    folders = [place.folder]
    while folders[-1] != place.top and place.top in folders[-1].parents:
        folders.append(folders[-1].parent)
    return folders


def read_number(path: Path) -> int | None:
    """A file with one number in it; None where it is missing, unreadable, negative or a word."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def read_pairs(path: Path) -> dict[str, int]:
    """A file of lines "name number"; empty where it is missing or unreadable."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    words = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}


def _unescape(text: str) -> str:
    return OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
