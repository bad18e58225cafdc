"""The commands of the pages: what stands in their shell blocks, and what they say a command prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.environments import REPOSITORY

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?P<prompt>\$ )?(?P<command>(?:[^\n]*\| *)?(?:sudo )?gtdiag [^\n]*)$", re.MULTILINE)
_SHELL = ("", "sh", "console")
_ENDS_A_COMMAND = {"|", ">", ">>", "2>&1", "&", "&&", ";"}


@dataclass(frozen=True)
class Command:
    """A line that calls gtdiag. `line`: the whole of it, pipes included; `output`: what the page shows below it."""

    page: str
    line: str
    output: str

    @property
    def arguments(self) -> list[str]:
        """What gtdiag itself is given."""
        words = shlex.split(self.line, comments=True)
        words = words[words.index("gtdiag") + 1 :]
        for place, word in enumerate(words):
            if word in _ENDS_A_COMMAND or word.startswith((">", "2>", "&")):
                return words[:place]
        return words


def pages() -> list[str]:
    """README and every page of docs/, by path."""
    return ["README.md", *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").glob("*.md"))]


def read_commands(page: str) -> Iterator[Command]:
    """Every call of gtdiag in the shell blocks of a page. Where a block has prompts, only lines with one are calls."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        if block["language"] not in _SHELL:
            continue
        found = list(_COMMAND.finditer(block["text"]))
        prompts = any(match["prompt"] for match in found)
        if prompts:
            found = [match for match in found if match["prompt"]]
        for match, after in zip_longest(found, found[1:]):
            end = after.start() if after is not None else len(block["text"])
            yield Command(page, match["command"], block["text"][match.end() + 1 : end] if prompts else "")
