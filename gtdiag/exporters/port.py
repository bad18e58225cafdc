"""What every exporter can do, and the gap that one leaves which cannot hand on."""

from __future__ import annotations

from typing import Protocol

from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily


class Exporter(Protocol):
    """Takes figures and incidents. No method waits for anybody, but for `close`, which does so for a bounded time."""

    name: str

    def publish(self, families: tuple[MetricFamily, ...]) -> None:
        """Take the figures as they are now."""

    def tell(self, notice: IncidentNotice) -> None:
        """Take news of an incident."""

    def dropped(self) -> int:
        """How much could not be handed on until now."""

    def problem(self) -> str | None:
        """Why something could not be handed on, in words that do not change while the reason lasts."""

    def close(self) -> None:
        """Hand on what is left, and stop."""
