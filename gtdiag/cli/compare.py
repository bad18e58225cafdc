"""`gtdiag compare`: two logs or recordings, before and after a change, to the answer whether it worked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gtdiag.cli.completed_words import complete_files, complete_list
from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.output_file import OutputError, write_file, write_standard_output
from gtdiag.cli.standard_input import StandardInput
from gtdiag.cli.suggestions import did_you_mean
from gtdiag.cli.terminal import page_of, page_of_file
from gtdiag.errors import ExitCode, UsageError
from gtdiag.model.comparison import Comparison, Outcome
from gtdiag.model.report import Report
from gtdiag.renderers.page import Page

if TYPE_CHECKING:
    from gtdiag.cli.observation import Observation

OUTCOMES = tuple(outcome.value for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class FailOnOutcome:
    """The outcomes for which the command exits with 1."""

    outcomes: frozenset[str]


def fail_on_outcome(value: str | FailOnOutcome) -> FailOnOutcome:
    """Return the outcomes of a comma-separated list, or of `none`."""
    if isinstance(value, FailOnOutcome):
        return value
    words = [word.strip().lower().replace("-", "_") for word in value.split(",") if word.strip()]
    if words == ["none"]:
        return FailOnOutcome(frozenset())
    unknown = [word for word in words if word not in OUTCOMES]
    if unknown or not words:
        wrong = ", ".join(repr(word) for word in unknown) or "nothing given"
        raise click.BadParameter(
            f"{wrong}; choose none, or some of: {', '.join(OUTCOMES)}.{did_you_mean(unknown, OUTCOMES)}"
        )
    return FailOnOutcome(frozenset(words))


@click.command(
    epilog=f"""\b
Exit codes: 0 not worse, 1 worse (or what --fail-on names), 2 wrong usage,
3 a file could not be read or holds nothing of gunicorn's.

{describe_environment("compare")}""",
)
@click.argument("before", metavar="BEFORE", shell_complete=complete_files)
@click.argument("after", metavar="AFTER", shell_complete=complete_files)
@option(
    "--format",
    "comparison_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the comparison is written; the schema of the JSON: gtdiag schema --of compare.",
)
@option("-o", "--output", metavar="FILE", help="Write the comparison to FILE instead of standard output.")
@option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="gunicorn's timeout setting, where a log does not tell.",
)
@option(
    "--fail-on",
    type=fail_on_outcome,
    default="worse",
    show_default=True,
    metavar="OUTCOMES",
    shell_complete=complete_list("none", *OUTCOMES),
    help=f"Exit with 1 for these outcomes: a comma-separated list of {', '.join(OUTCOMES)}; or none.",
)
@option("--exit-zero", is_flag=True, help="Exit with 0 whatever came of it.")
def compare(
    before: str,
    after: str,
    comparison_format: str,
    output: str | None,
    timeout: float | None,
    fail_on: FailOnOutcome,
    exit_zero: bool,
) -> ExitCode:
    """Tell whether a change worked: time-outs, failed start-ups, ready workers, start-up seconds, memory.

    For after a fix or an upgrade. BEFORE and AFTER are each a log of gunicorn's or a recording of `gtdiag watch
    --record`; one of them may be - for standard input. Runs of different length are compared by rates and by start-ups.
    The answer is fixed, better, unchanged, worse, or that it cannot be told, and why: what a log cannot show is never
    counted as good. Memory and the answers of a health endpoint are shown and have no say.

    \b
    Examples:
      gtdiag compare before.log after.log
      gtdiag compare before.jsonl after.jsonl --format json
      gtdiag compare --fail-on worse,unchanged,cannot_tell before.jsonl after.jsonl
    """
    if before == after == "-":
        raise UsageError("standard input can be one of the two", hint="give a file for the other")

    from gtdiag.analysis.comparing import compare_reports

    first, second = _observe(before, timeout), _observe(after, timeout)
    comparison = compare_reports(_redacted(first.report), _redacted(second.report))
    _deliver(comparison, comparison_format, output)
    for observation in (first, second):
        if observation.error is not None:
            raise observation.error
    if exit_zero or comparison.outcome.value not in fail_on.outcomes:
        return ExitCode.NOTHING_FOUND
    return ExitCode.FOUND


def _observe(file: str, timeout_s: float | None) -> Observation:
    """The report of a log or a recording."""
    from dataclasses import replace

    from gtdiag.cli.observation import fold
    from gtdiag.collectors.log_files import collect_log_events
    from gtdiag.recording.reader import is_recording, read_recording

    standard_input = StandardInput() if file == "-" else None
    source_bytes = None if standard_input is None else standard_input.bytes
    if not (is_recording(file) if standard_input is None else standard_input.holds_recording):
        return fold(collect_log_events((file,), stdin=source_bytes, timeout_s=timeout_s))
    name = file if standard_input is None else standard_input.NAME
    observation = fold(read_recording(name, source_bytes))
    source = replace(observation.report.source, kind="recording", files=(name,))
    return replace(observation, report=replace(observation.report, source=source))


def _redacted(report: Report) -> Report:
    from gtdiag.renderers.redaction import redact_report

    return redact_report(report)


def _deliver(comparison: Comparison, comparison_format: str, output: str | None) -> None:
    if output is None or output == "-":
        write_standard_output(_render(comparison, comparison_format, page_of(sys.stdout)))
        return
    try:
        write_file(output, _render(comparison, comparison_format, page_of_file()))
    except OutputError:
        # What was found is kept: it still has standard output to go to.
        write_standard_output(_render(comparison, comparison_format, page_of(sys.stdout)))
        raise


def _render(comparison: Comparison, comparison_format: str, page: Page) -> str:
    from gtdiag.renderers.comparison import render_comparison_json, render_comparison_text

    if comparison_format == "json":
        return render_comparison_json(comparison)
    return render_comparison_text(comparison, page)
