"""A report whose every text is written to be more than text: HTML, Markdown, workflow commands, XML, escapes."""

from __future__ import annotations

from gtdiag.model.report import Report
from gtdiag.renderers.report_strings import map_strings
from tests.unit.renderers import sample_reports

HOSTILE_TEXTS = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</details><!-- --><b>bold</b>",
    "[link](javascript:alert(1)) ![image](http://example.com/a.png)",
    "@octocat @org/team #123 GH-45 owner/repo#6 !7 $8 %9 ~bug :tada: user@example.com",
    "http://example.com/a www.example.com https://example.com/(b)",
    "# heading",
    "- item",
    "1. item",
    "+ item",
    "> quote",
    "| a | b |\\| c",
    "**bold** _emphasis_ __init__ a_b ~~gone~~ *x*",
    "```\nfence",
    "` `` ``` ````",
    "\n\n::error file=a.py,line=1::forged",
    "\n::set-output name=x::1\r\n##[add-mask]secret",
    "%0A::error::forged",
    "]]></failure><testcase name='x'/>&amp;&#0;",
    "\x00\x08\x0b\x1b[31m\ud800\udcff\ufffe\uffff\u2028\u202e\x85",
    "$x^2$ `$`y`$` [^1] {{ site }} \\ \\| \\`",
    "   indented",
    "frame;other 12",
    '"quotes" and \'quotes\'',
)  # fmt: skip


OURS = frozenset({"Report.schema", "Report.gtdiag_version", "Remedy.id", "WaitingOn.kind"})
"""Places that never hold what a log or a process says."""

ADVICE = frozenset({"Remedy.why", "Remedy.how"})
"""Markdown of gtdiag's own, in which a name from the report may stand."""


def with_text(text: str) -> Report:
    """A report of every part in which every text is this one."""

    def replace(place: str, before: str) -> str:
        if place in OURS:
            return before
        line = text.replace("\n", " ")
        return f"- Let `{line}` be, and {line} too." if place in ADVICE else text

    return map_strings(sample_reports.hostile(), replace)
