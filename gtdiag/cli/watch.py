"""`gtdiag watch`: a running master, followed live, to the report."""

from __future__ import annotations

import click

from gtdiag.cli.choose_master import choose_master, master_arguments
from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.parameter_types import duration, interval
from gtdiag.cli.report_options import ReportOptions, report_options
from gtdiag.cli.rules_file import read_rules
from gtdiag.errors import ExitCode

DEFAULT_INTERVAL_S = 1.0
MAX_INCIDENTS = 100
"""Bound of `--until-incident N`: a larger number is a pid that was typed after the option."""


@click.command(
    epilog=f"""\b
Exit codes: 0 nothing found, 1 incidents or patterns found, 2 wrong usage or no single master,
3 the master could not be watched, 130 interrupted twice.

{describe_environment("watch")}""",
)
@master_arguments
@option(
    "--log",
    metavar="PATH|-|auto|none",
    default="auto",
    show_default=True,
    help="The master's log: a file, - for standard input, auto to find it, none to do without.",
)
@option("--for", "for_s", type=duration, metavar="DURATION", help="End after this time (90s, 10m).")
@option(
    "--until-incident",
    is_flag=False,
    flag_value=1,
    type=click.IntRange(1, MAX_INCIDENTS),
    metavar="[N]",
    help="End after the first incident, or after N of them. Write PID before this option.",
)
@option(
    "--interval",
    "interval_s",
    type=interval,
    default=DEFAULT_INTERVAL_S,
    metavar="DURATION",
    help="Time between two looks at the workers.  [default: 1s]",
)
@option(
    "--health",
    metavar="URL",
    help="Ask this URL of the server once a second and report answers and latency. Requests are made only with this "
    "option, and only to this URL.",
)
@option(
    "--record",
    metavar="FILE",
    help="Write what is seen to FILE as it happens; gtdiag analyze FILE reads it. Compressed where FILE ends in .gz or "
    ".zst (docs/recordings.md).",
)
@option(
    "--no-live",
    is_flag=True,
    help="Plain lines instead of the live view: for screen readers, and where standard output is no terminal.",
)
@option(
    "--json-events",
    is_flag=True,
    help="Write each event, and each incident, as a JSON line as it happens: to standard error, or with -o to standard "
    "output.",
)
@option(
    "--metrics",
    metavar="PORT|ADDRESS:PORT|FILE",
    help="Figures for Prometheus: served on PORT of 127.0.0.1 or of ADDRESS, or written to FILE every few seconds "
    "(docs/metrics.md). Needs the extra gtdiag[metrics].",
)
@option(
    "--otlp",
    metavar="URL|env",
    help="Figures and incidents for an OpenTelemetry collector, over OTLP/HTTP; env: as the variables "
    "OTEL_EXPORTER_OTLP_* say (docs/metrics.md). Needs the extra gtdiag[otel].",
)
@report_options
def watch(
    pid: int | None,
    pidfile: str | None,
    log: str,
    for_s: float | None,
    until_incident: int | None,
    interval_s: float,
    health: str | None,
    record: str | None,
    no_live: bool,
    json_events: bool,
    metrics: str | None,
    otlp: str | None,
    report_options: ReportOptions,
) -> ExitCode:
    """Watch a running gunicorn master and tell what its workers hang in.

    For whoever is called because gunicorn times out, restarts its workers or does not answer. Start it while the
    trouble lasts, or before: the evidence must be taken before gunicorn kills the worker. PID is the master's; a
    worker's pid leads to its master; without PID, the only master of this host is meant. Ctrl-C (or SIGTERM) ends the
    watch with the report, a second Ctrl-C quits at once.

    \b
    Examples:
      gtdiag watch
      gtdiag watch 1234 --for 2m --record incident.jsonl.gz
      gtdiag watch 1234 --rules gtdiag-rules.toml
      gtdiag watch 1234 --for 1m --health http://127.0.0.1:8000/healthz
      gtdiag watch 1234 --until-incident --format json -o report.json
      gtdiag watch 1234 --no-live --metrics 9107
      gtdiag watch 1234 --no-live --otlp http://127.0.0.1:4318
      kubectl logs -f POD | gtdiag watch 1234 --log -
    """
    rules = read_rules(report_options.rules)
    master_pid = choose_master(pid, pidfile)

    from gtdiag.cli.watch_exports import ExportPlan
    from gtdiag.cli.watch_session import WatchPlan, run_watch

    plan = WatchPlan(
        master_pid=master_pid,
        log=log,
        for_s=for_s,
        until_incident=until_incident,
        interval_s=interval_s,
        record=record,
        live=not no_live,
        json_events=json_events,
        health=health,
        rules=rules,
        keep_stacks=report_options.wants_stacks,
        exports=ExportPlan(
            metrics=metrics,
            otlp=otlp,
            quiet=json_events and report_options.output in (None, "-"),
            redact=report_options.redact,
        ),
    )
    return run_watch(plan, report_options)
