"""Numbers of system calls to their names and to the descriptors they wait for: the data of `system_calls.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gtdiag.rules.toml_data import read_toml


@dataclass(frozen=True, slots=True)
class SystemCall:
    """A system call. `descriptor`: the argument that is one; `descriptor_set`: "poll", "select" or "epoll"."""

    name: str
    descriptor: int | None = None
    descriptor_set: str | None = None
    writing: bool = False


@cache
def _calls_of(machine: str) -> dict[int, SystemCall]:
    return {
        entry[machine]: SystemCall(name, entry.get("descriptor"), entry.get("set"), entry.get("writing", False))
        for name, entry in read_toml("system_calls.toml").items()
        if machine in entry
    }


def match_system_call(machine: str, number: int) -> SystemCall | None:
    """The system call of a number on a machine ("x86_64", "aarch64"); None for one that is not in the data."""
    return _calls_of(machine).get(number)
