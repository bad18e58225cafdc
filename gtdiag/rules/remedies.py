"""Chooses the remedies that fit the findings; each is a Markdown file in `remedies/` with its conditions at the top."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from gtdiag.model.report import Remedy
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
class RemedyFile:
    """One remedy as it stands in its file. `when`: each named set must share a member with what was found."""

    id: str
    title: str
    why: str
    how: str
    rank: int
    when: dict[str, frozenset[str]]

    def match_conditions(self, found: RemedyConditions) -> bool:
        """Whether the remedy fits what was found."""
        return all(getattr(found, name) & wanted for name, wanted in self.when.items())


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


def choose_remedies(found: RemedyConditions, call: str) -> tuple[Remedy, ...]:
    """The remedies for what was found; `call` is the blamed call, to be named in their words."""
    fitting = [remedy for remedy in read_remedies() if remedy.match_conditions(found)]
    return tuple(
        Remedy(remedy.id, remedy.title, remedy.why.replace("{call}", call), remedy.how.replace("{call}", call))
        for remedy in fitting[:_MAX_REMEDIES]
    )
