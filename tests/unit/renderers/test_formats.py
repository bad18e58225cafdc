from __future__ import annotations

import pytest

from gtdiag.renderers.formats import FORMAT_WORDS, RENDERERS, TABLE_FORMATS, ReportFormat
from gtdiag.renderers.material import ReportMaterial
from gtdiag.renderers.page import Page
from tests.unit.renderers import sample_reports


@pytest.mark.parametrize("member", RENDERERS)
@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_every_format_renders_every_report(member: ReportFormat, name: str) -> None:
    text = RENDERERS[member](ReportMaterial(sample_reports.REPORTS[name]()), Page())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_every_format_has_its_renderer_and_its_words() -> None:
    assert set(RENDERERS) | TABLE_FORMATS == set(FORMAT_WORDS) == set(ReportFormat)
    assert not set(RENDERERS) & TABLE_FORMATS
