"""CPU quota, throttling and pressure of both cgroup versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtdiag.collectors.cgroup import CgroupPlace
from gtdiag.collectors.cpu_shortage import CpuShortage, read_cpu_shortage
from gtdiag.gunicorn.heartbeat_filesystem import parse_filesystem

PRESSURE = "some avg10=1.00 avg60=2.00 avg300=3.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


@pytest.fixture
def host_pressure(tmp_path: Path) -> Path:
    path = tmp_path / "pressure"
    path.write_text(PRESSURE)
    return path


def test_version_2_counts_where_the_quota_is(tmp_path: Path, host_pressure: Path) -> None:
    container = tmp_path / "pod" / "container"
    container.mkdir(parents=True)
    (container / "cpu.max").write_text("max 100000\n")
    (container / "cpu.stat").write_text("usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
    (container / "cpu.pressure").write_text(PRESSURE.replace("2500000", "4000000"))
    (tmp_path / "pod" / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "pod" / "cpu.stat").write_text("nr_periods 20\nnr_throttled 15\nthrottled_usec 3000000\n")
    shortage = read_cpu_shortage(CgroupPlace(2, container, tmp_path), host_pressure)
    assert shortage == CpuShortage(0.5, 20, 15, 3.0, 4.0, "cgroup")


def test_version_1(tmp_path: Path, host_pressure: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("4000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu.stat").write_text("nr_periods 7\nnr_throttled 5\nthrottled_time 2000000000\n")
    shortage = read_cpu_shortage(CgroupPlace(1, tmp_path, tmp_path), host_pressure)
    assert shortage == CpuShortage(0.04, 7, 5, 2.0, 2.5, "host")


def test_no_quota_and_no_cgroup(tmp_path: Path, host_pressure: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    only_pressure = CpuShortage(pressure_s=2.5, pressure_of="host")
    assert read_cpu_shortage(CgroupPlace(1, tmp_path, tmp_path), host_pressure) == only_pressure
    assert read_cpu_shortage(None, host_pressure) == only_pressure
    assert read_cpu_shortage(None, tmp_path / "missing") == CpuShortage()


@pytest.mark.parametrize(("device", "kind"), [("0:40", "tmpfs"), ("254:0", "ext4"), ("9:9", None)])
def test_the_file_system_of_a_device(device: str, kind: str | None) -> None:
    table = (
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n40 22 0:40 / /dev/shm rw - tmpfs tmpfs rw\nnonsense\n"
    )
    assert parse_filesystem(table, device) == kind
