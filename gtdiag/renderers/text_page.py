"""Lines of styled text, laid out to a width: what the text renderers write on."""

from __future__ import annotations

from collections.abc import Sequence

from gtdiag.renderers.layout import cell_width, cut, pad, wrap
from gtdiag.renderers.page import MIN_WIDTH, Page

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
"""ECMA-48 "select graphic rendition" codes; only these are ever written."""


class TextPage:
    """Collects the lines of one document. Strings given to it must be escaped already."""

    def __init__(self, page: Page) -> None:
        self.width = max(page.width, MIN_WIDTH)
        self.ascii = page.ascii
        self._colour = page.colour
        self._lines: list[str] = []

    def text(self) -> str:
        """Return the document, ending in one newline."""
        lines = [line.rstrip() for line in self._lines]
        return "\n".join(lines).strip("\n") + "\n"

    def styled(self, text: str, style: str) -> str:
        """Return `text` in a style ("bold red"), or as it is on a page without colour."""
        if not self._colour or not style or not text:
            return text
        codes = ";".join(_SGR[word] for word in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def blank(self) -> None:
        """Add an empty line."""
        self._lines.append("")

    def heading(self, text: str) -> None:
        """Add an empty line and a section's title."""
        self.blank()
        self._lines.append(self.styled(cut(text.upper(), self.width), "bold"))

    def paragraph(self, text: str, *, indent: int = 0, style: str = "", first: str = "") -> None:
        """Add wrapped text; `first` ("- ", "1. ") opens its first line, the others are indented below it."""
        hang = indent + cell_width(first)
        for number, line in enumerate(wrap(text, self.width - hang)):
            start = " " * indent + first if number == 0 else " " * hang
            self._lines.append(start + self.styled(line, style))

    def field(self, label: str, text: str, *, indent: int = 2, label_width: int = 13, style: str = "") -> None:
        """Add "label   text", the text wrapped in its own column; nothing where the text is empty."""
        if not text:
            return
        column = indent + label_width
        for number, line in enumerate(wrap(text, self.width - column)):
            start = " " * indent + pad(label if number == 0 else "", label_width)
            self._lines.append(self.styled(start, "dim") + self.styled(line, style))

    def frame(self, mark: str, function: str, place: str, *, style: str) -> None:
        """Add a stack frame: the mark (">>"), the function, its place beside or, where that is too wide, below it."""
        indent, first = 4, pad(mark, 3)
        line = f"{function}  {place}"
        if indent + cell_width(first) + cell_width(line) <= self.width:
            self.paragraph(line, indent=indent, style=style, first=first)
        else:
            self.paragraph(function, indent=indent, style=style, first=first)
            self.paragraph(place, indent=indent + cell_width(first) + 2, style=style)

    def table(self, headers: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], *, indent: int = 2) -> None:
        """Add a table: rows of (style, cells). Empty columns are left out; the last one is cut to what is left."""
        used = [i for i in range(len(headers)) if any(cells[i] for _, cells in rows)]
        widths = {i: max(cell_width(headers[i]), *(cell_width(cells[i]) for _, cells in rows)) for i in used}
        for style, cells in [("dim", headers), *rows]:
            line = ""
            for i in used:
                if i == used[-1]:
                    line += cut(cells[i], max(self.width - indent - cell_width(line), 4))
                else:
                    line += pad(cells[i], widths[i] + 2)
            self._lines.append(" " * indent + self.styled(cut(line.rstrip(), self.width - indent), style))
