"""A mistyped word to the one that was meant, for commands, options' values and keys of a configuration."""

from __future__ import annotations

from collections.abc import Iterable

_ALIKE = 0.6
"""Least likeness (difflib's ratio): 0.6 finds "wtach" and "oom_kil", and proposes nothing for "xyz"."""


def closest_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is most like; None where none is alike."""
    import difflib  # only when something is wrong

    by_plain = {name.lower().replace("-", "_"): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_plain, n=1, cutoff=_ALIKE)
    return by_plain[found[0]] if found else None


def did_you_mean(words: Iterable[str], known: Iterable[str]) -> str:
    """Return " Did you mean X?" for the first of the words that has one like it, else nothing; follows a full stop."""
    listed = list(known)
    close = (closest_word(word, listed) for word in words)
    found = next((name for name in close if name is not None), None)
    return f" Did you mean {found}?" if found is not None else ""
