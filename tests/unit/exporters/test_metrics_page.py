"""docs/metrics.md lists what there is, and shows the alerts that are tested."""

from __future__ import annotations

import re

from gtdiag.rules.metric_catalog import read_metric_catalog
from tests.environments import REPOSITORY

PAGE = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
RULES = (REPOSITORY / "examples" / "prometheus" / "gtdiag.rules.yml").read_text(encoding="utf-8")


def test_the_table_has_every_figure_with_its_meaning_and_no_other() -> None:
    rows = re.findall(r"^\| `(gtdiag_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (spec.full_name, spec.kind.value, ", ".join(f"`{label}`" for label in spec.labels), spec.help)
        for spec in read_metric_catalog().values()
    ]


def test_the_alerts_shown_are_those_of_the_file() -> None:
    shown = re.findall(r"(?:alert|expr|for): .*", PAGE)
    assert shown == re.findall(r"(?:alert|expr|for): .*", RULES)
    assert len(shown) >= 6
