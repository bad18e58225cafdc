"""A process's CPU cgroup, and the host's pressure, to quota, throttling and waits for a CPU; versions 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gtdiag.collectors.cgroup import CgroupPlace, folders_upwards, read_number, read_pairs

HOST_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True, slots=True)
class CpuShortage:
    """See `CpuSample`: the counts since the cgroup (or the host) was made; None where one cannot be read."""

    quota_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    pressure_s: float | None = None
    pressure_of: str | None = None


def read_cpu_shortage(place: CgroupPlace | None, host_pressure: Path = HOST_PRESSURE) -> CpuShortage:
    """Read what the cgroup at `place` (None: no CPU cgroup can be seen) and the host say."""
    quota_cores, periods, throttled_periods, throttled_s = None, None, None, None
    quotas = (
        [] if place is None else [(quota, folder) for folder in folders_upwards(place) if (quota := _quota(folder))]
    )
    if quotas:
        # The counts of throttling stand in the cgroup whose quota it is, which may be one further up.
        quota_cores, folder = min(quotas, key=lambda pair: pair[0])
        counts = read_pairs(folder / "cpu.stat")
        periods, throttled_periods = counts.get("nr_periods"), counts.get("nr_throttled")
        if "throttled_usec" in counts:
            throttled_s = counts["throttled_usec"] / 1e6
        elif "throttled_time" in counts:
            throttled_s = counts["throttled_time"] / 1e9
    of_group = None if place is None or place.version == 1 else _pressure_s(place.folder / "cpu.pressure")
    pressure_s = of_group if of_group is not None else _pressure_s(host_pressure)
    pressure_of = None if pressure_s is None else "host" if of_group is None else "cgroup"
    return CpuShortage(quota_cores, periods, throttled_periods, throttled_s, pressure_s, pressure_of)


def _quota(folder: Path) -> float | None:
    """The cores a cgroup may use: `cpu.max` of version 2 ("50000 100000", "max 100000"), cfs_quota_us of version 1."""
    try:
        allowed, _, period = (folder / "cpu.max").read_text().partition(" ")
    except OSError:
        quota_us, period_us = read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us")
    else:
        # Four thousand cores, or none: "max" has no digits.
        quota_us, period_us = (int(word) if word.strip().isdigit() else None for word in (allowed, period))
    return quota_us / period_us if quota_us and period_us else None


def _pressure_s(path: Path) -> float | None:
    """Seconds of the `some` line of a pressure file (kernel: accounting/psi.rst); its total is in microseconds."""
    try:
        text = path.read_text()
    except OSError:
        return None  # a kernel without PSI, or one started with psi=0
    for line in text.splitlines():
        total = line.rpartition("total=")[2]
        if line.startswith("some ") and total.isdigit():
            return int(total) / 1e6
    return None
