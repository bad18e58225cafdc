"""The formats a report can be had in, and which renderer makes each of them.

A new format is one file with one function, and here a member, its line of help and its renderer.
"""

from __future__ import annotations

import enum
from typing import Protocol

from gtdiag.renderers.material import ReportMaterial
from gtdiag.renderers.page import Page


class ReportFormat(str, enum.Enum):
    """What `--format` takes."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    GITHUB = "github"
    SPEEDSCOPE = "speedscope"
    COLLAPSED = "collapsed"
    PARQUET = "parquet"


FORMAT_WORDS: dict[ReportFormat, str] = {
    ReportFormat.TEXT: "for a person at a terminal",
    ReportFormat.JSON: "for programs (gtdiag schema describes it)",
    ReportFormat.MARKDOWN: "for an issue or a wiki, stacks folded",
    ReportFormat.HTML: "one page that needs no network: time-line, stacks, remedies",
    ReportFormat.JUNIT: "JUnit XML for a CI server",
    ReportFormat.GITHUB: "GitHub Actions: annotations, and the step's summary",
    ReportFormat.SPEEDSCOPE: "every stack that was seen, for www.speedscope.app",
    ReportFormat.COLLAPSED: "the same as collapsed stacks, for flame graphs",
    ReportFormat.PARQUET: "events and incidents for DuckDB, Spark, ClickHouse (analyze -o FOLDER)",
}
"""What each is for, in a line of `--help`."""


STACK_FORMATS = frozenset({ReportFormat.SPEEDSCOPE, ReportFormat.COLLAPSED})
"""Those that need every stack that was seen; for the others none is kept."""


TABLE_FORMATS = frozenset({ReportFormat.PARQUET})
"""Those that are made of the events themselves, in files: no renderer writes them as text."""


class Renderer(Protocol):
    """Turns a report into text that ends in a newline. The page is what is known of where it will be read."""

    def __call__(self, material: ReportMaterial, page: Page, /) -> str:
        """Render the whole report."""


# Each imports its renderer when it is called: a command needs one of them.


def _text(material: ReportMaterial, page: Page, /) -> str:
    from gtdiag.renderers.text import render_text

    return render_text(material.report, width=page.width, colour=page.colour, ascii=page.ascii)


def _json(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.json_report import render_json

    return render_json(material.report)


def _markdown(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.markdown import render_markdown

    return render_markdown(material.report)


def _html(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.html.document import render_html

    return render_html(material.report)


def _junit(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.junit import render_junit

    return render_junit(material.report, failing=material.failing)


def _github(material: ReportMaterial, page: Page, /) -> str:
    from gtdiag.renderers.github import render_github

    return render_github(material.report, root=page.root, failing=material.failing)


def _speedscope(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.speedscope import render_speedscope

    return render_speedscope(material.report, material.stacks)


def _collapsed(material: ReportMaterial, _page: Page, /) -> str:
    from gtdiag.renderers.collapsed import render_collapsed

    return render_collapsed(material.stacks)


RENDERERS: dict[ReportFormat, Renderer] = {
    ReportFormat.TEXT: _text,
    ReportFormat.JSON: _json,
    ReportFormat.MARKDOWN: _markdown,
    ReportFormat.HTML: _html,
    ReportFormat.JUNIT: _junit,
    ReportFormat.GITHUB: _github,
    ReportFormat.SPEEDSCOPE: _speedscope,
    ReportFormat.COLLAPSED: _collapsed,
}
