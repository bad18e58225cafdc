"""Hands what a watch sees to its exporters: the figures now and then, each incident as it becomes known."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from gtdiag.analysis.metrics import MetricFold
from gtdiag.cli.errors import say_error
from gtdiag.errors import ToolMissingError, UsageError
from gtdiag.exporters.own_cost import read_own_cost
from gtdiag.exporters.port import Exporter
from gtdiag.model.events import CollectionGap, Event
from gtdiag.model.identity import Origin
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings

LOCAL_ADDRESS = "127.0.0.1"
"""Figures name functions and peers: they leave the machine only where an address is given."""

MAX_PORT = 65535

_ADDRESS = re.compile(r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[^\[\]/:]+):)?(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Where figures and incidents go. `quiet`: standard error holds JSON lines, and nothing else."""

    metrics: str | None = None
    otlp: str | None = None
    quiet: bool = False
    redact: bool = True


class WatchExports:
    """The exporters of one watch, and what is to be said of them."""

    def __init__(self, exporters: tuple[Exporter, ...], *, redact: bool = True) -> None:
        self._exporters = exporters
        self._redact = redact
        self._fold = MetricFold()
        self._said: set[str] = set()
        self._closed = False

    @property
    def any(self) -> bool:
        """Whether anybody is handed anything."""
        return bool(self._exporters)

    def add(self, event: Event) -> None:
        """Take an event."""
        if self._exporters:
            self._fold.add(event)

    def read(self, report: Report, news: tuple[IncidentNotice, ...]) -> None:
        """Take a report and the news in it, and hand on."""
        if not self._exporters or self._closed:
            return
        self._fold.read(report, news)
        for notice in news:
            shown = map_strings(notice, lambda _place, text: redact_text(text)) if self._redact else notice
            for exporter in self._exporters:
                exporter.tell(shown)
        self._publish()

    def gaps(self, event: Event) -> tuple[CollectionGap, ...]:
        """What could not be handed on, each reason once; `event` is the latest one and gives the time."""
        found = []
        for exporter in self._exporters:
            problem = exporter.problem()
            if problem is not None and problem not in self._said:
                self._said.add(problem)
                found.append(
                    CollectionGap(
                        origin=Origin("export"),
                        at=event.at,
                        resolution_s=event.resolution_s,
                        seq=event.seq,
                        master_pid=event.master_pid,
                        what="export",
                        why=problem,
                        hint="the watch goes on; this report and a recording have everything",
                    )
                )
        return tuple(found)

    def close(self) -> None:
        """Hand on what is left, once; waits for a bounded time."""
        if not self._closed:
            self._closed = True
            for exporter in self._exporters:
                exporter.close()

    def _publish(self) -> None:
        dropped = {exporter.name: exporter.dropped() for exporter in self._exporters}
        families = self._fold.families(read_own_cost(), dropped)
        for exporter in self._exporters:
            exporter.publish(families)


def open_exports(plan: ExportPlan) -> WatchExports:
    """Open what the plan asks for. Raises UsageError, or ToolMissingError where the extra is not installed."""
    exporters: list[Exporter] = []
    if plan.metrics is not None:
        exporters.append(_with_extra("metrics", "--metrics", lambda: _open_metrics(plan)))
    if plan.otlp is not None:
        exporters.append(_with_extra("otel", "--otlp", lambda: _open_otlp(plan)))
    return WatchExports(tuple(exporters), redact=plan.redact)


def _with_extra(extra: str, option: str, make: Callable[[], Exporter]) -> Exporter:
    try:
        return make()
    except ImportError as error:
        raise ToolMissingError(
            f"{option} needs {error.name}, which is not installed", hint=f"pip install 'gtdiag[{extra}]'"
        ) from error


def _open_metrics(plan: ExportPlan) -> Exporter:
    assert plan.metrics is not None
    found = _ADDRESS.fullmatch(plan.metrics)
    if found is None:
        from gtdiag.exporters.prometheus_file import PrometheusFile

        return PrometheusFile(plan.metrics)
    from gtdiag.exporters.prometheus_http import PrometheusServer

    if int(found["port"]) > MAX_PORT:
        raise UsageError(f"--metrics {plan.metrics}: ports end at {MAX_PORT}", hint="gtdiag watch PID --metrics 9107")
    server = PrometheusServer((found["address"] or LOCAL_ADDRESS).strip("[]"), int(found["port"]))
    if not plan.quiet:
        say_error(f"metrics at {server.url}", "", sys.stderr)
    return server


FROM_ENVIRONMENT = "env"


def _open_otlp(plan: ExportPlan) -> Exporter:
    assert plan.otlp is not None
    if plan.otlp != FROM_ENVIRONMENT and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", plan.otlp):
        raise UsageError(
            f"--otlp {redact_text(plan.otlp)}: not a URL of http or https",
            hint="give the collector's: --otlp http://127.0.0.1:4318; or --otlp env for OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    from gtdiag.exporters.otlp import EXPORT_EVERY_S, OtlpExporter
    from gtdiag.renderers.incident_json import to_incident_json

    endpoint = None if plan.otlp == FROM_ENVIRONMENT else plan.otlp
    every_s = None if "OTEL_METRIC_EXPORT_INTERVAL" in os.environ else EXPORT_EVERY_S
    return OtlpExporter(endpoint, to_incident_json, host=socket.gethostname(), pid=os.getpid(), every_s=every_s)
