"""Plain text to lines of a given width in terminal columns: measure, wrap, cut, pad."""

from __future__ import annotations

import unicodedata

_WIDEST_CHARACTER = 2
"""Columns."""


def cell_width(text: str) -> int:
    """Return how many terminal columns `text` takes: wide East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, ellipsis: str = "...") -> str:
    """Return `text` in at most `width` columns, its end replaced by the ellipsis where it is too long."""
    if cell_width(text) <= width:
        return text
    return _head(text, max(0, width - len(ellipsis))) + ellipsis[:width]


def cut_start(text: str, width: int, ellipsis: str = "...") -> str:
    """Return `text` in at most `width` columns, its beginning replaced: the end of a path is what tells files apart."""
    if cell_width(text) <= width:
        return text
    return ellipsis[:width] + _head(text[::-1], max(0, width - len(ellipsis)))[::-1]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` with spaces added to `width` columns (`right`: before it)."""
    spaces = " " * max(0, width - cell_width(text))
    return spaces + text if right else text + spaces


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of `text`, none wider than `width` columns; a word that is longer is broken."""
    width = max(width, _WIDEST_CHARACTER)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.extend(_wrap_paragraph(paragraph, width))
    return lines


def _wrap_paragraph(paragraph: str, width: int) -> list[str]:
    indent = paragraph[: len(paragraph) - len(paragraph.lstrip(" "))]
    if cell_width(paragraph) <= width:
        return [paragraph]
    if len(indent) > width // 2 or width - len(indent) < _WIDEST_CHARACTER:
        indent = ""
    lines: list[str] = []
    current, room = "", width - len(indent)
    for word in paragraph.split():
        while cell_width(word) > room:
            if current:
                lines.append(current)
                current = ""
            start = _head(word, room) or word[0]
            lines.append(start)
            word = word[len(start) :]
        if not word:
            continue
        if not current:
            current = word
        elif cell_width(current) + 1 + cell_width(word) <= room:
            current = f"{current} {word}"
        else:
            lines.append(current)
            current = word
    if current or not lines:
        lines.append(current)
    return [indent + line for line in lines]


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _character_width(character)
        if taken > width:
            return text[:index]
    return text
