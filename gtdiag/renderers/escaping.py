"""Text from logs and processes to text that is safe to show: what a terminal obeys or hides is shown as an escape."""

from __future__ import annotations

_SURROGATE_ESCAPED_BYTE = range(0xDC80, 0xDD00)
"""How Python carries a byte that was not UTF-8 (PEP 383): U+DC00 plus the byte."""


def escape_text(text: str, *, ascii_only: bool = False, keep_newlines: bool = False) -> str:
    r"""Return `text` with each character that is not plainly visible written as an escape (`\x1b`, `\u202e`).

    That covers the C0 and C1 controls, bidirectional and zero-width marks, line separators, unassigned and private code
    points, and bytes that were not UTF-8 (`\xff`). With `ascii_only` everything beyond ASCII is written so too.
    A backslash stays as it is: the result is for eyes and is not meant to be read back.
    """
    if text.isprintable() and (not ascii_only or text.isascii()):
        return text
    return "".join(
        character
        if (character.isprintable() and (not ascii_only or character.isascii()))
        or (keep_newlines and character == "\n")
        else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    named = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}.get(code)
    if named is not None:
        return named
    if code in _SURROGATE_ESCAPED_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
