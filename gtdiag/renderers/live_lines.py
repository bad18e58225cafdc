"""Words and their tones to the lines of a screen: cleaned of what a terminal obeys, and no wider than the window."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.layout import cell_width, cut, wrap
from gtdiag.renderers.redaction import redact_text

_DOTS = "..."


class Tone(enum.Enum):
    """How a piece of text is meant; the terminal turns it into colour, or into bold and dim where there is none."""

    PLAIN = "plain"
    DIM = "dim"
    BOLD = "bold"
    ALARM = "alarm"
    WARNING = "warning"
    GOOD = "good"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the screen. `selected`: the cursor is on it (a mark in the text says so, too)."""

    spans: tuple[Span, ...] = ()
    selected: bool = False

    @property
    def text(self) -> str:
        """The line without its tones."""
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class Ink:
    """What may be written: ASCII alone or not, with secrets masked or not."""

    ascii: bool = False
    redact: bool = True

    def clean(self, text: str) -> str:
        """The text as it may stand on the screen."""
        return escape_text(redact_text(text) if self.redact else text, ascii_only=self.ascii)

    def line(self, spans: Iterable[Span], columns: int, *, selected: bool = False) -> Line:
        """A line of cleaned spans, its end replaced by dots where it is longer than the window is wide."""
        cleaned = [Span(self.clean(span.text), span.tone) for span in spans if span.text]
        if sum(cell_width(span.text) for span in cleaned) <= columns:
            return Line(tuple(cleaned), selected)
        kept: list[Span] = []
        room = max(0, columns - len(_DOTS))
        for span in cleaned:
            text = cut(span.text, room, "")
            kept.append(Span(text, span.tone))
            room -= cell_width(text)
            if text != span.text:
                break
        return Line((*kept, Span(_DOTS[:columns], kept[-1].tone)), selected)

    def paragraph(
        self, text: str, columns: int, tone: Tone = Tone.PLAIN, *, label: str = "", indent: int = 0, most: int = 0
    ) -> list[Line]:
        """The lines of a wrapped text; `label` stands before the first in the indent. `most`: no more lines than so."""
        room = max(8, columns - indent)
        wrapped = wrap(self.clean(text), room)
        if most and len(wrapped) > most:
            wrapped = [*wrapped[: most - 1], cut(" ".join(wrapped[most - 1 :]), room)]
        heads = [label.ljust(indent), *[" " * indent] * (len(wrapped) - 1)]
        return [
            self.line([Span(head, Tone.DIM), Span(line, tone)], columns)
            for head, line in zip(heads, wrapped, strict=True)
        ]


def side_by_side(left: Sequence[Span], right: str, columns: int) -> list[Span]:
    """Spans with a word at the right edge, where there is room for it."""
    used = sum(cell_width(span.text) for span in left)
    gap = columns - used - cell_width(right)
    return list(left) if gap < 2 else [*left, Span(" " * gap), Span(right, Tone.DIM)]
