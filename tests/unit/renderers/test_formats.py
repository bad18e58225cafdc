from __future__ import annotations

import pytest

from gtdiag.renderers.formats import RENDERERS, ReportFormat
from gtdiag.renderers.page import Page
from tests.unit.renderers import sample_reports


@pytest.mark.parametrize("member", ReportFormat)
@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_every_format_renders_every_report(member: ReportFormat, name: str) -> None:
    text = RENDERERS[member](sample_reports.REPORTS[name](), Page())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
