from __future__ import annotations

import dataclasses
import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.markdown import render_markdown
from gtdiag.renderers.markdown_escaping import BREAK, escape_markdown, quote_code
from tests.unit.renderers import sample_reports
from tests.unit.renderers.hostile_report import HOSTILE_TEXTS, with_text

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

OUR_HTML = re.compile(
    r"<details><summary>[^<>]*</summary>\n|</details>\n|</?code>|" + re.escape(BREAK),
)


def tokens_of(markdown: str) -> list[Token]:
    tokens = []
    for token in PARSER.parse(markdown):
        tokens.append(token)
        tokens.extend(token.children or ())
    return tokens


def shown_text(markdown: str) -> str:
    """What a reader sees of a line: the texts and the code, without what shows as nothing."""
    seen = [token.content for token in tokens_of(markdown) if token.type in ("text", "text_special", "code_inline")]
    return "".join(seen)


def test_the_verdict_comes_first() -> None:
    report = sample_reports.restart_loop()
    assert render_markdown(report).startswith(f"> **{report.verdict.summary}**\n")


def test_it_says_what_the_text_says() -> None:
    markdown = render_markdown(sample_reports.restart_loop())
    assert "worker time-out in start-up, 8 times" in markdown
    assert "- blocked in: `verify_database_migrations  [database]`" in markdown
    assert ">> verify_database_migrations  /srv/app/main.py:41" in markdown
    assert "#### 1. Give the connection a time-out of its own (GT-R03)" in markdown
    assert "| 7 | 1 | time-out |" in markdown


def test_stacks_and_evidence_are_folded() -> None:
    html = PARSER.render(render_markdown(sample_reports.restart_loop()))
    folded = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", html, re.DOTALL)
    assert [summary.partition(",")[0] for summary, _ in folded][:2] == ["Stack", "Evidence (2 lines)"]
    assert '<pre><code class="language-text">   LifespanOn.main' in folded[0][1]
    assert "master logged WORKER TIMEOUT" in folded[1][1]


def test_nothing_found_is_short() -> None:
    markdown = render_markdown(sample_reports.nothing_found())
    assert "What happened" not in markdown
    assert "What to do" not in markdown


def test_gaps_and_their_hints_are_there() -> None:
    gaps = render_markdown(sample_reports.silent_hang()).partition("### What could not be seen")[2]
    assert "- log: the master's standard error is a pipe" in gaps
    assert "<li>hint: <code>kubectl logs -f POD | gtdiag watch 100 --log -</code></li>" in PARSER.render(gaps)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_stays_text(text: str) -> None:
    """The document has the structure of the harmless one: no element, link, image or mention comes from the data."""
    markdown = render_markdown(with_text(text))
    tokens = tokens_of(markdown)
    for token in tokens:
        if token.type in ("html_inline", "html_block"):
            assert OUR_HTML.fullmatch(token.content.strip("\n") + ("\n" if token.type == "html_block" else "")), token
        assert token.type not in ("link_open", "image", "em_open", "s_open", "hr", "ordered_list_open"), token
    harmless = [token.type for token in PARSER.parse(render_markdown(with_text("harmless")))]
    assert [token.type for token in PARSER.parse(markdown)] == harmless


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    visible = escape_text(text)
    assert shown_text(escape_markdown(visible)) == visible.strip()
    assert shown_text(f"a {quote_code(visible)}") == f"a {visible}"


@pytest.mark.parametrize(
    "text",
    ["@octocat", "fixes #1", "see org/repo#1", "GH-1", "https://example.com", "www.example.com", "a@example.com"],
)
def test_forges_link_and_notify_nothing(text: str) -> None:
    """Forges look for these in each run of text; a comment parts them in two."""
    runs = escape_markdown(f"x {text} y").split(BREAK)
    assert len(runs) > 1
    assert not any(re.search(r"[@#]\w|GH-\d|://|www\.", run) for run in runs)


def test_a_fence_cannot_be_closed_from_inside() -> None:
    report = with_text("`````\nafter")
    fences = [token for token in PARSER.parse(render_markdown(report)) if token.type == "fence"]
    assert fences
    assert all(len(token.markup) > 5 for token in fences)


def test_a_limit_in_bytes_is_kept_and_said() -> None:
    report = sample_reports.restart_loop()
    whole = render_markdown(report)
    for limit in (len(whole.encode()) - 1, 2000, 700):
        cut = render_markdown(report, max_bytes=limit)
        assert len(cut.encode()) <= limit
        assert cut.endswith("`--format json` has all of it.\n")
    assert render_markdown(report, max_bytes=len(whole.encode()) + 200) == whole


def test_a_line_of_megabytes_is_cut() -> None:
    report = sample_reports.restart_loop()
    incident = dataclasses.replace(report.incidents[0], evidence=("x" * 5_000_000,))
    assert len(render_markdown(dataclasses.replace(report, incidents=(incident,)))) < 100_000
