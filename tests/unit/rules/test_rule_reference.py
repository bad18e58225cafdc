"""docs/rules.md says what the data says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gtdiag.model.report import Category
from gtdiag.rules.remedy_text import FACTS, WORDS
from gtdiag.rules.rule_set import OwnRules
from gtdiag.rules.user_rules import WAITS, parse_user_rules
from tests.rule_reference import PAGE, render_page, render_reference


def test_the_page_is_made_of_the_data() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "run: make rules"


def test_the_reference_has_every_category_and_rules_of_each() -> None:
    reference = render_reference()
    assert re.findall(r"^### (\w+)$", reference, re.MULTILINE) == [category.value for category in Category]
    assert "| `database.asyncpg` |" in reference and "[GT-R01]" in reference


def test_the_example_on_the_page_can_be_used() -> None:
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", words(), re.DOTALL) if "[[rule]]" in block]
    own: OwnRules = parse_user_rules(example, "example", Path.read_text)  # type: ignore[arg-type]
    assert (own.rules[0].id, own.remedies[0].id) == ("acme.billing", "ACME-R1")


@pytest.mark.parametrize("name", sorted(WAITS | FACTS | WORDS))
def test_the_page_names_all_that_may_be_written(name: str) -> None:
    assert re.search(rf"\b{name}\b", words())


def words() -> str:
    """What the page says itself."""
    return PAGE.read_text(encoding="utf-8").partition("<!--")[0]
