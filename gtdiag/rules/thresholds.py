"""The numbers the analysis decides by, from `thresholds.toml`."""

from __future__ import annotations

from functools import cache

from gtdiag.rules.toml_data import read_toml


@cache
def _thresholds() -> dict[str, float]:
    return {name: float(entry["value"]) for name, entry in read_toml("thresholds.toml").items()}


def threshold(name: str) -> float:
    """The threshold called `name`, in the unit its name says. KeyError for a name that is not in the file."""
    return _thresholds()[name]
