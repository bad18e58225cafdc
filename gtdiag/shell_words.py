"""Words to the one line that a shell reads back as exactly these words, whatever is in them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable


def quote_command(words: Iterable[str]) -> str:
    """Return a command to paste into bash, zsh or ksh. What a terminal would obey or hide is written as an escape."""
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    quoted = "".join(
        character if character.isprintable() and character not in "\\'" else _escape(character) for character in word
    )
    return f"$'{quoted}'"


def _escape(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
