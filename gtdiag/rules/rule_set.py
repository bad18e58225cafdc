"""The rules and remedies that an analysis works with: those that come with gtdiag, and the user's own before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from gtdiag.rules.catalog import Catalog, Rule, read_catalog
from gtdiag.rules.remedies import RemedyFile, read_remedies


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What a user's file brings."""

    rules: tuple[Rule, ...] = ()
    remedies: tuple[RemedyFile, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The catalog and the remedies of one analysis.

    `remedies`: None for those that come with gtdiag, which are read when something was found that they may be for.
    """

    catalog: Catalog = field(default_factory=read_catalog)
    remedies: Sequence[RemedyFile] | None = None


@cache
def read_rule_set() -> RuleSet:
    """The rules and remedies that come with gtdiag, and no others."""
    return RuleSet()


def extend_rule_set(own: OwnRules) -> RuleSet:
    """The user's own rules before those that come with gtdiag; the user's remedies beside them."""
    built_in = read_rule_set()
    remedies = (*own.remedies, *read_remedies()) if own.remedies else None
    return RuleSet(Catalog(built_in.catalog.rules, first=Catalog(own.rules)), remedies)
