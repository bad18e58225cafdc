"""Every option of every command, with a word that its command line accepts: what the tests over all of them need."""

from __future__ import annotations

from typing import Any

import click

from gtdiag.cli.environment import EnvironmentOption
from gtdiag.cli.main import COMMANDS, cli

_WORDS = (
    "oom_kill",
    "better",
    "500ms",
    "90s",
    "3",
    "9090",
    "http://h/",
    "h:1",
    "1:2",
    "2025-07-22T15:06:03+02:00",
    "x",
)
"""Tried in this order: the first that the option takes, and that is not its default."""


def load_command(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def every_option(*, but: frozenset[str] = frozenset({"config"})) -> list[tuple[str, EnvironmentOption]]:
    found = []
    for name in COMMANDS:
        for parameter in load_command(name).params:
            if isinstance(parameter, click.Option) and parameter.name != "help":
                assert isinstance(parameter, EnvironmentOption), f"{name} {parameter.opts}: declare it with `option`"
                if parameter.typed not in but:
                    found.append((name, parameter))
    return found


def value_of(command: str, option: EnvironmentOption, *words: str) -> Any:
    """What the option has after the command line was read. Raises click.UsageError."""
    parent = click.Context(cli, info_name="gtdiag", auto_envvar_prefix="GTDIAG")
    loaded = load_command(command)
    arguments: list[str] = []
    for parameter in loaded.params:
        if isinstance(parameter, click.Argument) and parameter.required:
            choices = getattr(parameter.type, "choices", ("file",))
            arguments += [choices[0]] * max(parameter.nargs, 1)
    # The arguments first: an option whose value is optional would take one of them.
    return loaded.make_context(command, [*arguments, *words], parent=parent).params[option.name or ""]


def sample_word(command: str, option: EnvironmentOption) -> str:
    """A word for the option that changes its value; that of a flag is empty."""
    if option.is_flag:
        return ""
    words = tuple(str(choice) for choice in option.type.choices) if isinstance(option.type, click.Choice) else _WORDS
    unset = value_of(command, option)
    for word in words:
        try:
            if value_of(command, option, f"--{option.typed}={word}") != unset:
                return word
        except click.UsageError:
            continue
    raise AssertionError(f"{command} --{option.typed} takes none of {', '.join(words)}: add a word that it takes")
