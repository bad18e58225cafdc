"""The `gtdiag` command: the table of its commands, and `main`, which ends the process with their exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from gtdiag import __version__
from gtdiag.cli.errors import run_at_the_border
from gtdiag.cli.lazy_group import CommandEntry, LazyGroup
from gtdiag.errors import ExitCode

COMMANDS = {
    "watch": CommandEntry("gtdiag.cli.watch:watch", "Watch a running master and report what its workers hang in."),
    "snapshot": CommandEntry("gtdiag.cli.snapshot:snapshot", "One look: what every worker is doing right now."),
    "analyze": CommandEntry("gtdiag.cli.analyze:analyze", "The same report from saved logs or from a recording."),
    "compare": CommandEntry("gtdiag.cli.compare:compare", "Two logs or recordings side by side: did the fix work?"),
    "redact": CommandEntry("gtdiag.cli.redact:redact", "A recording without hosts, users and other values."),
    "ps": CommandEntry("gtdiag.cli.ps:ps", "List the gunicorn masters on this host."),
    "doctor": CommandEntry(
        "gtdiag.cli.doctor:doctor", "What can and cannot be observed here, and what would change it."
    ),
    "schema": CommandEntry("gtdiag.cli.schema:schema", "Print the JSON Schema of the report."),
    "completion": CommandEntry(
        "gtdiag.cli.completion:completion", "Print the completion script for bash, zsh or fish."
    ),
}
"""A new command is one module and one line here. Nothing else is imported before the command runs."""

EXIT_CODES_HELP = """\b
Exit codes:
  0    nothing found (or --exit-zero)
  1    incidents or patterns found (those of --fail-on)
  2    wrong usage
  3    could not attach, collect or read
  130  interrupted before any report
"""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GTDIAG", "max_content_width": 100},
    epilog=EXIT_CODES_HELP
    + """
\b
Each option of a command can be set by an environment variable
GTDIAG_<COMMAND>_<OPTION>, for example GTDIAG_WATCH_FORMAT=json, and in a
configuration file, gtdiag.toml or pyproject.toml (docs/configuration.md).
The command line comes before the environment, and that before the file.
""",
)
@click.version_option(__version__, prog_name="gtdiag", message="%(prog)s %(version)s", allow_from_autoenv=False)
@click.pass_context
def cli(ctx: click.Context) -> ExitCode:
    """Tell which call each gunicorn worker is blocked in, prove it, and say what to do.

    For whoever has to find out why gunicorn says WORKER TIMEOUT, restarts its workers again and again, or starts and
    answers nothing. gtdiag only reads: it never stops, signals or changes the processes it looks at.

    \b
    Examples:
      gtdiag ps                          which masters run here
      gtdiag watch 1234                  watch the master with pid 1234; Ctrl-C ends with the report
      gtdiag watch 1234 --for 2m --format json -o report.json
      gtdiag snapshot                    one look at the only master of this host
      gtdiag analyze gunicorn.log        what a saved log tells
      kubectl logs POD | gtdiag analyze -
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return ExitCode.USAGE
    return ExitCode.NOTHING_FOUND  # that of the command counts


GARBAGE_THRESHOLDS = (20_000, 10, 10)
"""Nearly nothing here makes cycles: with Python's own 700 a twentieth of a start is spent in looking for them."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. `arguments`: those of the process where None."""
    return run_at_the_border(lambda: cli.main(arguments, prog_name="gtdiag", standalone_mode=False), sys.stderr)


def main() -> NoReturn:
    """Run the command line of the process and end it with the exit code."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    code = run()
    gc.freeze()  # what is left goes with the process; to look for cycles in it first takes 15 ms
    if code == ExitCode.INTERRUPTED:
        # At once: an ordinary exit would wait for looks at the workers that are under way in other threads.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
