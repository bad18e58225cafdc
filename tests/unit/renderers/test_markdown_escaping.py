"""Any text at all, through the escaping and a Markdown parser, is the same text again."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.markdown_escaping import BREAK, escape_markdown, fence_code, quote_code

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=" -+*_~`#>|<&;[]()!\\.:/@$%^={}\"'0a1wGHn", max_size=30),
    st.lists(
        st.sampled_from(
            ["`", "``", "|", "\\", "*", "__", "<b>", "</code>", "&amp;", "@a", "#1", "://", "1.", "- ", "~~"]
        )
    ).map("".join),
).map(escape_text)


def html_of(markdown: str) -> str:
    html = PARSER.render(markdown).replace(BREAK, "").replace("<code>", "").replace("</code>", "")
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character)
    return html


@given(TEXTS)
@settings(deadline=None, max_examples=300)
@example("1. a")
@example("~~~")
@example("<!-- -->")
def test_running_text(text: str) -> None:
    assert html_of(f"x\n\n- {escape_markdown(text)}\n") == f"<p>x</p>\n<ul>\n<li>{text.strip()}</li>\n</ul>\n"


@given(TEXTS.filter(str.strip))
@settings(deadline=None, max_examples=300)
def test_running_text_in_bold(text: str) -> None:
    html = html_of(f"> **{escape_markdown(f'{text.strip()}.')}**\n")
    assert html == f"<blockquote>\n<p><strong>{text.strip()}.</strong></p>\n</blockquote>\n"


@given(TEXTS)
@settings(deadline=None, max_examples=300)
@example("a\\|b")
@example("`")
@example("</code>")
def test_code_and_text_in_a_table(text: str) -> None:
    html = html_of(f"| a | b |\n| --- | --- |\n| x{quote_code(text)}y | x{escape_markdown(text)}y |\n")
    cells = html.partition("<tbody>")[2].replace("<br>", "")
    shown = f"<td>x{text}y</td>\n<td>x{text.strip()}y</td>"
    assert shown in cells


@given(st.lists(TEXTS, min_size=1, max_size=4))
@settings(deadline=None)
def test_fenced_lines(lines: list[str]) -> None:
    (fence, after) = PARSER.parse(f"{fence_code(lines)}\n\nafter\n")[:2]
    assert fence.content == "".join(f"{line}\n" for line in lines)
    assert after.type == "paragraph_open"
