"""Remedies are chosen by what was found, and speak of it: of the right call, and of nothing that is not known."""

from __future__ import annotations

import re

import pytest

from gtdiag.rules.remedies import BlamedCall, RemedyConditions, RemedyFile, choose_remedies, read_remedies
from gtdiag.rules.remedy_text import FACTS, WORDS, RemedyFacts, fill_text, find_faults

NOTHING_KNOWN = RemedyFacts()
UVICORN_27 = RemedyFacts(
    call="lifespan",
    peer="10.0.3.7:5432",
    timeout_s=30.0,
    version="27.0.1",
    worker_class="uvicorn_worker.UvicornWorker",
    workers=4,
    preload=False,
    kills_in_startup=False,
)
SYNC_21 = RemedyFacts(version="21.2.0", worker_class="sync", preload=True, kills_in_startup=True)

CONTENTION = RemedyConditions(patterns=frozenset({"startup_contention"}), categories=frozenset({"database"}))
DATABASE = BlamedCall("database", "verify_migrations", "10.0.3.7:5432")
HTTP = BlamedCall("http", "get_model_mapping", "10.0.3.8:443")


def texts(facts: RemedyFacts = NOTHING_KNOWN, found: RemedyConditions = CONTENTION) -> str:
    return "\n".join(remedy.why + "\n" + remedy.how for remedy in choose_remedies(found, [DATABASE], facts))


@pytest.mark.parametrize("remedy", read_remedies(), ids=lambda remedy: remedy.id)
@pytest.mark.parametrize("facts", [NOTHING_KNOWN, UVICORN_27, SYNC_21], ids=["nothing", "uvicorn 27", "sync 21"])
def test_nothing_is_left_to_fill_in(remedy: RemedyFile, facts: RemedyFacts) -> None:
    assert find_faults(remedy.why + "\n" + remedy.how) == []
    filled = fill_text(remedy.why, facts) + fill_text(remedy.how, facts)
    left = re.findall(r"\{([a-z_ ]+)\}", filled)
    assert not set(left) & (WORDS | {"end"}) and not [word for word in left if word.startswith("if ")]
    assert "None" not in filled


def test_a_remedy_speaks_of_the_call_of_its_own_category() -> None:
    found = RemedyConditions(categories=frozenset({"database", "http"}))
    by_id = {remedy.id: remedy for remedy in choose_remedies(found, [HTTP, DATABASE])}
    assert by_id["GT-R03"].why.startswith("verify_migrations waits for a database (10.0.3.7:5432)")
    assert by_id["GT-R04"].why.startswith("get_model_mapping waits for another service (10.0.3.8:443)")


def test_what_is_not_known_is_left_out() -> None:
    (remedy, *_) = choose_remedies(RemedyConditions(categories=frozenset({"database"})), [BlamedCall("database", "f")])
    assert remedy.why == "f waits for a database without a limit shorter than gunicorn's."
    assert "gunicorn's `--timeout`" in remedy.how


def test_start_up_contention_by_version_and_worker_class() -> None:
    new, old, unknown = texts(UVICORN_27), texts(SYNC_21), texts()
    assert "gunicorn 27.0.1 never times out a worker before its first heartbeat" in new
    assert "stop-gap" in old and "never times out" not in old
    assert "stop-gap" not in unknown and "never times out" not in unknown
    assert "with UvicornWorker each worker runs it for itself" in new
    assert "lifespan: with" not in old + unknown
    assert "gunicorn's 30 s (`--timeout`)" in new


@pytest.mark.parametrize(
    "needed",
    [
        "release step",
        "on_starting",
        "--preload",
        "connections",
        "threads",
        "locks",
        "event loops",
        "random",
        "pg_try_advisory_lock",
        "LOCK_NB",
        "Staggering",
        "below gunicorn's",
        "os.getpid() % 4",
        "503",
        "Price",
    ],
)
def test_start_up_contention_says_all_of_it(needed: str) -> None:
    assert needed in texts()


def test_preload_is_explained_where_the_work_can_be_preloaded() -> None:
    def chosen(category: str) -> list[str]:
        found = RemedyConditions(patterns=frozenset({"startup_contention"}), categories=frozenset({category}))
        return [remedy.id for remedy in choose_remedies(found)]

    assert "GT-R41" in chosen("import")
    assert "GT-R41" not in chosen("database"), "a connection is what must not be preloaded"


def test_the_remedy_that_a_rule_asks_for_comes_first() -> None:
    own = RemedyFile("ACME-R1", "Ask the billing team", "{call} waits for billing{at_peer}.", "Call them.", 0, {})
    call = BlamedCall("http", "charge", "10.0.0.9:443", remedy="ACME-R1")
    found = RemedyConditions(categories=frozenset({"http"}))
    (first, *others) = choose_remedies(found, [call], remedies=(*read_remedies(), own))
    assert (first.id, first.why) == ("ACME-R1", "charge waits for billing (10.0.0.9:443).")
    assert "GT-R04" in [remedy.id for remedy in others]
    without = choose_remedies(found, [HTTP], remedies=(*read_remedies(), own))
    assert "ACME-R1" not in [remedy.id for remedy in without], "nothing asks for it"


def test_blocks_that_do_not_apply_are_left_out() -> None:
    text = "a\n{if peer_known}\nb {peer}\n{end}\nc {call}"
    assert fill_text(text, RemedyFacts(call="f")) == "a\nc f"
    assert fill_text(text, RemedyFacts(call="f", peer="x:1")) == "a\nb x:1\nc f"


def test_code_in_braces_is_left_alone() -> None:
    code = 'connect_args={"connect_timeout": 5}, f"{name}"'
    assert fill_text(code, UVICORN_27) == code


def test_faults() -> None:
    assert find_faults("{if raining}\n{end}") == ["if raining"]
    assert find_faults("{if asgi}\n") == ["end"]
    assert all(find_faults(f"{{if {fact}}}\nx\n{{end}}") == [] for fact in FACTS)
