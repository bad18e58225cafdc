"""Options that an environment variable can set: GTDIAG_<COMMAND>_<OPTION>, named after the option as it is typed.

Where their values come from is said when one is wrong, and so is the word that was probably meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from gtdiag.cli.completed_words import complete_by_metavar
from gtdiag.cli.suggestions import did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CONFIGURED_BY = "gtdiag.configured_by"
"""In a context's `meta`: how messages call the file that its defaults come from."""

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
        source = ctx.get_parameter_source(self.name)
        if source is ParameterSource.ENVIRONMENT:
            return f"{hint} (from {self.variable(ctx.auto_envvar_prefix)})"
        if source is ParameterSource.DEFAULT_MAP and CONFIGURED_BY in ctx.meta:
            return f"{hint} (from {ctx.meta[CONFIGURED_BY]})"
        return hint

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value; a word that is none of the choices is answered with the one it is most like."""
        try:
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            if not isinstance(self.type, click.Choice) or not isinstance(value, str):
                raise
            close = did_you_mean([value], [str(choice) for choice in self.type.choices])
            raise click.BadParameter(error.message + close, ctx=error.ctx, param=error.param) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete by the option's own function or type; where those know nothing, files for a FILE."""
        return super().shell_complete(ctx, incomplete) or complete_by_metavar(self.metavar, incomplete)

    @property
    def typed(self) -> str:
        """The option as it is typed, without its dashes: "fail-on"."""
        return max(self.opts, key=len).lstrip("-")

    def variable(self, prefix: str) -> str:
        """Return the variable's name; `prefix` is that of the command ("GTDIAG_WATCH")."""
        return f"{prefix}_{self.typed}".upper().replace("-", "_")


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option as `click.option` does, settable by its environment variable."""
    return click.option(*names, cls=EnvironmentOption, **attributes)


def describe_environment(command: str, example: str = "FORMAT=json") -> str:
    """Return the paragraph of a command's help that says how its options can be set."""
    return (
        f"Each option can be set by an environment variable GTDIAG_{command.upper()}_<OPTION>, "
        f"for example GTDIAG_{command.upper()}_{example}, or in a configuration file "
        f"([tool.gtdiag.{command}] in pyproject.toml, [{command}] in gtdiag.toml)."
    )
