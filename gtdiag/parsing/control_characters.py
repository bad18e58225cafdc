"""A raw log line to the same line without terminal escapes and control characters."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[@-Z\\-_]?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_SUSPECT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


def strip_control_characters(text: str) -> str:
    """Remove terminal escapes (compose and uvicorn write colours) and control characters other than tab and newline."""
    if _SUSPECT.search(text) is None:
        return text
    return _CONTROL.sub("", _ESCAPE.sub("", text))
