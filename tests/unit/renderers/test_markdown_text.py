from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gtdiag.renderers.markdown_text import TextBlock, parse_markdown

REMEDY = """\
Set limits well below
gunicorn's **timeout**:

- psycopg2: `connect_timeout=5`
  in the DSN
- SQLAlchemy
  1. first **do
     this**

    await asyncpg.connect(dsn,
                          timeout=5)

```python
x = 1
# **not strong**
```
The end.
"""


def test_paragraphs_lists_and_code() -> None:
    assert parse_markdown(REMEDY) == [
        TextBlock("Set limits well below gunicorn's timeout:"),
        TextBlock(""),
        TextBlock("psycopg2: `connect_timeout=5` in the DSN", mark="- "),
        TextBlock("SQLAlchemy", mark="- "),
        TextBlock("first do this", indent=2, mark="1. "),
        TextBlock(""),
        TextBlock("    await asyncpg.connect(dsn,", code=True),
        TextBlock("                          timeout=5)", code=True),
        TextBlock(""),
        TextBlock("x = 1", indent=2, code=True),
        TextBlock("# **not strong**", indent=2, code=True),
        TextBlock("The end."),
    ]


@given(st.text(alphabet="ab *-`1.\n", max_size=80))
def test_no_word_is_lost(text: str) -> None:
    shown = " ".join(f"{block.mark} {block.text}" for block in parse_markdown(text))
    letters = [c for c in shown if c in "ab1"]
    fences = sum(line.strip().startswith("```") for line in text.split("\n"))
    assert fences or letters == [c for c in text if c in "ab1"]
