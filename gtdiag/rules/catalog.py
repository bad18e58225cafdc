"""Which library is which category: the rules of `catalog.toml`, found by a frame's module and function."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from gtdiag.model.report import Category
from gtdiag.rules.toml_data import parse_toml, read_text

_SOCKET_CATEGORIES = {Category.DATABASE, Category.CACHE, Category.BROKER, Category.HTTP, Category.NETWORK}
_WAITS_BY_CATEGORY = {
    Category.DNS: "dns",
    Category.LOCK: "lock",
    Category.SUBPROCESS: "child",
    Category.SLEEP: "sleep",
    Category.CPU: "cpu",
    Category.ROUTER: "cpu",
    Category.MODEL_LOAD: "disk",
    Category.FILESYSTEM: "disk",
}


class Level(str, enum.Enum):
    """How a rule competes with others that match the same stack; `catalog.toml` says more."""

    OVERRIDE = "override"
    LIBRARY = "library"
    PRIMITIVE = "primitive"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalog. `waits` is the kind of wait such a call usually is ("socket", "dns", "lock", ...).

    `remedy`: the id of the remedy to show for a call that this rule classified, besides those chosen by the findings.
    """

    id: str
    category: Category
    library: str
    modules: tuple[str, ...]
    functions: frozenset[str]
    level: Level
    waits: str
    reason: str
    remedy: str | None = None


class Catalog:
    """Rules by module prefix, so that a look-up costs one dictionary access for each part of the module's name."""

    def __init__(self, rules: Iterable[Rule], first: Catalog | None = None) -> None:
        """`rules`: gone through at the first look-up. `first`: a catalog whose rules win over all of these, however
        specific they are (the user's own).
        """
        self._given = rules
        self._first = first

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """All of them, without those of `first`."""
        return tuple(self._given)

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _by_module(self) -> dict[str, list[Rule]]:
        by_module: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for module in rule.modules:
                by_module.setdefault(module, []).append(rule)
        return by_module

    def match_frame(self, module: str, function: str) -> Rule | None:
        """The most specific rule for a function (its last name) of a dotted module; None if no rule knows it."""
        found = self._first.match_frame(module, function) if self._first is not None else None
        return found or self._match_own(module, function.rpartition(".")[2])

    def find_rule(self, rule_id: str | None) -> Rule | None:
        """The rule of this id; None where no rule has it."""
        found = self._first.find_rule(rule_id) if self._first is not None else None
        return found or self._by_id.get(rule_id or "")

    def _match_own(self, module: str, name: str) -> Rule | None:
        prefix = module
        while prefix:
            for rule in self._by_module.get(prefix, ()):
                if not rule.functions or name in rule.functions:
                    return rule
            prefix = prefix.rpartition(".")[0]
        return None


def parse_rule(entry: dict[str, Any]) -> Rule:
    """One table of the catalog file to a rule. Raises KeyError or ValueError for a table that is not one."""
    category = Category(entry["category"])
    default_waits = "socket" if category in _SOCKET_CATEGORIES else _WAITS_BY_CATEGORY.get(category, "unknown")
    return Rule(
        id=entry["id"],
        category=category,
        library=entry["library"],
        modules=tuple(entry["modules"]),
        functions=frozenset(entry.get("functions", ())),
        level=Level(entry.get("level", Level.LIBRARY.value)),
        waits=entry.get("waits", default_waits),
        reason=entry["reason"],
        remedy=entry.get("remedy"),
    )


@cache
def read_catalog() -> Catalog:
    """The catalog that comes with gtdiag."""
    return Catalog(_CatalogText(read_text("catalog.toml")))


class _CatalogText:
    """Parsed when the first call is looked up: on a healthy server that is never, and it takes some 15 ms.

    The text is read at once, since a machine in trouble may not read its disk any more when it is needed.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[Rule]:
        return (parse_rule(entry) for entry in parse_toml(self._text)["rule"])
