"""The data of rules and remedies to Markdown: the reference that `make rules` writes to docs/rules.md."""

from __future__ import annotations

import sys

from gtdiag.analysis.wording import describe_category
from gtdiag.model.report import Category
from gtdiag.rules.catalog import Level, Rule, read_catalog
from gtdiag.rules.remedies import RemedyFile, read_remedies
from tests.environments import REPOSITORY

PAGE = REPOSITORY / "docs" / "rules.md"
MARK = "<!-- Everything below is made of the data by `make rules`; do not edit it here. -->\n"

WITHOUT_RULES = {
    Category.IMPORT: "No rule: the import machinery in the stack tells it, or the top level of a module that computes.",
    Category.UNKNOWN: "No rule: nothing that was seen says what the call is.",
}
FUNCTIONS_SHOWN = 6
NAMES_OF_CONDITIONS = {"blame": "a time-out or hang whose call is not known, or not surely"}


def render_page() -> str:
    """The page as it should be: its own words down to the mark, then the reference."""
    words, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{PAGE} has lost its mark"
    return words + MARK + render_reference()


def render_reference() -> str:
    """Categories with their rules, then remedies."""
    rules = read_catalog().rules
    parts = [f"\n## Categories\n{len(rules)} rules.\n"]
    for category in Category:
        own = sorted((rule for rule in rules if rule.category is category), key=lambda rule: rule.id)
        parts.append(f"\n### {category.value}\n{_sentence(describe_category(category))}")
        parts.append(_table_of_rules(own) if own else f" {WITHOUT_RULES[category]}\n")
    parts.append("\n## Remedies\n| id | remedy | shown for |\n| --- | --- | --- |\n")
    parts += [_row_of_remedy(remedy) for remedy in sorted(read_remedies(), key=lambda remedy: remedy.id)]
    return "".join(parts)


def _table_of_rules(rules: list[Rule]) -> str:
    reasons = sorted({rule.reason for rule in rules})
    rows = [("rule", "library", "modules", "functions", "level", "meaning")]
    for rule in rules:
        level = "" if rule.level is Level.LIBRARY else rule.level.value
        rows.append((f"`{rule.id}`", rule.library, _code(rule.modules), _functions(rule), level, rule.reason))
    shown = [n for n in range(5) if any(row[n] for row in rows[1:])] + ([5] if len(reasons) > 1 else [])
    lines = ["| " + " | ".join(row[n] or "-" for n in shown) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in shown) + " |")
    meaning = f" Each of these {reasons[0]}." if len(reasons) == 1 else ""
    return "\n".join([meaning, "", *lines]) + "\n"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _functions(rule: Rule) -> str:
    names = sorted(rule.functions)
    more = len(names) - FUNCTIONS_SHOWN
    return _code(names[:FUNCTIONS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _code(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _row_of_remedy(remedy: RemedyFile) -> str:
    conditions = " and ".join(
        " or ".join(NAMES_OF_CONDITIONS.get(value, f"`{value}`") for value in sorted(wanted))
        for _, wanted in sorted(remedy.when.items(), reverse=True)
    )
    return f"| [{remedy.id}](../gtdiag/rules/remedies/{remedy.id}.md) | {remedy.title} | {conditions} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(render_page(), encoding="utf-8")
    print(PAGE.relative_to(REPOSITORY), file=sys.stderr)


if __name__ == "__main__":
    main()
