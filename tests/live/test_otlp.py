"""`watch --otlp` beside real gunicorn: what a collector receives, decoded by OpenTelemetry's own definitions."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.live.gtdiag_command import finish, run_gtdiag, start_gtdiag
from tests.live.hanging_start_up import hanging_start_up
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

DEADLINE_S = 60


class Collector:
    """Takes OTLP/HTTP as a collector does, and keeps what came."""

    def __init__(self) -> None:
        self.url = ""
        self.metrics: list[Any] = []
        self.logs: list[Any] = []
        self.resources: list[dict[str, str]] = []

    def take(self, path: str, body: bytes) -> None:
        """Decode one request."""
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(attributes(resource.resource))
                self.metrics += [metric for scope in resource.scope_metrics for metric in scope.metrics]
        elif path == "/v1/logs":
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                self.logs += [record for scope in resource.scope_logs for record in scope.log_records]

    def wait_for(self, condition: Any) -> None:
        """Wait until it holds."""
        end_s = time.monotonic() + DEADLINE_S
        while not condition(self):
            assert time.monotonic() < end_s, (self.logs, [metric.name for metric in self.metrics])
            time.sleep(0.1)


def attributes(of: Any) -> dict[str, str]:
    return {one.key: str(getattr(one.value, one.value.WhichOneof("value"))) for one in of.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    kept = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_port}"
        yield kept
        server.shutdown()


def test_a_hang_reaches_a_collector(tmp_path: Path) -> None:
    errors = tmp_path / "errors.txt"
    variables = {"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_SERVICE_NAME": "orders-watch"}
    with collector() as receiver, hanging_start_up(tmp_path, timeout_s=4) as (gunicorn, peer):
        options = ("--no-live", "--otlp", receiver.url, "-o", str(tmp_path / "report.txt"))
        with start_gtdiag("watch", str(gunicorn.pid), *options, stderr=errors, variables=variables) as process:
            receiver.wait_for(lambda seen: len(seen.logs) >= 2)
            receiver.wait_for(lambda seen: value(seen, "gtdiag.incidents", kind="startup_hang") == 2)
            process.terminate()
            done = finish(process)
    assert done.status == 1
    record = receiver.logs[0]
    fields = attributes(record)
    assert (record.event_name, record.severity_text, record.severity_number) == ("gtdiag.incident", "ERROR", 17)
    assert "verify_database_migrations" in record.body.string_value
    assert fields["gtdiag.kind"] == "startup_hang" and fields["gtdiag.category"] == "database"
    assert fields["gtdiag.call"] == "verify_database_migrations" and fields["gtdiag.peer"] == peer
    assert abs(record.time_unix_nano / 1e9 - time.time()) < 300
    assert value(receiver, "gtdiag.workers_blocked", category="database") == 2
    assert value(receiver, "gtdiag.watching") == 0, "the last figures say that nobody watches any more"
    units = {metric.name: metric.unit for metric in receiver.metrics}
    assert units["gtdiag.worker_heartbeat_age"] == "s" and units["gtdiag.worker_resident_memory"] == "By"
    assert receiver.resources[-1]["service.name"] == "orders-watch"
    assert "secret" not in str(receiver.logs) + str(receiver.metrics)


def value(seen: Collector, name: str, **labels: str) -> float | None:
    """The latest figure with these labels; None where there is none."""
    for metric in reversed(seen.metrics):
        if metric.name == name:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                if attributes(point) == labels:
                    return float(getattr(point, point.WhichOneof("value")))
    return None


@pytest.mark.parametrize("state", ["refused", "mute"])
def test_a_collector_that_takes_nothing_holds_nothing_back(state: str, tmp_path: Path) -> None:
    variables = {"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with mute_server() as server, hanging_start_up(tmp_path, timeout_s=3) as (gunicorn, _):
        url = f"http://{server.peer}" if state == "mute" else "http://127.0.0.1:1"
        done = run_gtdiag(
            "watch", str(gunicorn.pid), "--for", "10s", "--otlp", url, "--format", "json", variables=variables
        )
    report = done.report()
    assert {incident["kind"] for incident in report["incidents"]} == {"startup_hang"}
    (gap,) = [gap for gap in report["gaps"] if gap["what"] == "export"]
    assert url in gap["why"] and "does not take" in gap["why"]
    assert "Traceback" not in done.stderr and "Retry" not in done.stderr, done.stderr
    took_s = (_time(report["period"]["end"]) - _time(report["period"]["start"])).total_seconds()
    assert took_s < 20, json.dumps(report["period"])


def _time(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)
