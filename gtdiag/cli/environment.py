"""Options that an environment variable can set: GTDIAG_<COMMAND>_<OPTION>, named after the option as it is typed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])


class EnvironmentOption(click.Option):
    """An option that `GTDIAG_WATCH_FAIL_ON` sets for `watch --fail-on`, whatever its Python name is."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value, None where it is unset or empty."""
        if not self.allow_from_autoenv or ctx.auto_envvar_prefix is None:
            return None
        return os.environ.get(self.variable(ctx.auto_envvar_prefix)) or None

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Name the variable in an error message about a value that came from it."""
        hint = super().get_error_hint(ctx)  # type: ignore[arg-type,unused-ignore]  # click < 8.4 wants a context
        if ctx is None or ctx.auto_envvar_prefix is None or self.name is None:
            return hint
        if ctx.get_parameter_source(self.name) is not ParameterSource.ENVIRONMENT:
            return hint
        return f"{hint} (from {self.variable(ctx.auto_envvar_prefix)})"

    def variable(self, prefix: str) -> str:
        """Return the variable's name; `prefix` is that of the command ("GTDIAG_WATCH")."""
        typed = max(self.opts, key=len).lstrip("-")
        return f"{prefix}_{typed}".upper().replace("-", "_")


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option as `click.option` does, settable by its environment variable."""
    return click.option(*names, cls=EnvironmentOption, **attributes)


def describe_environment(command: str, example: str = "FORMAT=json") -> str:
    """Return the paragraph of a command's help that says how its options can be set."""
    return (
        f"Each option can be set by an environment variable GTDIAG_{command.upper()}_<OPTION>, "
        f"for example GTDIAG_{command.upper()}_{example}."
    )
