"""A user's own rules: they win over gtdiag's, bring remedies, and what is wrong with them is said in one line."""

from __future__ import annotations

import pytest

from gtdiag.model.report import Category
from gtdiag.rules.catalog import Level
from gtdiag.rules.rule_set import OwnRules, extend_rule_set, read_rule_set
from gtdiag.rules.user_rules import RulesError, parse_user_rules

BILLING = """\
[[rule]]
id = "acme.billing"
category = "broker"
library = "acme-billing"
modules = ["acme_billing.client", "requests"]
functions = ["charge", "get"]
reason = "waits for the billing service"
remedy = "ACME-R1"

[[remedy]]
id = "ACME-R1"
title = "Ask the billing team"
why = "{call} waits for billing."
how = "Call them."
"""


def parse(text: str, **files: str) -> OwnRules:
    return parse_user_rules(text, "rules.toml", lambda name: files[name.removesuffix(".md")])


def test_own_rules_come_first() -> None:
    rules = extend_rule_set(parse(BILLING))
    found = rules.catalog.match_frame("acme_billing.client", "Client.charge")
    assert found is not None
    assert (found.id, found.category, found.level, found.waits) == (
        "acme.billing",
        Category.BROKER,
        Level.LIBRARY,
        "socket",
    )
    # Also where gtdiag's rule names a longer module.
    theirs = rules.catalog.match_frame("requests.sessions", "Session.get")
    assert theirs is not None and theirs.id == "acme.billing"
    # What they do not speak of is classified as ever, and the rules of gtdiag are not touched.
    rest = rules.catalog.match_frame("requests.sessions", "Session.send")
    assert rest is not None and rest.id == "http.requests"
    without = read_rule_set().catalog.match_frame("requests.sessions", "Session.get")
    assert without is not None and without.id == "http.requests"
    assert rules.catalog.find_rule("acme.billing") is found
    assert rules.catalog.find_rule("http.requests") is not None


def test_a_remedy_from_a_file() -> None:
    text = BILLING.replace('how = "Call them."', 'file = "billing.md"')
    (remedy,) = parse(text, billing="\nCall *them*.\n").remedies
    assert remedy.how == "Call *them*."


def test_a_rule_may_name_a_remedy_of_gtdiag() -> None:
    rules = BILLING[: BILLING.index("[[remedy]]")].replace("ACME-R1", "GT-R04")
    assert parse(rules).rules[0].remedy == "GT-R04"


RULE = BILLING[: BILLING.index("remedy =")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule = [", "rules.toml: not TOML: "),
        ('colour = "red"', 'rules.toml: unknown key "colour"'),
        ('rule = "x"', "rules.toml: rule must be written as tables"),
        (RULE.replace("broker", "brocker"), 'rules.toml, line 1: rule "acme.billing": unknown category "brocker"'),
        (RULE.replace("library", "libary"), 'rule "acme.billing": unknown key "libary"'),
        (RULE.replace("reason =", "# reason ="), 'rule "acme.billing": reason is missing'),
        (RULE.replace('"waits for the billing service"', '" "'), 'rule "acme.billing": reason must be text'),
        (RULE.replace("id =", "# id ="), "rule number 1: id is missing"),
        (RULE.replace("acme.billing", "acme billing"), "an id is made of letters"),
        (RULE.replace("acme.billing", "http.requests"), '"http." begins the ids of gtdiag\'s own rules'),
        (RULE + RULE, 'rules.toml, line 8: rule "acme.billing": another rule has this id'),
        (RULE.replace('["charge", "get"]', '"charge"'), "functions must be a list of names"),
        (RULE.replace('["acme_billing.client", "requests"]', "[]"), "modules names no module"),
        (RULE.replace("acme_billing.client", "acme-billing/client.py"), "is not the dotted name of a module"),
        (RULE + 'level = "boss"', 'unknown level "boss"'),
        (RULE + 'waits = "tea"', 'unknown waits "tea"'),
        (RULE + 'remedy = "GT-R999"', 'no remedy has the id "GT-R999"'),
        (BILLING.replace("ACME-R1", "GT-R03"), 'remedy "GT-R03": "GT-" begins the ids of gtdiag\'s own remedies'),
        (BILLING.replace('how = "Call them."', ""), "it needs either how (Markdown) or file"),
        (BILLING + 'file = "x.md"', "it needs either how (Markdown) or file"),
        (BILLING.replace("Call them.", "{if raining}"), "{if raining} does not fit"),
        (BILLING.replace('remedy = "ACME-R1"', ""), 'remedy "ACME-R1": no rule names it'),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse(text)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_remedy_that_cannot_be_read() -> None:
    def refuse(_name: str) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(RulesError, match=r"cannot read away\.md: No such file or directory"):
        parse_user_rules(BILLING.replace('how = "Call them."', 'file = "away.md"'), "rules.toml", refuse)
