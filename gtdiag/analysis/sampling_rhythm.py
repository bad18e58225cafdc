"""The times of samples to the pauses between them: a watcher that got no time itself says something of the host."""

from __future__ import annotations

from datetime import datetime

from gtdiag.rules.thresholds import threshold

_MOST_PAUSES = 32


class SamplingRhythm:
    """Follows when samples of the master were taken."""

    def __init__(self) -> None:
        self._last_at: datetime | None = None
        self._usual_s: float | None = None
        self._pauses: list[tuple[datetime, float]] = []

    def add(self, at: datetime) -> None:
        """Take the time of one sample."""
        if self._last_at is not None and at > self._last_at:
            passed_s = (at - self._last_at).total_seconds()
            usual_s = self._usual_s
            if usual_s is not None and passed_s - usual_s >= threshold("sampling_pause_s") and passed_s > 3 * usual_s:
                self._pauses.append((at, passed_s))
                del self._pauses[:-_MOST_PAUSES]
            else:
                self._usual_s = passed_s if usual_s is None else 0.8 * usual_s + 0.2 * passed_s
        self._last_at = at

    def pause_before(self, moment: datetime) -> float | None:
        """The seconds of the pause that ended shortly before (or at) a moment; None where there was none."""
        near = [s for at, s in self._pauses if abs((moment - at).total_seconds()) <= threshold("log_join_s")]
        return max(near, default=None)
