"""`--rules FILE`, or `[tool.gtdiag]` of the nearest pyproject.toml, to the rules that an analysis works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtdiag.rules.rule_set import RuleSet
    from gtdiag.rules.user_rules import ReadText

NO_RULES = "none"
PROJECT_FILE = "pyproject.toml"


def read_rules(given: str | None) -> RuleSet:
    """The rules to work with; `given` is what `--rules` says. Raises RulesError for a file that cannot be used."""
    from gtdiag.rules.rule_set import read_rule_set

    if given == NO_RULES:
        return read_rule_set()
    if given is not None:
        return _read_file(Path(given))
    project = _nearest_project_file()
    return read_rule_set() if project is None else _read_project(project)


def _nearest_project_file() -> Path | None:
    try:
        here = Path.cwd()
    except OSError:  # the working directory was removed
        return None
    return next((folder / PROJECT_FILE for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), None)


def _read_project(path: Path) -> RuleSet:
    from gtdiag.rules.rule_set import extend_rule_set, read_rule_set
    from gtdiag.rules.user_rules import RulesError, UserRulesParser, parse_rules_toml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return read_rule_set()  # nothing was asked of gtdiag, and the file may be of no concern to it
    if "gtdiag" not in text:
        return read_rule_set()
    tools = parse_rules_toml(text, str(path)).get("tool")
    own: Any = tools.get("gtdiag") if isinstance(tools, dict) else None
    if own is None:
        return read_rule_set()
    name = f"{path} [tool.gtdiag]"
    if not isinstance(own, dict):
        raise RulesError(f"{name}: must be a table")
    unknown = sorted(set(own) - {"rules", "rule", "remedy"})
    if unknown:
        raise RulesError(
            f'{name}: unknown key "{unknown[0]}" (known: rules, [[tool.gtdiag.rule]], [[tool.gtdiag.remedy]])'
        )
    if "rules" not in own:
        return extend_rule_set(UserRulesParser(str(path), text, _reader_beside(path)).parse(own))
    if len(own) > 1:
        raise RulesError(f"{name}: either rules = FILE or rules written out here, not both")
    if not isinstance(own["rules"], str) or not own["rules"]:
        raise RulesError(f"{name}: rules must be the name of a file")
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
