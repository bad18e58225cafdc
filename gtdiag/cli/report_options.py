"""What every command that reports has in common: its options, how the report is delivered, and the exit code."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gtdiag.cli.completed_words import complete_list
from gtdiag.cli.environment import option
from gtdiag.cli.errors import say_error
from gtdiag.cli.output_file import OutputError, write_file, write_standard_output
from gtdiag.cli.parameter_types import KINDS, FailOn, fail_on
from gtdiag.cli.step_summary import append_step_summary
from gtdiag.cli.terminal import is_terminal, page_of, page_of_file
from gtdiag.errors import ExitCode, UsageError
from gtdiag.model.report import Report
from gtdiag.model.stack_profile import StackProfile
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.formats import FORMAT_WORDS, RENDERERS, STACK_FORMATS, TABLE_FORMATS, ReportFormat
from gtdiag.renderers.material import ReportMaterial
from gtdiag.renderers.page import Page
from gtdiag.renderers.redaction import redact_report
from gtdiag.renderers.speedscope import NO_STACKS

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options shared by the commands that report."""

    format: ReportFormat
    output: str | None
    fail_on: FailOn
    exit_zero: bool
    redact: bool
    rules: str | None = None
    """What `--rules` says; `gtdiag.cli.rules_file` reads it."""

    @property
    def wants_stacks(self) -> bool:
        """Whether the format is made of every stack that was seen."""
        return self.format in STACK_FORMATS


def report_options(command: Command) -> Command:
    """Add the shared options; the command gets them as one argument, `report_options: ReportOptions`."""

    def bundled(
        report_format: str,
        output: str | None,
        fail_on: FailOn,
        exit_zero: bool,
        no_redact: bool,
        rules: str | None,
        **others: Any,
    ) -> Any:
        if ReportFormat(report_format) in TABLE_FORMATS and command.__name__ != "analyze":
            raise UsageError(
                f"--format {report_format} is for analyze",
                hint=f"record it (--record FILE), then: gtdiag analyze FILE --format {report_format} -o FOLDER",
            )
        options = ReportOptions(
            format=ReportFormat(report_format),
            output=output,
            fail_on=fail_on,
            exit_zero=exit_zero,
            redact=not no_redact,
            rules=rules,
        )
        return command(report_options=options, **others)

    bundled.__doc__ = command.__doc__
    bundled.__name__ = command.__name__
    # Options that the decorators put on the command below this one.
    bundled.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for add_option in reversed(_OPTIONS):
        bundled = add_option(bundled)
    return bundled  # type: ignore[return-value]


_FORMATS_HELP = "\n".join(f"{member.value:<10}  {FORMAT_WORDS[member]}" for member in ReportFormat)

_OPTIONS = (
    option(
        "--format",
        "report_format",
        type=click.Choice([member.value for member in ReportFormat]),
        default=ReportFormat.TEXT.value,
        metavar="FORMAT",
        help=f"How the report is written.  [default: {ReportFormat.TEXT.value}]\n\n\b\n{_FORMATS_HELP}",
    ),
    option("-o", "--output", metavar="FILE", help="Write the report to FILE instead of standard output."),
    option(
        "--fail-on",
        type=fail_on,
        default="any",
        show_default=True,
        metavar="KINDS",
        shell_complete=complete_list("any", "none", *KINDS),
        help="Exit with 1 only for these kinds of incidents and patterns: a comma-separated list, any, or none.",
    ),
    option("--exit-zero", is_flag=True, help="Exit with 0 whatever was found."),
    option(
        "--no-redact",
        is_flag=True,
        help="Show query values of requests and passwords in connection strings; by default they read ***.",
    ),
    option(
        "--rules",
        metavar="FILE|none",
        help="Rules of your own, before those of gtdiag (docs/rules.md); none: no others than those of gtdiag.  "
        "[default: those of the configuration file]",
    ),
)


def prepare_report(report: Report, options: ReportOptions) -> Report:
    """Return the report as it may be shown."""
    return redact_report(report) if options.redact else report


def deliver_report(report: Report, options: ReportOptions, stacks: StackProfile | None = None) -> ExitCode:
    """Render the report, write it where it was asked for, and return the exit code it stands for."""
    stacks = stacks or StackProfile()
    if options.wants_stacks and not stacks.workers:
        say_error(NO_STACKS, "the text report says what could not be looked at; gtdiag doctor says why", sys.stderr)
    shown = prepare_report(report, options)
    material = ReportMaterial(shown, failing=options.fail_on.kinds, stacks=stacks)

    def render(page: Page) -> str:
        return RENDERERS[options.format](material, page)

    if options.output is not None and options.output != "-":
        try:
            write_file(options.output, render(page_of_file()))
        except OutputError:
            # What was collected is kept: the report still has standard output to go to.
            write_standard_output(render(page_of(sys.stdout)))
            raise
        if is_terminal(sys.stderr):
            sys.stderr.write(escape_text(f"report written to {options.output}") + "\n")
    else:
        write_standard_output(render(page_of(sys.stdout)))
    if options.format is ReportFormat.GITHUB:
        append_step_summary(shown)
    return exit_code_of(report, options)


def exit_code_of(report: Report, options: ReportOptions) -> ExitCode:
    """Return 1 where the report holds one of the kinds asked for."""
    if options.exit_zero:
        return ExitCode.NOTHING_FOUND
    found = {incident.kind.value for incident in report.incidents} | {pattern.kind.value for pattern in report.patterns}
    if report.fleet is not None:
        found |= {kind.what for cause in report.fleet.causes for kind in cause.kinds}
    return ExitCode.FOUND if found & options.fail_on.kinds else ExitCode.NOTHING_FOUND
