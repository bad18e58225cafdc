"""Text from logs and processes to Markdown (CommonMark, GitHub's and GitLab's) that shows it and does nothing else.

Strings given to these functions have been through `escape_text`: no control characters, no newlines.
"""

from __future__ import annotations

import re

BREAK = "<!-- -->"
"""Shows as nothing and parts what a forge would link: people (@), issues (#), addresses, emoji, formulas."""

_PLAIN = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;"}
_BACKSLASHED = frozenset("\\`*[]~")
_LINKED = re.compile(
    r"""(?<=[@\#!$%~&^])(?=[\w"'])      # people, issues, merge requests, snippets, labels, formulas
    | (?<=:)(?=//)                      # addresses
    | (?<=\bwww)(?=\.)
    | (?<=\bGH)(?=-\d)                  # issues again
    | (?<=:)(?=[a-z_+][\w+\-]{0,60}:)   # emoji """,
    re.VERBOSE | re.IGNORECASE,
)
_OPENS_A_BLOCK = re.compile(r"(?:[-+=#]|\d{1,9}[.)](?=\s|$))")
_CODE_THAT_NEEDS_NO_MARKUP = re.compile(r"[^`|\\\s](?:[^`|\\]*[^`|\\\s])?")
_NOT_LITERAL_IN_HTML = re.compile(r"[^\w\s/,()\-]|_", re.ASCII)


def escape_markdown(text: str) -> str:
    """Return running text with nothing left in it that Markdown or a forge gives a meaning to."""
    text = text.strip()
    pieces = []
    start = 0
    for found in _LINKED.finditer(text):
        pieces.append(_escape_piece(text, start, found.start()))
        start = found.start()
    pieces.append(_escape_piece(text, start, len(text)))
    escaped = BREAK.join(pieces)
    opening = _OPENS_A_BLOCK.match(text)
    if opening:  # a list, a heading or a rule, were it at the start of a line
        end = opening.end() - 1
        escaped = f"{escaped[:end]}\\{escaped[end:]}"
    return escaped


def quote_code(text: str) -> str:
    """Return text as inline code, for lines and table cells alike; nothing for no text."""
    if not text:
        return ""
    if _CODE_THAT_NEEDS_NO_MARKUP.fullmatch(text):
        return f"`{text}`"
    # A backtick would end the span, a bar the table's cell; backslashes before bars mean different things to readers.
    return f"<code>{_NOT_LITERAL_IN_HTML.sub(_as_entity, text)}</code>"


def fence_code(lines: list[str]) -> str:
    """Return lines as a code block whose fence none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def fold_away(summary: str, body: str) -> str:
    """Return a block that opens on a click; `summary` is plain text of gtdiag's own."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _escape_piece(text: str, start: int, end: int) -> str:
    escaped = []
    for at in range(start, end):
        character = text[at]
        if character in _PLAIN:
            escaped.append(_PLAIN[character])
        elif character in _BACKSLASHED or (character == "_" and not _inside_a_word(text, at)):
            escaped.append("\\" + character)
        else:
            escaped.append(character)
    return "".join(escaped)


def _inside_a_word(text: str, at: int) -> bool:
    """Where an underscore means nothing (CommonMark 0.31, 6.2: neither left- nor right-flanking alone)."""
    return 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum()


def _as_entity(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};"
