"""Words that say nothing of anybody: data of `public_words.toml`. What is not among them is not given away."""

from __future__ import annotations

from functools import cache

from gtdiag.rules.toml_data import read_toml


@cache
def public_words(kind: str) -> frozenset[str]:
    """The words of a kind: folders, application, suffixes, sentences (in small letters), programs."""
    return frozenset(read_toml("public_words.toml")[kind]["words"].split())
