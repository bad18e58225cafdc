"""Figures and incidents to an OpenTelemetry collector, over OTLP/HTTP, by the official SDK (the extra `otel`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from gtdiag import __version__
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily, MetricKind, MetricSpec, MetricUnit
from gtdiag.rules.metric_catalog import read_metric_catalog

EXPORT_EVERY_S = 10.0
"""Unless OTEL_METRIC_EXPORT_INTERVAL says otherwise; the SDK's own minute would hide a restart loop of 30 s."""
CLOSE_WITHIN_S = 5.0
"""A collector that does not answer must not hold back the report."""
MAX_WAITING = 512
"""Incidents that wait for a collector; more are dropped."""

_UNITS = {MetricUnit.NONE: "1", MetricUnit.SECONDS: "s", MetricUnit.BYTES: "By"}
_SDK_LOGGER = "opentelemetry"
_NO_FIELDS = ("event", "at")  # the record's own name and time


class OtlpExporter:
    """Sends in threads of the SDK; what a collector does not take in time is dropped and counted.

    `endpoint`: the collector's base URL, to which the SDK's paths are added; None: OTEL_EXPORTER_OTLP_ENDPOINT and the
    like. Headers, certificates, time-outs and resource attributes come from the SDK's environment variables.
    `describe`: the fields of an incident, the values strings and numbers. `host`: the name of the machine.
    """

    name = "otlp"

    def __init__(
        self,
        endpoint: str | None,
        describe: Callable[[IncidentNotice], Mapping[str, Any]],
        *,
        host: str,
        pid: int,
        every_s: float | None = EXPORT_EVERY_S,
    ) -> None:
        self._where = endpoint or "of OTEL_EXPORTER_OTLP_ENDPOINT"
        self._describe = describe
        self._failures = _Failures()
        self._families: dict[str, MetricFamily] = {}
        _keep_quiet()
        base = endpoint.rstrip("/") if endpoint else None
        # What the environment says of the resource comes first: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        resource = Resource(
            {"service.name": "gtdiag", "service.version": __version__, "host.name": host, "process.pid": pid}
        ).merge(_from_environment())
        reader = PeriodicExportingMetricReader(
            _Metrics(f"{base}/v1/metrics" if base else None, self._failures),
            export_interval_millis=every_s * 1000 if every_s else None,
        )
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(
                _Logs(f"{base}/v1/logs" if base else None, self._failures),
                schedule_delay_millis=1000,
                max_queue_size=MAX_WAITING,
                max_export_batch_size=MAX_WAITING // 4,
            )
        )
        self._logger = self._logs.get_logger("gtdiag", __version__)
        self._make_instruments()

    def publish(self, families: tuple[MetricFamily, ...]) -> None:
        """Let the next export see these figures."""
        self._families = {family.spec.name: family for family in families}

    def tell(self, notice: IncidentNotice) -> None:
        """Send a log record: an error, or information once the worker went on by itself."""
        resolved = notice.incident.resolved_at is not None
        fields = {
            name: value
            for name, value in self._describe(notice).items()
            if value is not None and name not in _NO_FIELDS
        }
        at_ns = int(notice.at.timestamp() * 1e9) if notice.at is not None else None
        self._logger.emit(
            LogRecord(
                timestamp=at_ns,
                observed_timestamp=at_ns,
                severity_number=SeverityNumber.INFO if resolved else SeverityNumber.ERROR,
                severity_text="INFO" if resolved else "ERROR",
                body=str(fields.pop("summary", "")),
                event_name="gtdiag.incident",
                attributes={f"gtdiag.{name}": _as_attribute(value) for name, value in fields.items()},
            )
        )

    def dropped(self) -> int:
        """Incidents and batches of figures that the collector did not take."""
        return self._failures.lost

    def problem(self) -> str | None:
        """Where they should have gone."""
        if not self._failures.lost:
            return None
        return f"the OpenTelemetry collector {self._where} does not take what is sent"

    def close(self) -> None:
        """Send what is left, in `CLOSE_WITHIN_S` or not at all."""
        closing = [
            threading.Thread(target=close, name="gtdiag otlp close", daemon=True)
            for close in (self._meters.shutdown, self._logs.shutdown)
        ]
        for thread in closing:
            thread.start()
        end_s = time.monotonic() + CLOSE_WITHIN_S
        for thread in closing:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _make_instruments(self) -> None:
        meter = self._meters.get_meter("gtdiag", __version__)
        for spec in read_metric_catalog().values():
            gauge = spec.kind is MetricKind.GAUGE
            make = meter.create_observable_gauge if gauge else meter.create_observable_counter
            make(f"gtdiag.{spec.name}", [self._observer(spec)], unit=_UNITS[spec.unit], description=spec.help)

    def _observer(self, spec: MetricSpec) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            family = self._families.get(spec.name)
            for sample in family.samples if family else ():
                yield Observation(sample.value, dict(zip(spec.labels, sample.labels, strict=True)))

        return observe


class _Failures:
    """Counted by several threads; a count that is one off for a moment harms nobody."""

    def __init__(self) -> None:
        self.lost = 0


class _Metrics(OTLPMetricExporter):
    def __init__(self, endpoint: str | None, failures: _Failures) -> None:
        super().__init__(endpoint)
        self._failures = failures

    def export(self, metrics_data: Any, timeout_millis: float | None = None, **kwargs: Any) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._failures.lost += result is not MetricExportResult.SUCCESS
        return result


class _Logs(OTLPLogExporter):
    def __init__(self, endpoint: str | None, failures: _Failures) -> None:
        super().__init__(endpoint)
        self._failures = failures

    def export(self, batch: Any) -> LogRecordExportResult:
        result = super().export(batch)
        self._failures.lost += 0 if result is LogRecordExportResult.SUCCESS else len(batch)
        return result


def _from_environment() -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector

    return OTELResourceDetector().detect()


def _keep_quiet() -> None:
    """The SDK logs each failed attempt: on a terminal that would tear the live view."""
    logger = logging.getLogger(_SDK_LOGGER)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _as_attribute(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)
