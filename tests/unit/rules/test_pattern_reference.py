"""docs/patterns.md names every pattern there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from gtdiag.model.report import PatternKind

PAGE = Path(__file__).resolve().parents[3] / "docs" / "patterns.md"


def test_every_pattern_is_on_the_page() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(kind.value for kind in PatternKind)
