"""Where rules are looked for: --rules, its variable, the nearest pyproject.toml; and what is said when one is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtdiag.cli.main import run
from gtdiag.cli.rules_file import read_rules
from gtdiag.errors import UsageError
from gtdiag.rules.rule_set import RuleSet, read_rule_set
from gtdiag.rules.user_rules import RulesError

RULE = """\
[[rule]]
id = "acme.billing"
category = "http"
library = "acme-billing"
modules = ["acme_billing"]
reason = "waits for the billing service"
"""
IN_PROJECT = RULE.replace("[[rule]]", "[[tool.gtdiag.rule]]")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder in it, where the command runs."""
    folder = tmp_path / "project"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.chdir(folder / "inner")
    return folder


def knows_billing(rules: RuleSet) -> bool:
    return rules.catalog.match_frame("acme_billing.client", "charge") is not None


def test_no_file_at_all() -> None:
    assert read_rules(None) is read_rule_set()


def test_a_given_file(project: Path) -> None:
    (project / "own.toml").write_text(RULE)
    assert knows_billing(read_rules("../own.toml"))


@pytest.mark.parametrize("text", [IN_PROJECT, '[tool.gtdiag]\nrules = "config/own.toml"\n'])
def test_the_nearest_project_file(project: Path, text: str) -> None:
    (project / "config").mkdir()
    (project / "config" / "own.toml").write_text(RULE)
    (project / "pyproject.toml").write_text(text)
    assert knows_billing(read_rules(None))
    assert not knows_billing(read_rules("none"))
    (project / "inner" / "pyproject.toml").write_text('[project]\nname = "nearer"\n')
    assert not knows_billing(read_rules(None))


def test_a_given_file_takes_the_place_of_the_projects(project: Path) -> None:
    (project / "pyproject.toml").write_text(IN_PROJECT)
    (project / "own.toml").write_text(RULE.replace("acme_billing", "acme_other"))
    assert not knows_billing(read_rules("../own.toml"))


@pytest.mark.parametrize(
    "text", ["[tool.other]\n", "this is = not [ toml", "\ufeff", '[tool.gtdiag-other]\nx = "gtdiag"\n']
)
def test_a_project_that_asks_nothing_of_gtdiag(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    assert read_rules(None) is read_rule_set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.gtdiag]\nrule = [", "not TOML"),
        ("[tool]\ngtdiag = 3\n", "must be a table"),
        ("[tool.gtdiag]\nrules = 3\n", "rules must be the name of a file"),
        ('[tool.gtdiag]\nrules = "away.toml"\n', "No such file or directory"),
        ('[tool.gtdiag]\nrules = "own.toml"\n' + IN_PROJECT, "not both"),
        (IN_PROJECT.replace("http", "htpp"), 'pyproject.toml, line 1: rule "acme.billing": unknown category "htpp"'),
    ],
)
def test_a_project_file_that_is_wrong(project: Path, text: str, said: str) -> None:
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_rules(None)
    assert said in caught.value.message
    assert str(project / "pyproject.toml") in caught.value.message


def test_a_remedy_is_read_from_beside_the_rules_and_from_nowhere_else(project: Path, tmp_path: Path) -> None:
    remedy = '[[remedy]]\nid = "ACME-R1"\ntitle = "t"\nwhy = "w"\nfile = "{}"\n'
    named = RULE + 'remedy = "ACME-R1"\n' + remedy
    (project / "billing.md").write_text("Call them.\n")
    (project / "own.toml").write_text(named.format("billing.md"))
    assert read_rules("../own.toml").remedies[0].how == "Call them."
    (tmp_path / "secret").write_text("opensesame")
    (project / "link.md").symlink_to(tmp_path / "secret")
    for outside in ("../secret", os.fspath(tmp_path / "secret"), "link.md", "/etc/passwd"):
        (project / "own.toml").write_text(named.format(outside))
        with pytest.raises(RulesError, match="must lie in the folder of the rules"):
            read_rules("../own.toml")


@pytest.mark.parametrize("command", ["watch", "snapshot", "analyze"])
@pytest.mark.parametrize("how", ["option", "variable"])
def test_what_is_wrong_is_one_line_and_exit_2(
    command: str, how: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "own.toml").write_text("\n\n" + RULE.replace("http", "htpp"))
    options = ["--rules", "../own.toml"] if how == "option" else []
    if how == "variable":
        monkeypatch.setenv(f"GTDIAG_{command.upper()}_RULES", "../own.toml")
    assert run([command, *options, *(["missing.log"] if command == "analyze" else [])]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith('gtdiag: ../own.toml, line 3: rule "acme.billing": unknown category "htpp" (known: ')
    assert lines[1].startswith("  hint: ") and len(lines) == 2


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file or directory"), (b"\xff\xfe", "it is not UTF-8")], ids=["away", "binary"]
)
def test_a_file_that_cannot_be_read(
    content: bytes | None, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (project / "own.toml").write_bytes(content)
    assert run(["analyze", "--rules", "../own.toml", "x.log"]) == 2
    assert capsys.readouterr().err.startswith(f"gtdiag: cannot read the rules ../own.toml: {said}")
