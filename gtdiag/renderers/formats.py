"""The formats a report can be had in, and which renderer makes each of them.

A new format is one file with one function and one line in each of the two tables here.
"""

from __future__ import annotations

import enum
from typing import Protocol

from gtdiag.model.report import Report
from gtdiag.renderers.json_report import render_json
from gtdiag.renderers.page import Page
from gtdiag.renderers.text import render_text


class ReportFormat(str, enum.Enum):
    """What `--format` takes."""

    TEXT = "text"
    JSON = "json"


class Renderer(Protocol):
    """Turns a report into text that ends in a newline. The page is what is known of where it will be read."""

    def __call__(self, report: Report, page: Page, /) -> str:
        """Render the whole report."""


def _text(report: Report, page: Page, /) -> str:
    return render_text(report, width=page.width, colour=page.colour, ascii=page.ascii)


def _json(report: Report, _page: Page, /) -> str:
    return render_json(report)


RENDERERS: dict[ReportFormat, Renderer] = {
    ReportFormat.TEXT: _text,
    ReportFormat.JSON: _json,
}
