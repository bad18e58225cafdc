"""A report to text, JSON and the live view; renderers compute nothing."""

from __future__ import annotations

from gtdiag.renderers.formats import RENDERERS, Renderer, ReportFormat
from gtdiag.renderers.json_report import render_json
from gtdiag.renderers.page import Page
from gtdiag.renderers.text import render_text

__all__ = ["RENDERERS", "Page", "Renderer", "ReportFormat", "render_json", "render_text"]
