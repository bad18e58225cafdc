"""`gtdiag schema`: the published JSON Schemas."""

from __future__ import annotations

import click

from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.output_file import write_standard_output
from gtdiag.errors import ExitCode
from gtdiag.renderers.json_report import SCHEMA_FILES, read_schema


@click.command(epilog=describe_environment("schema", "OF=ps"))
@option(
    "--of",
    "document",
    type=click.Choice(list(SCHEMA_FILES)),
    default="report",
    show_default=True,
    help="Of which document: the report of watch, snapshot and analyze, what ps, doctor or compare prints, or one line "
    "of watch --json-events (event).",
)
def schema(document: str) -> ExitCode:
    """Print the JSON Schema (draft 2020-12) of what gtdiag writes as JSON.

    For programs that read reports: fields may be added to a schema, none is renamed, removed or given another meaning.

    \b
    Example:
      gtdiag schema > report.schema.json
    """
    write_standard_output(read_schema(document))
    return ExitCode.NOTHING_FOUND
