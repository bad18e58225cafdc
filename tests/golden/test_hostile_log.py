"""A log whose application, requests and errors are named to be more than text, through the program to every format."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.report import Report
from gtdiag.model.stack_profile import StackProfile
from gtdiag.renderers.collapsed import render_collapsed
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.github import render_github
from gtdiag.renderers.junit import render_junit
from gtdiag.renderers.markdown import render_markdown
from gtdiag.renderers.speedscope import render_speedscope
from tests.golden.test_fixture_facts import LOGS
from tests.golden.test_report_formats import BOOT, TIMEOUT
from tests.unit.renderers.junit_rules import check_junit
from tests.unit.renderers.speedscope_rules import check_speedscope
from tests.unit.renderers.test_github_report import run_commands
from tests.unit.renderers.test_markdown_report import PARSER, shown_text, tokens_of

NAMES = [
    "<script>alert(1)</script>",
    "</details>|`code`|@octocat",
    "[a](javascript:b)",
    "::error file=a.py::forged",
    "##[add-mask]forged",
    "]]></failure></testcase>",
    "%0A::set-env name=A::b",
    "a;b",
    "x\x1b]0;title\x07y",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Analyzed:
    report: Report
    stacks: StackProfile


def analyze(folder: Path, case: str, before: str, name: str) -> Analyzed:
    text = (LOGS / case / "log.txt").read_text(encoding="utf-8")
    assert before in text
    log = folder / "log.txt"
    log.write_text(text.replace(before, name), encoding="utf-8", errors="surrogateescape")
    analysis = Analysis(keep_stacks=True)
    for event in collect_log_events([str(log)]):
        analysis.add(event)
    report = analysis.report()
    stacks = analysis.stacks()
    assert report.incidents
    assert stacks is not None
    return Analyzed(report, stacks)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("case", "before"), [(TIMEOUT, "read_upstream"), (TIMEOUT, "/urllib"), (BOOT, "settings_that_do_not_exist")]
)
def test_a_name_stays_a_name(case: str, before: str, name: str, tmp_path: Path) -> None:
    hostile = analyze(tmp_path, case, before, name)
    harmless = analyze(tmp_path, case, before, "harmless")

    markdown, plain = render_markdown(hostile.report), render_markdown(harmless.report)
    kinds = [token.type for token in PARSER.parse(markdown)]
    assert kinds == [token.type for token in PARSER.parse(plain)]
    assert not {token.type for token in tokens_of(markdown)} & {"link_open", "image"}
    assert not any("<script" in token.content for token in tokens_of(markdown) if token.type.startswith("html"))
    if name.isprintable():
        assert escape_text(name) in shown_text(markdown).replace("<!-- -->", "")

    def structure(junit: str) -> list[str]:
        return [element.tag for element in check_junit(junit).iter()]

    assert structure(render_junit(hostile.report)) == structure(render_junit(harmless.report))

    def commands(output: str) -> list[tuple[str, list[str]]]:
        return [(one.name, list(one.properties)) for one in run_commands(output)[0]]

    assert commands(render_github(hostile.report)) == commands(render_github(harmless.report))

    check_speedscope(render_speedscope(hostile.report, hostile.stacks))
    lines = [render_collapsed(one.stacks).count("\n") for one in (hostile, harmless)]
    assert lines[0] == lines[1]
