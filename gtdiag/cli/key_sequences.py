"""The bytes that a terminal sends to the names of keys: xterm's sequences, which every terminal of today sends."""

from __future__ import annotations

import codecs
import re

_ESCAPE = "\x1b"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?<]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;?<]*[ -/]*|O)?$")
_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"}
_NAMES = {
    **{f"\x1b[{letter}": name for letter, name in _ARROWS.items()},
    **{f"\x1bO{letter}": name for letter, name in _ARROWS.items()},
    "\x1b[1~": "home",
    "\x1b[7~": "home",
    "\x1b[4~": "end",
    "\x1b[8~": "end",
    "\x1b[5~": "page_up",
    "\x1b[6~": "page_down",
    "\x1bOM": "enter",
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\x08": "backspace",
}
MAX_PENDING = 64
"""Characters; a sequence that is longer is none."""


class KeyDecoder:
    """Turns bytes, in whatever pieces they come, into keys. Sequences that are not known are no keys."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._text = ""

    @property
    def waiting(self) -> bool:
        """Whether the last bytes may be the beginning of a key, or the Escape key alone: time tells."""
        return bool(self._text)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete by now."""
        self._text += self._decoder.decode(data)
        keys: list[str] = []
        while self._text:
            if self._text[0] != _ESCAPE:
                keys += self._plain(self._text[0])
                self._text = self._text[1:]
                continue
            found = _SEQUENCE.match(self._text)
            if found:
                name = _NAMES.get(found.group())
                keys += [name] if name else []
                self._text = self._text[found.end() :]
            elif _BEGUN.match(self._text) and len(self._text) <= MAX_PENDING:
                break
            else:
                keys.append("escape")
                self._text = self._text[1:]
        return keys

    def flush(self) -> list[str]:
        """The Escape key, where nothing has followed it."""
        text, self._text = self._text, ""
        return ["escape"] if text else []

    @staticmethod
    def _plain(character: str) -> list[str]:
        name = _NAMES.get(character)
        if name:
            return [name]
        return [character] if character.isprintable() else []
