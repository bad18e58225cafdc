"""Figures to the Prometheus text format, by prometheus_client (the extra `metrics`)."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gtdiag.model.metrics import MetricFamily, MetricKind


class FamilyCollector(Collector):
    """Gives prometheus_client the figures that were set last. Setting them is one assignment, so any thread may."""

    def __init__(self, families: tuple[MetricFamily, ...] = ()) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        """Yield the families as prometheus_client has them."""
        for family in self.families:
            spec = family.spec
            # prometheus_client adds the ending of counters itself.
            metric = Metric(spec.full_name.removesuffix("_total"), spec.help, spec.kind.value)
            for sample in family.samples:
                name = spec.full_name if spec.kind is MetricKind.COUNTER else metric.name
                metric.add_sample(name, dict(zip(spec.labels, sample.labels, strict=True)), sample.value)
            yield metric


def render_prometheus(families: tuple[MetricFamily, ...]) -> str:
    """Return the text that a scrape gets."""
    return generate_latest(FamilyCollector(families)).decode()
