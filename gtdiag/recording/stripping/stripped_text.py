"""Sentences to sentences that say the same of gunicorn, the kernel and gtdiag, and nothing of anybody else."""

from __future__ import annotations

import re
import sys

from gtdiag.recording.stripping.pseudonyms import Pseudonyms
from gtdiag.recording.stripping.stripped_paths import PathStripper
from gtdiag.rules.frameworks import known_packages
from gtdiag.rules.public_words import public_words

MASK = "***"

_WORKER_CLASSES = ("uvicorn", "Uvicorn", "gevent", "eventlet", "tornado", "gthread", "asgi")

_PIECE = re.compile(r"[^\W\d_]+(?:'t)?|\d+|_+|\s+|[^\w\s]+")
_SIGNAL = re.compile(r"^SIG[A-Z0-9]{2,8}$")
_LONGEST_NUMBER = 11
_EXCEPTION = re.compile(
    r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Timeout|HaltServer|Failure))(:\s|$)"
)
_MASKS = re.compile(r"\*\*\*(?:[\s\W]{0,3}\*\*\*)+")

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"<>]{1,2000}")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\d)")
_IPV6 = re.compile(r"(?<![\w:])(?=[0-9A-Fa-f:]*::|(?:[0-9A-Fa-f]{1,4}:){4})[0-9A-Fa-f:]{3,45}(?![\w:])")
_PATH = re.compile(r"(?<![\w.*/-])/[^\s'\"`,;:()<>|*]{1,1000}")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
_DOTTED = re.compile(r"(?<![\w.*/-])[A-Za-z_][\w-]{0,62}(?:\.[A-Za-z_][\w-]{0,62})+(?![\w(])")
_QUOTED = re.compile(r"'[^'\n]{1,500}'|\"[^\"\n]{1,500}\"")
_ASSIGNED = re.compile(r"\b([A-Za-z_][\w-]{0,60}\s?=\s?)(?!\d{1,6}\b)[^\s,;]{1,500}")
_SECRETIVE = re.compile(r"(?<![\w/.-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+/-]{16,}={0,2}")
_BEARER = re.compile(r"\b((?:bearer|basic|token|password|secret)\s+)\S{1,500}", re.IGNORECASE)
_OUR_OWN = frozenset({"gtdiag", "docs", "gunicorn", "kernel", "proc", "sys", "e.g", "i.e"})


class TextStripper:
    """Strips what was said by others (`sentence`) and what gtdiag said itself, with others' values in it (`text`)."""

    def __init__(self, pseudonyms: Pseudonyms, paths: PathStripper, *, hide_names: bool) -> None:
        self._names = pseudonyms
        self._paths = paths
        self._hide_names = hide_names

    def sentence(self, text: str) -> str:
        """A sentence from a log: well-known words, numbers and the exception's class stay."""
        found = _EXCEPTION.match(text)
        if found is None:
            return self._known_words(text)
        return self.class_name(found.group(1)) + found.group(2) + self._known_words(text[found.end() :])

    def class_name(self, name: str) -> str:
        """A dotted class: of a library or of Python as it is, of the application as names of the application are."""
        first = name.partition(".")[0]
        public = first in known_packages() or first in sys.stdlib_module_names or "." not in name
        if public or not self._hide_names:
            return name
        hidden = self._paths.identifier(name)
        kind = next((word for word in _WORKER_CLASSES if word in name), None)
        return hidden if kind is None else f"{hidden}.{kind}"  # a worker class of one's own is still of its kind

    def text(self, text: str) -> str:
        """A sentence of gtdiag's: addresses, paths, quotations and whatever else may be a value are replaced."""
        text = _URL.sub(lambda found: self._paths.url(found.group()), text)
        text = self._names.replace_known(text)
        text = _EMAIL.sub(MASK, text)
        text = _IPV4.sub(lambda found: self._paths.host(found.group()), text)
        text = _IPV6.sub(lambda found: self._paths.host(found.group()), text)
        text = _PATH.sub(lambda found: self._paths.data(found.group()), text)
        text = _QUOTED.sub(lambda found: found.group()[0] + MASK + found.group()[0], text)
        text = _ASSIGNED.sub(lambda found: found.group(1) + MASK, text)
        text = _BEARER.sub(lambda found: found.group(1) + MASK, text)
        text = _DOTTED.sub(self._dotted, text)
        return _SECRETIVE.sub(MASK, text)

    def _dotted(self, found: re.Match[str]) -> str:
        name = found.group()
        first = name.partition(".")[0]
        public = first in known_packages() or first in sys.stdlib_module_names or first in _OUR_OWN
        return name if public else MASK

    def _known_words(self, text: str) -> str:
        kept = "".join(map(_keep_piece, _PIECE.findall(text)))
        return _MASKS.sub(MASK, kept)


def _keep_piece(piece: str) -> str:
    if piece.isdecimal():
        return piece if len(piece) < _LONGEST_NUMBER else MASK
    if piece[0].isalpha():
        return (
            piece
            if piece.lower() in public_words("sentences") or _SIGNAL.match(piece) or piece == "SystemExit"
            else MASK
        )
    return piece
