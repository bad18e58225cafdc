"""`gtdiag ps`: the gunicorn masters of this host."""

from __future__ import annotations

import sys

import click

from gtdiag.cli.choose_master import UnsupportedSystemError
from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.output_file import write_standard_output
from gtdiag.cli.terminal import page_of
from gtdiag.errors import ExitCode


@click.command(
    epilog=f"""\b
Exit codes: 0 listed (an empty list too), 2 wrong usage, 3 could not look.

{describe_environment("ps")}""",
)
@option(
    "--format",
    "list_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the list is written; the schema of the JSON: gtdiag schema --of ps.",
)
def ps(list_format: str) -> ExitCode:
    """List the gunicorn masters on this host: pid, version, worker class, workers, health.

    For finding the pid to watch. Health is read from the heartbeats alone: "never beat" is a worker that is
    starting up or hangs in its start-up, "stale" one that has not beaten for longer than its class ever takes.

    \b
    Examples:
      gtdiag ps
      sudo gtdiag ps --format json
    """
    if not sys.platform.startswith("linux"):
        raise UnsupportedSystemError("running processes can only be looked at on Linux")

    from gtdiag.cli.master_list import list_masters
    from gtdiag.renderers.ps import render_ps_json, render_ps_text

    rows, gaps = list_masters()
    if list_format == "json":
        write_standard_output(render_ps_json(rows, gaps))
    else:
        write_standard_output(render_ps_text(rows, gaps, page_of(sys.stdout)))
    return ExitCode.NOTHING_FOUND
