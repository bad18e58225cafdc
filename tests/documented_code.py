"""The Python blocks of a page of docs/, and what the page says they print."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.environments import REPOSITORY

_BLOCK = re.compile(r"^```python( live)?\n(.*?)^```\n(?:\n```output\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodeBlock:
    """`live`: it needs a running master, whose pid stands for PID. `output`: None where the page shows none."""

    code: str
    output: str | None
    live: bool


def read_blocks(page: str) -> list[CodeBlock]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    blocks = [CodeBlock(code, output or None, bool(live)) for live, code, output in _BLOCK.findall(text)]
    assert len(blocks) == text.count("```python"), f"{page}: a block is not closed"
    return blocks
