"""Memory cgroups of both versions: membership and mount tables, limits on the way up."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtdiag.collectors.cgroup import (
    CgroupMemory,
    CgroupPlace,
    Mount,
    parse_cgroup_mounts,
    parse_memberships,
    read_cgroup,
)

V1 = "12:pids:/docker/abc\n4:cpu,memory:/docker/abc\n1:name=systemd:/docker/abc\n"
V2 = "0::/kubepods.slice/pod1/c1\n"
MOUNTS = (
    "25 30 0:23 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "31 25 0:27 /docker/abc /sys/fs/cgroup/memory rw,relatime master:11 - cgroup cgroup rw,memory\n"
    "32 25 0:28 / /sys/fs/cgroup/with\\040space rw - cgroup2 cgroup2 rw\n"
    "33 25 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "nonsense\n"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (V1, {1: "/docker/abc"}),
        (V2, {2: "/kubepods.slice/pod1/c1"}),
        (V1 + V2, {1: "/docker/abc", 2: "/kubepods.slice/pod1/c1"}),
        ("", {}),
        ("3:pids:/x\n", {}),
    ],
)
def test_memberships(text: str, found: dict[int, str]) -> None:
    assert parse_memberships(text) == found


def test_mounts() -> None:
    assert parse_cgroup_mounts(MOUNTS) == [
        Mount(1, "/docker/abc", "/sys/fs/cgroup/memory", frozenset({"rw", "memory"})),
        Mount(2, "/", "/sys/fs/cgroup/with space", frozenset()),
    ]


def test_version_2_takes_the_lowest_limit_on_the_way_up(tmp_path: Path) -> None:
    container = tmp_path / "pod" / "container"
    container.mkdir(parents=True)
    (tmp_path / "pod" / "memory.max").write_text("536870912\n")
    (container / "memory.max").write_text("max\n")
    (container / "memory.current").write_text("1000\n")
    (container / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n")
    assert read_cgroup(CgroupPlace(2, container, tmp_path)) == CgroupMemory(
        536870912, 1000, 1, kill_count_file=str(container / "memory.events")
    )


def test_version_1(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "memory.usage_in_bytes").write_text("2000\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    place = CgroupPlace(1, tmp_path, tmp_path)
    assert read_cgroup(place) == CgroupMemory(None, 2000, 4, kill_count_file=str(tmp_path / "memory.oom_control"))
    (tmp_path / "memory.limit_in_bytes").write_text("1048576\n")
    assert read_cgroup(place).limit_bytes == 1048576


def test_files_that_are_missing_give_none(tmp_path: Path) -> None:
    assert read_cgroup(CgroupPlace(2, tmp_path, tmp_path)) == CgroupMemory(None, None, None)
