"""`gtdiag redact`: a recording to a part of it, without values, that may be given away."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.parameter_types import moment
from gtdiag.errors import ExitCode, UsageError
from gtdiag.shell_words import quote_command


@click.command(
    epilog=f"""\b
Exit codes: 0 written, 2 wrong usage, 3 the recording could not be read or the file not be written.

{describe_environment("redact", "HIDE_NAMES=1")}""",
)
@click.argument("recording", metavar="RECORDING")
@option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the redacted recording to FILE; compressed where FILE ends in .gz or .zst.",
)
@option(
    "--since",
    type=moment,
    metavar="TIME",
    help="Leave out what was seen earlier: a time (2025-07-22T15:06:03+02:00; local time without the offset), "
    "or a duration back from the end of the recording (10m).",
)
@option("--until", type=moment, metavar="TIME", help="Leave out what was seen later; written like --since.")
@option(
    "--hide-names",
    is_flag=True,
    help="Replace the names of the application's own functions, classes, modules, files and folders too.",
)
def redact(
    recording: str,
    output: str | None,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    hide_names: bool,
) -> ExitCode:
    """Make a copy of a recording that may leave the company.

    For a bug report, a vendor or a colleague elsewhere. Hosts, addresses, users, paths and ids of requests, names of
    logs, files, tasks and containers become names such as host-1, the same one each time; texts from logs keep their
    well-known words only. What was blocked in what stays: functions and files of code, libraries, categories, ports,
    pids, times, so `gtdiag analyze` comes to the same incidents, patterns and verdict. What is kept and what is not:
    docs/recordings.md. Read the copy before it leaves.

    \b
    Examples:
      gtdiag redact incident.jsonl -o for-vendor.jsonl.gz
      gtdiag redact incident.jsonl -o for-vendor.jsonl --since 2m
      gtdiag redact incident.jsonl.gz -o public.jsonl --hide-names
    """
    if output is None:
        raise UsageError(
            "a redacted copy needs a name", hint=f"{quote_command(['gtdiag', 'redact', recording])} -o FILE"
        )

    from gtdiag.cli.redacted_copy import write_redacted_copy

    write_redacted_copy(recording, output, since, until, hide_names=hide_names)
    return ExitCode.NOTHING_FOUND
