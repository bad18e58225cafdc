from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gtdiag.renderers.layout import cell_width, cut, cut_start, pad, wrap

SHOWABLE = st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\n"))


@given(SHOWABLE, st.integers(2, 40))
@example(" \u2e80", 2)
def test_wrapped_lines_are_never_wider_than_asked(text: str, width: int) -> None:
    assert all(cell_width(line) <= width for line in wrap(text, width))


@given(SHOWABLE, st.integers(2, 40))
def test_wrapping_loses_no_character_but_spaces(text: str, width: int) -> None:
    assert "".join("".join(wrap(text, width)).split()) == "".join(text.split())


@given(SHOWABLE, st.integers(1, 40))
def test_cut_text_fits(text: str, width: int) -> None:
    assert cell_width(cut(text, width)) <= width
    assert cell_width(cut_start(text, width)) <= width


def test_wide_characters_count_twice_and_marks_not_at_all() -> None:
    assert cell_width("日本") == 4
    assert cell_width("e\u0301") == 1
    assert pad("日", 4) == "日  "
    assert cut("日本語テキスト", 7) == "日本..."


def test_an_indented_line_stays_indented_when_it_is_wrapped() -> None:
    lines = wrap("    await asyncpg.connect(dsn, timeout=5)", 24)
    assert lines == ["    await", "    asyncpg.connect(dsn,", "    timeout=5)"]


def test_a_long_path_is_broken_and_not_cut() -> None:
    assert wrap("/srv/application/main.py:41", 12) == ["/srv/applica", "tion/main.py", ":41"]


def test_the_end_of_a_path_is_kept() -> None:
    assert cut_start("/srv/application/main.py", 12) == "...n/main.py"
