"""Figures of a watch for those who collect such: families of samples, as Prometheus and OpenTelemetry have them."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class MetricKind(str, enum.Enum):
    """Whether a figure goes up and down, or only up while gtdiag runs."""

    GAUGE = "gauge"
    COUNTER = "counter"


class MetricUnit(str, enum.Enum):
    """Base units only."""

    NONE = "none"
    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a family of figures is called and means; `name` is without prefix, unit and kind."""

    name: str
    kind: MetricKind
    unit: MetricUnit
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name by the conventions of Prometheus: "gtdiag_worker_heartbeat_age_seconds"."""
        unit = "" if self.unit is MetricUnit.NONE else f"_{self.unit.value}"
        return f"gtdiag_{self.name}{unit}" + ("_total" if self.kind is MetricKind.COUNTER else "")


@dataclass(frozen=True, slots=True)
class MetricSample:
    """One figure; `labels` are the values of its family's labels, in their order."""

    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """All figures of one name at one moment."""

    spec: MetricSpec
    samples: tuple[MetricSample, ...]


@dataclass(frozen=True, slots=True)
class OwnCost:
    """What gtdiag itself takes: CPU seconds since its start, and memory; None where that cannot be read."""

    cpu_s: float
    rss_bytes: int | None
