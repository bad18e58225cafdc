"""docs/formats.md against the program: the words of its table, and what each shown command gives."""

from __future__ import annotations

import re
import shlex

import pytest

from gtdiag.renderers.formats import FORMAT_WORDS
from tests.environments import REPOSITORY
from tests.live.gtdiag_command import run_gtdiag

PAGE = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
SCREENS = re.findall(r"^```console\n\$ gtdiag (.+?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_is_that_of_the_help() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(member.value, words) for member, words in FORMAT_WORDS.items()]


@pytest.mark.parametrize("command", ["watch", "snapshot", "analyze"])
def test_the_help_of_a_reporting_command_lists_every_format(command: str) -> None:
    shown = run_gtdiag(command, "--help").stdout
    lines = [line.split() for line in shown.splitlines()]
    for member, words in FORMAT_WORDS.items():
        assert [member.value, *words.split()] in lines


@pytest.mark.parametrize(("command", "shown"), SCREENS, ids=[screen[0].split()[-1] for screen in SCREENS])
def test_a_shown_command_gives_what_is_shown(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`...` on the page stands for anything."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    pattern = ".*".join(re.escape(part) for part in shown.split("..."))
    done = run_gtdiag(*shlex.split(command))
    assert done.status == 1
    assert re.fullmatch(pattern, done.stdout, re.DOTALL), done.stdout
