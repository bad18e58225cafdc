"""`gtdiag snapshot`: one look at every worker of a master, to the report."""

from __future__ import annotations

import click

from gtdiag.cli.choose_master import choose_master, master_arguments
from gtdiag.cli.environment import describe_environment
from gtdiag.cli.observation import conclude, fold
from gtdiag.cli.report_options import ReportOptions, report_options
from gtdiag.cli.rules_file import read_rules
from gtdiag.errors import ExitCode


@click.command(
    epilog=f"""\b
Exit codes: 0 nothing found, 1 incidents or patterns found, 2 wrong usage or no single master,
3 the master could not be looked at.

{describe_environment("snapshot")}""",
)
@master_arguments
@report_options
def snapshot(pid: int | None, pidfile: str | None, report_options: ReportOptions) -> ExitCode:
    """Look once and say what every worker is doing right now.

    For a person in a hurry. PID is the master's; a worker's pid leads to its master; without PID, the only master of
    this host is meant. One look cannot tell for how long a call has been going on: `gtdiag watch` can.

    \b
    Examples:
      gtdiag snapshot
      gtdiag snapshot 1234 --format json
      gtdiag snapshot --pidfile /run/gunicorn.pid
    """
    rules = read_rules(report_options.rules)
    master_pid = choose_master(pid, pidfile)

    from gtdiag.collectors.snapshot import collect_snapshot

    events = collect_snapshot(master_pid, redact=report_options.redact)
    return conclude(fold(events, rules, keep_stacks=report_options.wants_stacks), report_options)
