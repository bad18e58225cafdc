"""The answer of one check of `gtdiag doctor`, before the words that its data file adds."""

from __future__ import annotations

from typing import NamedTuple

from gtdiag.model.observability import CheckStatus


class Judgement(NamedTuple):
    """`found`: what was seen, in a few words. `hint`: what would change it; empty takes the one of checks.toml."""

    status: CheckStatus
    found: str
    hint: str = ""


def ok(found: str) -> Judgement:
    """Nothing stands in the way."""
    return Judgement(CheckStatus.OK, found)


def limited(found: str, hint: str = "") -> Judgement:
    """It can be observed in part, or with doubts."""
    return Judgement(CheckStatus.LIMITED, found, hint)


def missing(found: str, hint: str = "") -> Judgement:
    """It cannot be observed."""
    return Judgement(CheckStatus.MISSING, found, hint)


def unknown(found: str, hint: str = "") -> Judgement:
    """It could not be found out."""
    return Judgement(CheckStatus.UNKNOWN, found, hint)
