"""Every call of gtdiag in README and docs/ is one that gtdiag takes, and prints what the page shows where it can."""

from __future__ import annotations

import doctest
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gtdiag.cli.main import cli
from tests.documented_commands import Command, pages, read_commands
from tests.environments import REPOSITORY

COMMANDS = [command for page in pages() for command in read_commands(page)]
PRINTED = [
    command for command in COMMANDS if command.output and command.arguments[1:2][0:1] and "fixtures/" in command.line
]
MENTIONED = ("gunicorn.pid", "rules.toml", "gtdiag.toml")


def test_the_pages_are_read() -> None:
    assert len(COMMANDS) > 30
    assert {"README.md", "docs/recordings.md", "docs/containers.md", "docs/unattended.md"} <= {c.page for c in COMMANDS}
    assert len(PRINTED) >= 4


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.line[:60]}")
def test_it_is_a_command_with_these_options(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in MENTIONED:
        (tmp_path / name).write_text("1\n" if name.endswith(".pid") else "")
    group = click.Context(cli, info_name="gtdiag")
    assert isinstance(cli, click.Group)
    first, *rest = command.arguments or ["--help"]
    if first.startswith("-"):
        return
    called = cli.get_command(group, first)
    assert called is not None, f"no command {first}"
    called.make_context(first, rest, parent=group)  # raises UsageError where something does not fit


@pytest.mark.parametrize("command", PRINTED, ids=lambda command: command.line[:80])
def test_it_prints_what_the_page_shows(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    done = CliRunner().invoke(cli, command.arguments, env={"NO_COLOR": "1", "COLUMNS": "100"})
    output = done.stdout.rstrip() + "\n"
    # "..." on a line of its own stands for any number of lines, and at the end of one for its rest.
    assert doctest.OutputChecker().check_output(command.output.rstrip() + "\n", output, doctest.ELLIPSIS), output[:3000]
