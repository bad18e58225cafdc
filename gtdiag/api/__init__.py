"""What Python programs call: logs, recordings and running masters to a `Report`. docs/api.md describes it."""

from __future__ import annotations

from gtdiag.api.reports import IncompleteError, analyze, render, snapshot
from gtdiag.api.watching import Watch, watch

__all__ = ["IncompleteError", "Watch", "analyze", "render", "snapshot", "watch"]
