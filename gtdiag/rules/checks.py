"""Reads what is said of each thing that `gtdiag doctor` checks: its name, what it costs to do without, what helps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gtdiag.rules.toml_data import read_toml


@dataclass(frozen=True, slots=True)
class CheckText:
    """One check as it stands in checks.toml. `{pid}` in `hint` stands for the master's pid."""

    id: str
    about: str
    title: str
    matters: bool
    cost: str
    hint: str


@cache
def read_check_texts() -> tuple[CheckText, ...]:
    """All checks, what matters most first."""
    return tuple(CheckText(id=name, **table) for name, table in read_toml("checks.toml").items())
