"""`--rules FILE`, or the rules of the configuration file, to the rules that an analysis works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gtdiag.cli.configuration import RULE_KEYS, Configuration
from gtdiag.cli.configured_options import configuration_in_use

if TYPE_CHECKING:
    from gtdiag.rules.rule_set import RuleSet
    from gtdiag.rules.user_rules import ReadText

NO_RULES = "none"


def read_rules(given: str | None) -> RuleSet:
    """The rules to work with; `given` is what `--rules` says. Raises RulesError or ConfigurationError."""
    from gtdiag.rules.rule_set import read_rule_set

    if given == NO_RULES:
        return read_rule_set()
    if given is not None:
        return _read_file(Path(given))
    configuration = configuration_in_use()
    return read_rule_set() if configuration is None else _read_configured(configuration)


def _read_configured(configuration: Configuration) -> RuleSet:
    from gtdiag.rules.rule_set import extend_rule_set, read_rule_set
    from gtdiag.rules.user_rules import RulesError, UserRulesParser

    own = {key: value for key, value in configuration.table.items() if key in RULE_KEYS}
    if not own:
        return read_rule_set()
    path, name = configuration.path, configuration.name
    if "rules" not in own:
        return extend_rule_set(UserRulesParser(str(path), configuration.text, _reader_beside(path)).parse(own))
    if len(own) > 1:
        raise RulesError(f"{name}: either rules = FILE or rules written out here, not both")
    if not isinstance(own["rules"], str) or not own["rules"]:
        raise RulesError(f"{name}: rules must be the name of a file")
    if own["rules"] == NO_RULES:
        return read_rule_set()
    return _read_file(path.parent / own["rules"], asked_by=f" (named by {path})")


def _read_file(path: Path, asked_by: str = "") -> RuleSet:
    from gtdiag.rules.rule_set import extend_rule_set
    from gtdiag.rules.user_rules import RulesError, parse_user_rules

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RulesError(f"cannot read the rules {path}{asked_by}: {error.strerror or error}") from error
    except ValueError as error:
        raise RulesError(f"cannot read the rules {path}{asked_by}: it is not UTF-8") from error
    return extend_rule_set(parse_user_rules(text, str(path), _reader_beside(path)))


def _reader_beside(rules_file: Path) -> ReadText:
    """Reads a remedy's text from the folder of the rules, and from nowhere else: a report may be read by others."""

    def read_text(name: str) -> str:
        folder = rules_file.resolve().parent
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise ValueError("it must lie in the folder of the rules")
        return path.read_text(encoding="utf-8")

    return read_text
