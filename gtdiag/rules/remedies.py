"""Chooses the remedies that fit the findings; each is a Markdown file in `remedies/` with its conditions at the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from gtdiag.model.report import Remedy
from gtdiag.rules.remedy_text import RemedyFacts, fill_text
from gtdiag.rules.toml_data import list_names, parse_toml, read_text

_FENCE = "+++"
_MAX_REMEDIES = 5


@dataclass(frozen=True, slots=True)
class RemedyConditions:
    """What was found, as the conditions of remedies name it."""

    incidents: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()
    killers: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    """`blame`: a time-out or a hang of which it is not known, or not surely, what the worker was blocked in."""


@dataclass(frozen=True, slots=True)
class BlamedCall:
    """A call that workers were blocked in, as remedies speak of it. `remedy`: what the rule that found it asks for."""

    category: str
    name: str
    peer: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class RemedyFile:
    """One remedy as it stands in its file. `when`: each named set must share a member with what was found."""

    id: str
    title: str
    why: str
    how: str
    rank: int
    when: dict[str, frozenset[str]]

    def match_conditions(self, found: RemedyConditions) -> bool:
        """Whether the remedy fits what was found. One without conditions is shown only when a rule names it."""
        return bool(self.when) and all(getattr(found, name) & wanted for name, wanted in self.when.items())


def parse_remedy(text: str) -> RemedyFile:
    """A remedy file: TOML between two lines of `+++`, then Markdown; ValueError or KeyError for anything else."""
    _, header, body = text.split(_FENCE, 2)
    values: dict[str, Any] = parse_toml(header)
    return RemedyFile(
        id=values["id"],
        title=values["title"],
        why=values["why"],
        how=body.strip(),
        rank=int(values["rank"]),
        when={name: frozenset(wanted) for name, wanted in values["when"].items()},
    )


@cache
def read_remedies() -> tuple[RemedyFile, ...]:
    """All remedies that come with gtdiag, the most helpful first."""
    files = (parse_remedy(read_text(f"remedies/{name}")) for name in list_names("remedies") if name.endswith(".md"))
    return tuple(sorted(files, key=lambda remedy: (remedy.rank, remedy.id)))


def choose_remedies(
    found: RemedyConditions,
    blamed: Sequence[BlamedCall] = (),
    facts: RemedyFacts = RemedyFacts(),  # noqa: B008 (frozen)
    remedies: Sequence[RemedyFile] | None = None,
) -> tuple[Remedy, ...]:
    """The remedies for what was found, in words that name it: first those that the blamed calls' rules ask for.

    `blamed`: the calls, the most important first; `facts`: what is known of the master; `remedies`: those to choose
    from, by default those that come with gtdiag.
    """
    if not blamed and found == RemedyConditions():
        return ()  # most looks find nothing, and forty files need not be read for it
    remedies = read_remedies() if remedies is None else remedies
    named = [call.remedy for call in blamed]
    fitting = [remedy for remedy in remedies if remedy.id in named]
    fitting += [remedy for remedy in remedies if remedy not in fitting and remedy.match_conditions(found)]
    return tuple(_in_words(remedy, blamed, facts) for remedy in fitting[:_MAX_REMEDIES])


def _in_words(remedy: RemedyFile, blamed: Sequence[BlamedCall], facts: RemedyFacts) -> Remedy:
    wanted = remedy.when.get("categories", frozenset())
    about = [call for call in blamed if call.remedy == remedy.id]
    about += [call for call in blamed if not wanted or call.category in wanted]
    if about:
        facts = replace(facts, call=about[0].name, peer=about[0].peer)
    return Remedy(remedy.id, remedy.title, fill_text(remedy.why, facts), fill_text(remedy.how, facts))
