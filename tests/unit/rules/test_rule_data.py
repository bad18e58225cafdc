"""The data files are whole: rules can fire, thresholds have reasons, remedies exist for what can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gtdiag
from gtdiag.model.report import Category, IncidentKind, PatternKind
from gtdiag.rules import catalog
from gtdiag.rules.catalog import Level, Rule, read_catalog
from gtdiag.rules.remedies import RemedyConditions, choose_remedies, read_remedies
from gtdiag.rules.services import match_kernel_wait, match_service
from gtdiag.rules.thresholds import threshold
from gtdiag.rules.toml_data import read_toml

CATALOG = read_catalog()
SOURCES = Path(gtdiag.__file__).parent

# Categories that no library stands for: found by the import machinery, or by the lack of anything else.
WITHOUT_LIBRARY = {Category.IMPORT, Category.UNKNOWN}
# Kinds that the analysis does not find yet.
LATER = {
    PatternKind.MEMORY_LIMIT,
    PatternKind.POOL_EXHAUSTED,
    PatternKind.SLOW_STARTUP,
    PatternKind.MEMORY_GROWTH,
    PatternKind.STARTUP_CONTENTION,
}


def test_rule_ids_are_unique() -> None:
    ids = [rule.id for rule in CATALOG.rules]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 150


@pytest.mark.parametrize("rule", CATALOG.rules, ids=lambda rule: rule.id)
def test_each_rule_can_fire(rule: Rule) -> None:
    function = min(rule.functions) if rule.functions else "anything"
    for module in rule.modules:
        found = CATALOG.match_frame(module, function)
        assert found is not None
        assert found.category is rule.category, f"{module}.{function} is taken by {found.id}"
        assert CATALOG.match_frame(module + ".inner", function) is not None
    assert rule.reason


def test_a_rule_with_functions_leaves_the_rest_of_the_module_alone() -> None:
    assert CATALOG.match_frame("fastapi.routing", "APIRouter.include_router") is not None
    assert CATALOG.match_frame("fastapi.routing", "run_endpoint_function") is None
    assert CATALOG.match_frame("psycopg2extra", "connect") is None


@pytest.mark.parametrize("category", sorted(set(Category) - WITHOUT_LIBRARY, key=lambda c: c.value))
def test_each_category_has_a_rule(category: Category) -> None:
    assert any(rule.category is category for rule in CATALOG.rules)


def test_name_resolution_wins_over_the_client_that_needs_it() -> None:
    rule = CATALOG.match_frame("socket", "getaddrinfo")
    assert rule is not None
    assert (rule.category, rule.level) == (Category.DNS, Level.OVERRIDE)


@pytest.mark.parametrize("category", sorted(set(Category) - {Category.UNKNOWN}, key=lambda c: c.value))
def test_each_category_has_a_remedy(category: Category) -> None:
    assert choose_remedies(RemedyConditions(categories=frozenset({category.value})))


@pytest.mark.parametrize("kind", sorted(set(IncidentKind) - LATER, key=lambda k: k.value))
def test_each_incident_kind_has_a_remedy(kind: IncidentKind) -> None:
    found = RemedyConditions(incidents=frozenset({kind.value}), missing=frozenset({"blame"}))
    assert choose_remedies(found)


@pytest.mark.parametrize("kind", sorted(set(PatternKind) - LATER, key=lambda k: k.value))
def test_each_pattern_kind_has_a_remedy(kind: PatternKind) -> None:
    assert choose_remedies(RemedyConditions(patterns=frozenset({kind.value})))


@pytest.mark.parametrize("remedy", read_remedies(), ids=lambda remedy: remedy.id)
def test_each_remedy_can_be_chosen(remedy) -> None:  # type: ignore[no-untyped-def]
    known = {
        "incidents": {kind.value for kind in IncidentKind},
        "patterns": {kind.value for kind in PatternKind},
        "categories": {category.value for category in Category},
        "missing": {"blame"},
    }
    assert remedy.when
    for name, wanted in remedy.when.items():
        assert wanted <= known[name]
    assert remedy.title and remedy.why and remedy.how
    assert remedy.id in {file.stem for file in (SOURCES / "rules" / "remedies").glob("*.md")}


def test_each_threshold_has_a_reason_and_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    for name, entry in read_toml("thresholds.toml").items():
        assert entry["reason"]
        assert threshold(name) == entry["value"]
        assert re.search(rf'"{name}"', code), f"nothing uses the threshold {name}"


@pytest.mark.parametrize(
    ("kernel_function", "kind"),
    [
        ("hrtimer_nanosleep", "sleep"),
        ("clock_nanosleep", "sleep"),
        ("futex_wait_queue", "lock"),
        ("__futex_wait", "lock"),
        ("do_wait", "child"),
        ("poll_schedule_timeout.constprop.0", "poll"),
        ("locks_lock_inode_wait", "file_lock"),
        ("something_new", None),
        (None, None),
    ],
)
def test_kernel_functions(kernel_function: str | None, kind: str | None) -> None:
    assert match_kernel_wait(kernel_function) == kind


def test_services_by_port() -> None:
    service = match_service("10.0.0.5:5432")
    assert service is not None and service.name == "postgresql"
    assert match_service("[::1]:6379") is not None
    assert match_service("10.0.0.5:50000") is None
    unix = match_service("/run/postgresql/.s.PGSQL.5432")
    assert unix is not None and unix.name == "postgresql"
    assert match_service("/run/app/own.sock") is None
    assert match_service(None) is None


def test_the_catalog_is_parsed_at_the_first_look_up_as_often_as_one_likes() -> None:
    text = '[[rule]]\nid = "x"\ncategory = "database"\nlibrary = "y"\nmodules = ["y"]\nreason = "z"\n'
    given = catalog._CatalogText(text)
    assert [rule.id for rule in given] == [rule.id for rule in given] == ["x"], "two threads may ask at once"
    assert "rules" not in vars(catalog.Catalog(given))
    found = catalog.Catalog(given).match_frame("y.connection", "connect")
    assert found is not None and found.id == "x"
