"""What many hosts show, in words: the facts of a cause, a row for each host, and the footer's lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gtdiag.model.report import Count, Fleet, FleetCause, FleetSource, IncidentKind, Report
from gtdiag.renderers import phrases
from gtdiag.renderers.text_page import TextPage

MAX_HOST_ROWS = 40
MAX_HOST_NAMES = 12
MAX_PEERS = 4
HOST_COLUMNS = ("HOST", "DEPLOYMENT", "GUNICORN", "WORKERS", "AFFECTED", "INCIDENTS", "FIRST SEEN", "CAUSES")


@dataclass(frozen=True, slots=True)
class HostTable:
    """A row for each host, the most affected first. `left_out`: how many hosts have none."""

    rows: tuple[tuple[str, ...], ...]
    left_out: int


def say_hosts(report: Report, limit: int = MAX_HOST_ROWS) -> HostTable | None:
    """Return the table of the hosts of a fleet's report; None for a report of one source."""
    fleet = report.fleet
    if fleet is None:
        return None
    ordered = sorted(fleet.sources, key=lambda one: (-one.affected_workers, -one.incidents, one.host, one.files))
    rows = tuple(
        (
            one.host,
            one.deployment or "",
            one.gunicorn.version or "",
            str(one.workers),
            str(one.affected_workers) if one.incidents else "",
            str(one.incidents) if one.incidents else "",
            phrases.say_day_and_time(one.first_at, unknown=""),
            _number_causes(one),
        )
        for one in ordered[:limit]
    )
    return HostTable(rows, len(ordered) - len(rows))


def write_hosts(page: TextPage, report: Report) -> None:
    """Write the table as a section of the text report, where there is one."""
    table = say_hosts(report)
    if table is None or not table.rows:
        return
    page.heading("Hosts")
    page.table(HOST_COLUMNS, [("red" if row[4] else "", row) for row in table.rows])
    if table.left_out:
        more = phrases.say_count(table.left_out, "more host")
        page.paragraph(f"{more} in --format json, less affected than these", indent=2, style="dim")


def say_cause_title(cause: FleetCause) -> str:
    """Return "worker time-out in start-up, 424 times", or the kinds with their numbers."""
    in_startup = " in start-up" if cause.in_startup == cause.incidents else ""
    if len(cause.kinds) == 1:
        times = f", {cause.incidents} times" if cause.incidents > 1 else ""
        title = phrases.INCIDENT_TITLES[cause.leading_kind]
        return f"{title}{in_startup if 'start-up' not in title else ''}{times}"
    kinds = ", ".join(f"{phrases.INCIDENT_TITLES[IncidentKind(one.what)]} ({one.number})" for one in cause.kinds)
    return f"{kinds}{in_startup}"


def say_cause_facts(cause: FleetCause, hosts: tuple[str, ...], pid: int | None) -> list[tuple[str, str]]:
    """Return label and text of what is known of the cause as a whole, then whose incident is shown below it."""
    facts = [
        ("workers", f"{cause.workers} of {cause.of_workers}"),
        ("hosts", f"{len(cause.hosts)} of {cause.of_hosts}: {say_names(cause.hosts)}"),
        ("deployments", say_names(cause.deployments)),
        ("first seen", phrases.say_date_and_time(cause.first_at, unknown="")),
        ("last seen", phrases.say_date_and_time(cause.last_at, unknown="")),
        ("peers", say_counts(cause.peers) if len(cause.peers) > 1 else ""),
        ("went on", f"{cause.resolved} of {cause.incidents} by themselves" if cause.resolved else ""),
    ]
    if hosts and cause.incidents > 1:
        facts.append(("for example", f"{hosts[0]}{f', pid {pid}' if pid is not None else ''}"))
    return facts


def say_names(names: Iterable[str], limit: int = MAX_HOST_NAMES) -> str:
    """Return "web-1, web-2", with "and 41 more" where there are more than the limit."""
    listed = list(names)
    shown = ", ".join(listed[:limit])
    return shown if len(listed) <= limit else f"{shown} and {len(listed) - limit} more"


def say_counts(counts: tuple[Count, ...]) -> str:
    """Return "10.0.0.5:5432 (212), 10.0.0.6:5432 (3)"."""
    return say_names((f"{one.what} ({one.number})" for one in counts), MAX_PEERS)


def say_fleet_source(fleet: Fleet) -> str:
    """Return "source: 998 logs and 2 recordings of 60 hosts; 3 could not be read"."""
    kinds = Counter(one.kind for one in fleet.sources)
    parts = [phrases.say_count(kinds[kind], kind) for kind in ("log", "recording") if kinds[kind]]
    text = f"source: {' and '.join(parts)} of {phrases.say_count(fleet.hosts, 'host')}"
    return f"{text}; {len(fleet.unread)} could not be read" if fleet.unread else text


def say_versions(fleet: Fleet) -> str:
    """Return "gunicorn 21.2.0 (40 hosts), 27.0.1 (20 hosts)"."""
    hosts: dict[str, set[str]] = {}
    for one in fleet.sources:
        hosts.setdefault(one.gunicorn.version or "(version not known)", set()).add(one.host)
    ranked = sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = (f"{version} ({phrases.say_count(len(names), 'host')})" for version, names in ranked)
    return f"gunicorn {say_names(shown, 6)}"


def _number_causes(source: FleetSource) -> str:
    return say_names((cause.removeprefix("c") for cause in source.causes), 5)
