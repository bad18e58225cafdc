from __future__ import annotations

import pytest

from gtdiag.model.report import IncidentKind, PatternKind
from gtdiag.renderers.junit import render_junit
from tests.unit.renderers import sample_reports
from tests.unit.renderers.hostile_report import HOSTILE_TEXTS, with_text
from tests.unit.renderers.junit_rules import check_junit, outcomes

KINDS = [kind.value for kind in (*IncidentKind, *PatternKind)]


@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_consumers_accept_it(name: str) -> None:
    check_junit(render_junit(sample_reports.REPORTS[name]()))


def test_nothing_found_is_a_case_that_passes_for_each_kind() -> None:
    suite = check_junit(render_junit(sample_reports.nothing_found()))
    assert outcomes(suite) == dict.fromkeys(KINDS, "passed")


def test_each_cause_fails_once() -> None:
    suite = check_junit(render_junit(sample_reports.restart_loop()))
    failed = [name for name, outcome in outcomes(suite).items() if outcome == "failure"]
    assert failed == [
        "worker_timeout: verify_database_migrations (database: asyncpg.connect)",
        "restart_loop",
        "startup_contention: verify_database_migrations",
    ]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["type"] == "worker_timeout"
    assert failure.attrib["message"].startswith("worker time-out in start-up, 8 times, blocked in verify_database")
    assert ">> verify_database_migrations  /srv/app/main.py:41" in (failure.text or "")


def test_the_names_of_cases_hold_no_pids() -> None:
    """A CI server follows a test by its name; pids are other ones in each run."""
    for make in (sample_reports.restart_loop, sample_reports.silent_hang, sample_reports.boot_failure):
        report = make()
        names = " ".join(outcomes(check_junit(render_junit(report)))).split()
        assert not {str(worker.pid) for worker in report.workers} & set(names)


def test_kinds_that_are_not_failed_on_pass_with_their_words() -> None:
    suite = check_junit(render_junit(sample_reports.restart_loop(), failing=frozenset({"restart_loop"})))
    assert [name for name, outcome in outcomes(suite).items() if outcome == "failure"] == ["restart_loop"]
    assert "15:06:33" in (suite.findtext("testcase/system-out") or "")


def test_what_could_not_be_seen_is_skipped_and_not_passed() -> None:
    found = outcomes(check_junit(render_junit(sample_reports.silent_hang())))
    assert (found["log"], found["sockets"]) == ("skipped", "skipped")


def test_properties_tell_what_was_looked_at() -> None:
    suite = check_junit(render_junit(sample_reports.restart_loop()))
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.findall("properties/property")}
    assert properties["gunicorn.version"] == "21.2.0"
    assert properties["gtdiag.verdict"].startswith("4 of 4 workers")


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_stays_text(text: str) -> None:
    suite = check_junit(render_junit(with_text(text)))
    harmless = check_junit(render_junit(with_text("harmless")))
    assert [element.tag for element in suite.iter()] == [element.tag for element in harmless.iter()]
    failure = suite.find("testcase/failure")
    assert failure is not None
    if text.isprintable():
        assert text.split()[0] in failure.attrib["message"]
