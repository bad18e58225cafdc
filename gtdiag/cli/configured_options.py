"""`--config FILE` of every command: the command's table in the file to the defaults of its options."""

from __future__ import annotations

import os
import sys
from datetime import date, time
from typing import Any

import click

from gtdiag.cli.configuration import NO_CONFIGURATION, RULE_KEYS, Configuration, ConfigurationError, read_configuration
from gtdiag.cli.environment import CONFIGURED_BY, EnvironmentOption
from gtdiag.cli.errors import say_error
from gtdiag.cli.suggestions import did_you_mean

VARIABLE_OF_ALL = "GTDIAG_CONFIG"
"""Names the configuration of every command; GTDIAG_<COMMAND>_CONFIG, that of one, comes before it."""

_CONFIGURATION = "gtdiag.configuration"


class ConfigurationOption(EnvironmentOption):
    """The option `--config`, also set by GTDIAG_CONFIG."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the command's variable, else that of all commands."""
        return super().resolve_envvar_value(ctx) or os.environ.get(VARIABLE_OF_ALL) or None


def accept_configuration(command: click.Command) -> None:
    """Add `--config` to a command that has options of gtdiag's kind, once."""
    options = [parameter for parameter in command.params if isinstance(parameter, EnvironmentOption)]
    if options and not any(isinstance(parameter, ConfigurationOption) for parameter in options):
        command.params.append(
            ConfigurationOption(
                ["--config"],
                metavar="FILE|none",
                is_eager=True,  # before the options whose defaults it holds
                expose_value=False,
                callback=_configure,
                help="Defaults of options, and rules, from this file (docs/configuration.md); none: from no file.  "
                "[default: the nearest gtdiag.toml, or pyproject.toml with [tool.gtdiag]]",
            )
        )


def configuration_in_use() -> Configuration | None:
    """Return the configuration of the command that runs; outside a command, that of the working directory."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None and _CONFIGURATION in ctx.meta:
        found: Configuration | None = ctx.meta[_CONFIGURATION]
        return found
    return read_configuration(None).configuration


def _configure(ctx: click.Context, _parameter: click.Parameter, given: str | None) -> None:
    if ctx.resilient_parsing:  # a shell completes
        return
    found = read_configuration(given)
    if found.refused is not None:
        say_error(
            found.refused, f"--config FILE uses it all the same, --config {NO_CONFIGURATION} says none", sys.stderr
        )
    configuration = found.configuration
    ctx.meta[_CONFIGURATION] = configuration
    if configuration is None:
        return
    parent = ctx.parent.command if ctx.parent is not None else None
    commands = parent.list_commands(ctx) if isinstance(parent, click.Group) else [ctx.command.name or ""]
    configuration.refuse_unknown_keys(tuple(commands))
    ctx.meta[CONFIGURED_BY] = configuration.name
    ctx.default_map = {**(ctx.default_map or {}), **_defaults_of(ctx.command, configuration)}


def _defaults_of(command: click.Command, configuration: Configuration) -> dict[str, Any]:
    """The defaults by the Python names of the options. Raises ConfigurationError."""
    name = command.name or ""
    table = configuration.table.get(name, {})
    place = f"{configuration.path} [{'tool.gtdiag.' if 'tool.gtdiag' in configuration.name else ''}{name}]"
    if not isinstance(table, dict):
        raise ConfigurationError(f"{place}: must be a table")
    options = {
        parameter.typed: parameter
        for parameter in command.params
        # Rules are the whole file's, and a configuration names no other.
        if isinstance(parameter, EnvironmentOption) and parameter.typed not in ("config", *RULE_KEYS)
    }
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        option = options.get(key.replace("_", "-"))
        if option is None or option.name is None:
            raise ConfigurationError(f'{place}: unknown key "{key}".{_say_of(key, options)}')
        defaults[option.name] = _value_of(option, value, f"{place}: {key}")
    return defaults


def _say_of(key: str, options: dict[str, EnvironmentOption]) -> str:
    if key in RULE_KEYS:
        return " Rules stand at the top of the file: they are for all commands."
    return did_you_mean([key], options) or f" Known: {', '.join(sorted(options))}."


def _value_of(option: EnvironmentOption, value: Any, place: str) -> Any:
    """What the option is given: as on the command line a word, but for true and false, and lists."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigurationError(f"{place}: must be true or false")
        return value
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        words = [_word(item) for item in value]
        return words if option.multiple else ",".join(words)
    if isinstance(value, (bool, dict, list)):
        raise ConfigurationError(f"{place}: must be what --{option.typed} takes, {option.metavar or 'a word'}")
    return [_word(value)] if option.multiple else _word(value)


def _word(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
