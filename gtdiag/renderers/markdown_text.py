"""The Markdown of a remedy to blocks of plain text: paragraphs and list items unwrapped, code kept line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ITEM = re.compile(r"( *)([-*]|\d{1,3}[.)]) +(?=\S)")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_CODE_INDENT = 4


@dataclass(frozen=True, slots=True)
class TextBlock:
    """`mark` opens the block ("- ", "1. ", nothing); `code` must not be wrapped; an empty `text` is an empty line."""

    text: str
    indent: int = 0
    mark: str = ""
    code: bool = False


def parse_markdown(text: str) -> list[TextBlock]:
    """Return the blocks of the few things remedies use: paragraphs, lists, fenced and indented code, `**strong**`."""
    blocks: list[TextBlock] = []
    fenced = after_blank = False
    for line in text.strip("\n").split("\n"):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        last = blocks[-1] if blocks else None
        if stripped.startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            blocks.append(TextBlock(line.rstrip(), indent=2, code=True))
        elif not stripped:
            blocks.append(TextBlock(""))
        elif item := _ITEM.match(line):
            blocks.append(TextBlock(_plain(line[item.end() :].strip()), indent=indent, mark=item.group().lstrip(" ")))
        elif indent >= _CODE_INDENT and (after_blank or (last is not None and last.code)):
            blocks.append(TextBlock(line.rstrip(), code=True))
        elif last is not None and last.text and not last.code:
            joined = _plain(f"{last.text} {stripped}")
            blocks[-1] = TextBlock(joined, indent=last.indent, mark=last.mark)
        else:
            blocks.append(TextBlock(_plain(stripped), indent=indent))
        after_blank = not stripped
    return blocks


def _plain(text: str) -> str:
    return _STRONG.sub(r"\1", text)
