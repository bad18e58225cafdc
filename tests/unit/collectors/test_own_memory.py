"""What gtdiag may use itself, by its cgroup, and when that is said."""

from __future__ import annotations

import pytest

from gtdiag.collectors import own_memory
from gtdiag.collectors.cgroup import CgroupMemory
from gtdiag.collectors.own_memory import warn_of_little_memory
from tests.unit.collectors.scripted_host import ScriptedClock

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def resident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_memory, "_resident_bytes", lambda: 30 * MIB)


@pytest.mark.parametrize(
    ("limit_mb", "used_mb", "cached_mb", "said"),
    [
        (None, 500, 0, None),
        (512, 40, 0, None),
        (60, 35, 0, "55 MB here, by the memory limit of its cgroup (60 MB)"),
        (512, 500, 0, "42 MB here, by the memory limit of its cgroup (512 MB)"),  # it shares that of the server
        (512, 500, 300, None),  # the kernel takes that back from files
        (64, 0, 0, "64 MB here"),
    ],
)
def test_when_it_is_said(limit_mb: int | None, used_mb: int, cached_mb: int, said: str | None) -> None:
    limit_bytes = None if limit_mb is None else limit_mb * MIB
    memory = CgroupMemory(limit_bytes, used_mb * MIB, 0, cached_mb * MIB)
    gaps = warn_of_little_memory(memory, ScriptedClock(), 1)
    assert [gap.what for gap in gaps] == ([] if said is None else ["own_memory"])
    assert said is None or said in gaps[0].why


def test_where_there_is_no_cgroup() -> None:
    assert warn_of_little_memory(None, ScriptedClock(), 1) == []
