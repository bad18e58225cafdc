"""Fills the words of a remedy with the facts of a report: `{peer}` and the like, and blocks that only sometimes apply.

A block stands between a line `{if FACT}` and a line `{end}`. A fact that is not known is false, and so is its opposite:
a remedy says nothing of what was not seen. A word that is not known reads as the general term for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

WORDS = frozenset(("call", "peer", "at_peer", "timeout", "version", "worker_class", "workers"))
"""What may stand in braces. Anything else in braces is left alone: remedies show code."""

FACTS = frozenset(
    (
        *("kills_in_startup", "never_kills_in_startup", "asgi", "wsgi"),
        *("preload", "no_preload", "peer_known", "timeout_known"),
    )
)
"""What `{if FACT}` may ask: the names of `RemedyFacts.flags`, with their meaning there."""

_GENERAL = {
    "call": "the start-up",
    "peer": "the peer",
    "at_peer": "",
    "timeout": "gunicorn's `--timeout`",
    "version": "this gunicorn",
    "worker_class": "this worker class",
    "workers": "the workers",
}
_WORD = re.compile(r"\{([a-z_]+)\}")
_IF = re.compile(r"^\{if ([a-z_]+)\}$")


@dataclass(frozen=True, slots=True)
class RemedyFacts:
    """What a report knows that remedies speak of; None: not known.

    `call`, `peer`: of the blame the remedy is about. `kills_in_startup`: whether this gunicorn times out a worker
    before its first heartbeat (up to 21) or never does (22 and later).
    """

    call: str | None = None
    peer: str | None = None
    timeout_s: float | None = None
    version: str | None = None
    worker_class: str | None = None
    workers: int | None = None
    preload: bool | None = None
    kills_in_startup: bool | None = None

    def words(self) -> dict[str, str]:
        """What each `{word}` reads as."""
        known = {
            "call": self.call,
            "peer": self.peer,
            "at_peer": f" ({self.peer})" if self.peer else None,
            "timeout": f"gunicorn's {self.timeout_s:g} s (`--timeout`)" if self.timeout_s else None,
            "version": f"gunicorn {self.version}" if self.version else None,
            "worker_class": self.worker_class.rpartition(".")[2] if self.worker_class else None,
            "workers": f"{self.workers} workers" if self.workers and self.workers > 1 else None,
        }
        return {word: known[word] or general for word, general in _GENERAL.items()}

    def flags(self) -> frozenset[str]:
        """The facts that hold. `asgi`: the worker class runs a lifespan; `wsgi`: it is known and does not."""
        lifespan = None if self.worker_class is None else "uvicorn" in self.worker_class or "asgi" in self.worker_class
        pairs = (
            (self.kills_in_startup, "kills_in_startup", "never_kills_in_startup"),
            (lifespan, "asgi", "wsgi"),
            (self.preload, "preload", "no_preload"),
        )
        held = {yes if value else no for value, yes, no in pairs if value is not None}
        held |= {"peer_known"} if self.peer else set()
        return frozenset(held | ({"timeout_known"} if self.timeout_s else set()))


def fill_text(text: str, facts: RemedyFacts) -> str:
    """The text as it reads for these facts."""
    words = facts.words()
    kept = "\n".join(_lines_that_apply(text, facts.flags()))
    return _WORD.sub(lambda found: words.get(found.group(1), found.group(0)), kept)


def _lines_that_apply(text: str, held: frozenset[str]) -> Iterator[str]:
    applies = True
    for line in text.split("\n"):
        condition = _IF.match(line.strip())
        if condition:
            applies = condition.group(1) in held
        elif line.strip() == "{end}":
            applies = True
        elif applies:
            yield line


def find_faults(text: str) -> list[str]:
    """What is wrong with a text: conditions of `{if ...}` that no report answers, `{if}` without `{end}`."""
    conditions = [found.group(1) for line in text.split("\n") if (found := _IF.match(line.strip()))]
    wrong = [f"if {name}" for name in conditions if name not in FACTS]
    ends = sum(line.strip() == "{end}" for line in text.split("\n"))
    return wrong + ([] if ends == len(conditions) else ["end"])
