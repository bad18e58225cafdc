"""`gtdiag analyze`: saved logs, or a recording, to the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtdiag.cli.completed_words import complete_files
from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.fleet import analyze_as_fleet, is_fleet
from gtdiag.cli.observation import Observation, conclude, fold
from gtdiag.cli.parameter_types import moment
from gtdiag.cli.progress_line import count_bytes, progress_line
from gtdiag.cli.report_options import ReportOptions, report_options
from gtdiag.cli.rules_file import read_rules
from gtdiag.cli.standard_input import StandardInput
from gtdiag.errors import ExitCode, UsageError
from gtdiag.model.events import Event
from gtdiag.renderers.formats import TABLE_FORMATS

if TYPE_CHECKING:
    from gtdiag.rules.rule_set import RuleSet


@click.command(
    epilog=f"""\b
Exit codes: 0 nothing found, 1 incidents or patterns found, 2 wrong usage,
3 a file could not be read or holds nothing of gunicorn's.

{describe_environment("analyze")}""",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@option(
    "--since",
    type=moment,
    metavar="TIME",
    help="Leave out what is older: a time (2025-07-22T15:06:03+02:00; local time without the offset), "
    "or a duration back from the end of the log (10m).",
)
@option("--until", type=moment, metavar="TIME", help="Leave out what is newer; written like --since.")
@option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="gunicorn's timeout setting, where the log does not tell.",
)
@option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Work with N processes; the report is the same.  [default: 1 for one log, every core for many]",
)
@option(
    "--one-server",
    is_flag=True,
    help="The files are logs of one gunicorn, whatever they are called: tell no replicas apart by file.",
)
@option(
    "--fleet",
    is_flag=True,
    help="The files are those of many hosts: merge the causes over them. Automatic from 9 hosts on, and for recordings "
    "besides other files (docs/fleet.md).",
)
@option(
    "--scheduler",
    metavar="ADDRESS",
    help="Analyze a fleet on the Dask cluster whose scheduler is at ADDRESS (tcp://HOST:8786).",
)
@report_options
def analyze(
    files: tuple[str, ...],
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    timeout: float | None,
    jobs: int | None,
    one_server: bool,
    fleet: bool,
    scheduler: str | None,
    report_options: ReportOptions,
) -> ExitCode:
    """Tell from saved logs, or from a recording, what gunicorn's workers hung in or died of.

    For postmortems and CI. FILE is a log of gunicorn 19 to 27, plain or as docker, kubectl, journald, syslog, Heroku
    or a JSON logger wrote it, compressed or not; a folder, whose logs are meant, also in folders in it; a pattern in
    quotes; or `-` for standard input. Rotations (app.log.2.gz, app.log.1, app.log-20261123) are read as one log, in
    order; other files are told apart as replicas. A recording of `gtdiag watch --record` is recognised by itself, on
    standard input too. Many hosts' logs and recordings, also from object stores (s3://BUCKET/logs/), give one report of
    their common causes.

    \b
    Examples:
      gtdiag analyze gunicorn.log
      gtdiag analyze --since 1h --format json /var/log/gunicorn/*.log.gz
      gtdiag analyze /var/log/pods 'saved/**/*.txt'
      kubectl logs --prefix -l app=web | gtdiag analyze -
      gtdiag analyze /mnt/logs --jobs 8 --format html -o fleet.html
      gtdiag analyze 's3://logs/2026-11-23/*.log.gz' --scheduler tcp://10.0.0.7:8786
      gtdiag analyze --fail-on boot_failure,restart_loop ci.log
      gtdiag analyze --rules gtdiag-rules.toml incident.jsonl
      gtdiag analyze --format junit -o gunicorn.xml ci.log
      gtdiag analyze --format speedscope -o stacks.json incident.jsonl
    """
    rules = read_rules(report_options.rules)
    if _is_fleet(files, report_options, fleet=fleet or scheduler is not None, one_server=one_server):
        from gtdiag.collectors.log_search import find_log_files

        return analyze_as_fleet(
            find_log_files(files),
            report_options,
            since=since,
            until=until,
            timeout_s=timeout,
            jobs=jobs,
            scheduler=scheduler,
            rules=rules if report_options.rules is not None else None,
        )
    with progress_line() as line:
        observation = observe_saved(
            files,
            rules,
            since=since,
            until=until,
            timeout_s=timeout,
            jobs=jobs or 1,
            one_server=one_server,
            keep_stacks=report_options.wants_stacks,
            told=None if line is None else count_bytes(line, _total_bytes(files)),
        )
    return conclude(observation, report_options)


def observe_saved(
    files: tuple[str, ...],
    rules: RuleSet,
    *,
    since: datetime | timedelta | None = None,
    until: datetime | timedelta | None = None,
    timeout_s: float | None = None,
    jobs: int = 1,
    one_server: bool = False,
    keep_stacks: bool = False,
    told: Callable[[int], None] | None = None,
) -> Observation:
    """Return the report of saved logs, or of one recording. Raises LogReadError, RecordingError or UsageError.

    `told`: is told the size (bytes) of each block of a log that was read.
    """
    from gtdiag.collectors.log_search import find_log_files
    from gtdiag.recording.reader import is_recording

    standard_input = StandardInput() if "-" in files else None
    found = [file.path for file in find_log_files(files) if not file.problem]
    recordings = [file for file in found if file != "-" and is_recording(file)]
    if standard_input is not None and standard_input.holds_recording:
        recordings.insert(0, standard_input.NAME)
    if not recordings:
        events = _events_of_logs(files, standard_input, since, until, timeout_s, jobs, one_server, told)
        return fold(events, rules, keep_stacks=keep_stacks)
    if len(found) > 1:
        raise UsageError(f"{recordings[0]} is a recording; a recording is analyzed by itself", hint="give one FILE")
    if since is not None or until is not None or timeout_s is not None:
        raise UsageError("--since, --until and --timeout are for logs; a recording knows its times", hint="omit them")
    return _read_again(recordings[0], standard_input, rules, keep_stacks=keep_stacks)


def _is_fleet(files: tuple[str, ...], options: ReportOptions, *, fleet: bool, one_server: bool) -> bool:
    """Whether the files are to be analyzed host by host, and the hosts' reports merged."""
    from gtdiag.collectors.log_search import find_log_files
    from gtdiag.recording.reader import is_recording

    if one_server and fleet:
        raise UsageError("--one-server says that there is no fleet", hint="omit it, or --fleet and --scheduler")
    if fleet or options.format in TABLE_FORMATS:
        return True
    if one_server or "-" in files:
        return False
    found = find_log_files(files)
    return is_fleet(found, [file.path for file in found if not file.problem and is_recording(file.path)])


def _total_bytes(files: tuple[str, ...]) -> int | None:
    """The bytes of all logs, where their sizes tell: not of compressed ones, URLs or standard input."""
    from gtdiag.collectors.log_compression import is_compressed
    from gtdiag.collectors.log_search import find_log_files

    total = 0
    for found in find_log_files(files):
        path = Path(found.path)
        if found.problem or not path.is_file():
            return None
        try:
            if is_compressed(path):
                return None
            total += path.stat().st_size
        except OSError:
            return None
    return total


def _read_again(
    recording: str, standard_input: StandardInput | None, rules: RuleSet, *, keep_stacks: bool
) -> Observation:
    """The report of the watch that made the recording; with the same rules; only its source says it was read again."""
    from gtdiag.recording.reader import read_recording

    events = read_recording(recording, None if standard_input is None else standard_input.bytes)
    observation = fold(events, rules, keep_stacks=keep_stacks)
    source = replace(observation.report.source, kind="recording", files=(recording,))
    return replace(observation, report=replace(observation.report, source=source))


def _events_of_logs(
    files: tuple[str, ...],
    standard_input: StandardInput | None,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    timeout_s: float | None,
    jobs: int,
    one_server: bool,
    told: Callable[[int], None] | None,
) -> Iterator[Event]:
    from gtdiag.analysis.time_window import keep_window
    from gtdiag.collectors.log_files import collect_log_events

    back_since = since if isinstance(since, timedelta) else None
    back_until = until if isinstance(until, timedelta) else None
    events = collect_log_events(
        files,
        stdin=None if standard_input is None else standard_input.bytes,
        since=since if isinstance(since, datetime) else None,
        until=until if isinstance(until, datetime) else None,
        timeout_s=timeout_s,
        jobs=jobs,
        one_server=one_server,
        told=told,
    )
    return keep_window(events, back_since, back_until) if back_since or back_until else events
