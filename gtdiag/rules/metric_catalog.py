"""`metrics.toml` to the specifications of the figures that a watch hands out."""

from __future__ import annotations

from functools import cache

from gtdiag.model.metrics import MetricKind, MetricSpec, MetricUnit
from gtdiag.rules.toml_data import read_toml


@cache
def read_metric_catalog() -> dict[str, MetricSpec]:
    """Return the specifications by name, in the order of the file."""
    return {
        name: MetricSpec(
            name=name,
            kind=MetricKind(entry["kind"]),
            unit=MetricUnit(entry.get("unit", "none")),
            help=entry["help"],
            labels=tuple(entry.get("labels", ())),
        )
        for name, entry in read_toml("metrics.toml").items()
    }
