"""Reads the data files that lie beside this module; TOML of the standard library, or tomli before Python 3.11."""

from __future__ import annotations

from importlib import resources
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


def read_toml(name: str) -> dict[str, Any]:
    """The content of the data file `name` of `gtdiag.rules`."""
    return parse_toml(read_text(name))


def read_text(name: str) -> str:
    """The text of the data file `name` of `gtdiag.rules` ("remedies/GT-R01.md")."""
    return resources.files("gtdiag.rules").joinpath(name).read_text(encoding="utf-8")


def list_names(folder: str) -> list[str]:
    """The names of the files in a folder of `gtdiag.rules`, sorted."""
    return sorted(entry.name for entry in resources.files("gtdiag.rules").joinpath(folder).iterdir())


def parse_toml(text: str) -> dict[str, Any]:
    """TOML text to its values."""
    values: dict[str, Any] = tomllib.loads(text)
    return values
