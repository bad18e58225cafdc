"""Serves figures over HTTP for Prometheus to scrape, on a thread of its own."""

from __future__ import annotations

import logging

from prometheus_client import start_http_server
from prometheus_client.registry import CollectorRegistry

from gtdiag.errors import UsageError
from gtdiag.exporters.prometheus_text import FamilyCollector
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily


class PrometheusServer:
    """Answers every GET with the figures as they were published last.

    Raises UsageError where the address cannot be had. Port 0: any free one.
    """

    name = "prometheus"

    def __init__(self, address: str, port: int) -> None:
        self._collector = FamilyCollector()
        registry = CollectorRegistry()
        registry.register(self._collector)
        logging.getLogger("wsgiref").addHandler(logging.NullHandler())
        try:
            self._server, self._thread = start_http_server(port, addr=address, registry=registry)
        except OSError as error:
            raise UsageError(
                f"cannot serve metrics on {address} port {port}: {error.strerror or error}",
                hint="give another --metrics PORT, or stop the program that has it: ss -ltnp",
            ) from error

    @property
    def url(self) -> str:
        """Where to scrape."""
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def publish(self, families: tuple[MetricFamily, ...]) -> None:
        """Let the next scrape see these figures."""
        self._collector.families = families

    def tell(self, notice: IncidentNotice) -> None:
        """Nothing: an incident counts in the figures."""

    def dropped(self) -> int:
        """Nothing is dropped: who does not scrape does not see."""
        return 0

    def problem(self) -> None:
        """None: who scrapes sees for himself."""

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
