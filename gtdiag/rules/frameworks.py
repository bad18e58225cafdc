"""Packages that carry an application, event loops' own waiting, connection pools: the data of `frameworks.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    return _is_one_of(module, _event_loop_modules())


@cache
def _connection_pools() -> tuple[tuple[str, str], ...]:
    entries = (entry.partition(":") for entry in read_toml("frameworks.toml")["connection_pools"])
    return tuple((module, function) for module, _, function in entries)


@cache
def _pool_waits() -> tuple[str, ...]:
    return tuple(read_toml("frameworks.toml")["pool_waits"])


def waits_for_own_pool(innermost: Sequence[tuple[str, str]]) -> bool:
    """Whether frames end in a wait for a connection of one's own pool.

    `innermost`: module and qualified function, outermost first.
    """
    for waiting, (module, function) in enumerate(reversed(innermost)):
        only = [named for pool, named in _connection_pools() if _is_one_of(module, (pool,))]
        if "" in only or function.rpartition(".")[2] in only:
            return waiting > 0 or "" not in only
        if not _is_one_of(module, _pool_waits()):
            return False
    return False


def _is_one_of(module: str, known: Iterable[str]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in known)
