"""Packages that carry an application, and modules that hold an event loop's waiting: the data of `frameworks.toml`."""

from __future__ import annotations

from functools import cache

from gtdiag.rules.catalog import read_catalog
from gtdiag.rules.toml_data import read_toml


@cache
def known_packages() -> frozenset[str]:
    """Top-level package names that are libraries, wherever their path begins."""
    catalogued = {module.partition(".")[0] for rule in read_catalog().rules for module in rule.modules}
    return frozenset(catalogued | set(read_toml("frameworks.toml")["packages"]))


@cache
def _event_loop_modules() -> tuple[str, ...]:
    return tuple(read_toml("frameworks.toml")["event_loops"])


def is_event_loop_module(module: str) -> bool:
    """Whether code of this dotted module is an event loop, or gunicorn's and uvicorn's way into one."""
    return any(module == known or module.startswith(known + ".") for known in _event_loop_modules())
