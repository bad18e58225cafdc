"""docs/live-view.md lists the keys and states that there are."""

from __future__ import annotations

from pathlib import Path

from gtdiag.renderers.live_keys import BINDINGS
from gtdiag.renderers.live_rows import ATTENTION_WORDS

PAGE = Path(__file__).parents[3] / "docs" / "live-view.md"


def rows_under(heading: str) -> list[tuple[str, str]]:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return [(cells[1].strip(), cells[2].strip()) for cells in (line.split("|") for line in table)]


def test_keys() -> None:
    assert rows_under("Keys") == [(binding.shown, binding.words) for binding in BINDINGS]


def test_states() -> None:
    words = [tuple(words.partition(": ")[::2]) for words in ATTENTION_WORDS.values()]
    assert rows_under("States") == words
