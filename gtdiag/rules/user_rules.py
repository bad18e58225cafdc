"""A user's TOML (`[[rule]]`, `[[remedy]]`) to rules and remedies; what does not fit is one line: file, place, why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gtdiag.errors import UsageError
from gtdiag.model.report import Category
from gtdiag.rules.catalog import Level, Rule, parse_rule, read_catalog
from gtdiag.rules.remedies import RemedyFile, read_remedies
from gtdiag.rules.remedy_text import find_faults
from gtdiag.rules.rule_set import OwnRules
from gtdiag.rules.toml_data import parse_toml

WAITS = frozenset({"socket", "dns", "lock", "file_lock", "child", "sleep", "disk", "cpu", "event_loop", "unknown"})
"""What a call may wait for, as the report's `waiting_on.kind` says it."""

_RULE_KEYS = {"id", "category", "library", "modules", "functions", "level", "waits", "reason", "remedy"}
_RULE_NEEDS = ("id", "category", "library", "modules", "reason")
_REMEDY_KEYS = {"id", "title", "why", "how", "file"}
_REMEDY_NEEDS = ("id", "title", "why")
_ID = re.compile(r"[A-Za-z0-9][\w.-]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_RESERVED_FIRST_PARTS = {category.value for category in Category} | {"port", "kernel"}
_RESERVED_REMEDY_PREFIX = "GT-"

ReadText = Callable[[str], str]
"""Reads a file that a remedy names, relative to the file of rules. Raises OSError or ValueError."""


class RulesError(UsageError):
    """A file of rules cannot be used; the message says where and why."""

    default_hint = "docs/rules.md describes the file; --rules none does without"


class UserRulesParser:
    """Reads one source of rules; `name` stands before each complaint, `text` tells the line of a table."""

    def __init__(self, name: str, text: str, read_text: ReadText) -> None:
        self._name = name
        self._text = text
        self._read_text = read_text

    def parse(self, table: Mapping[str, Any]) -> OwnRules:
        """The rules and remedies of a table with `rule` and `remedy` in it. Raises RulesError."""
        remedies = tuple(self._remedy(entry, n) for n, entry in self._entries(table, "remedy"))
        self._refuse_repeated("remedy", [remedy.id for remedy in remedies], [r.id for r in read_remedies()])
        known = {remedy.id for remedy in (*remedies, *read_remedies())}
        rules = tuple(self._rule(entry, n, known) for n, entry in self._entries(table, "rule"))
        self._refuse_repeated("rule", [rule.id for rule in rules], [rule.id for rule in read_catalog().rules])
        unused = [remedy.id for remedy in remedies if remedy.id not in {rule.remedy for rule in rules}]
        if unused:
            self._refuse("remedy", [r.id for r in remedies].index(unused[0]), unused[0], "no rule names it")
        return OwnRules(rules, remedies)

    def _entries(self, table: Mapping[str, Any], kind: str) -> list[tuple[int, dict[str, Any]]]:
        entries = table.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RulesError(f"{self._name}: {kind} must be written as tables, each under [[{kind}]]")
        return list(enumerate(entries))

    def _rule(self, entry: dict[str, Any], number: int, remedies: set[str]) -> Rule:
        def refuse(why: str) -> RulesError:
            return self._error("rule", number, entry.get("id"), why)

        self._check_keys("rule", number, entry, _RULE_KEYS, _RULE_NEEDS)
        if entry["id"].partition(".")[0] in _RESERVED_FIRST_PARTS:
            raise refuse(
                f'"{entry["id"].partition(".")[0]}." begins the ids of gtdiag\'s own rules; use a prefix of yours'
            )
        if entry["category"] not in {category.value for category in Category}:
            raise refuse(f'unknown category "{entry["category"]}" (known: {_listed(c.value for c in Category)})')
        for key in ("modules", "functions"):
            values = entry.get(key, [])
            if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
                raise refuse(f"{key} must be a list of names")
        if not entry["modules"]:
            raise refuse("modules names no module")
        wrong = next((module for module in entry["modules"] if not _MODULE.fullmatch(module)), None)
        if wrong is not None:
            raise refuse(f'"{wrong}" is not the dotted name of a module')
        if entry.get("level", Level.LIBRARY.value) not in {level.value for level in Level}:
            raise refuse(f'unknown level "{entry["level"]}" (known: {_listed(level.value for level in Level)})')
        if entry.get("waits", "unknown") not in WAITS:
            raise refuse(f'unknown waits "{entry["waits"]}" (known: {_listed(WAITS)})')
        if entry.get("remedy") is not None and entry["remedy"] not in remedies:
            raise refuse(f'no remedy has the id "{entry["remedy"]}"')
        return parse_rule(entry)

    def _remedy(self, entry: dict[str, Any], number: int) -> RemedyFile:
        def refuse(why: str) -> RulesError:
            return self._error("remedy", number, entry.get("id"), why)

        self._check_keys("remedy", number, entry, _REMEDY_KEYS, _REMEDY_NEEDS)
        if entry["id"].startswith(_RESERVED_REMEDY_PREFIX):
            raise refuse(f'"{_RESERVED_REMEDY_PREFIX}" begins the ids of gtdiag\'s own remedies; use a prefix of yours')
        if ("how" in entry) == ("file" in entry):
            raise refuse("it needs either how (Markdown) or file (the name of a Markdown file beside this one)")
        how = entry.get("how")
        if how is None:
            try:
                how = self._read_text(entry["file"])
            except (OSError, ValueError) as error:
                raise refuse(f"cannot read {entry['file']}: {getattr(error, 'strerror', None) or error}") from error
        wrong = find_faults(entry["why"] + "\n" + how)
        if wrong:
            raise refuse(f"{{{wrong[0]}}} does not fit (see docs/rules.md)")
        return RemedyFile(entry["id"], entry["title"], entry["why"], how.strip(), rank=0, when={})

    def _check_keys(
        self, kind: str, number: int, entry: dict[str, Any], known: set[str], needed: Sequence[str]
    ) -> None:
        unknown = sorted(set(entry) - known)
        if unknown:
            self._refuse(kind, number, entry.get("id"), f'unknown key "{unknown[0]}" (known: {_listed(known)})')
        missing = [key for key in needed if key not in entry]
        if missing:
            self._refuse(kind, number, entry.get("id"), f"{missing[0]} is missing")
        for key in sorted(set(entry) - {"modules", "functions"}):
            if not isinstance(entry[key], str) or not entry[key].strip():
                self._refuse(kind, number, entry.get("id"), f"{key} must be text")
        if not _ID.fullmatch(entry["id"]):
            self._refuse(kind, number, entry["id"], "an id is made of letters, digits, dots, underscores and hyphens")

    def _refuse_repeated(self, kind: str, ids: Sequence[str], built_in: Sequence[str]) -> None:
        for number, one in enumerate(ids):
            if one in ids[:number] or one in built_in:
                self._refuse(kind, number, one, f"another {kind} has this id")

    def _refuse(self, kind: str, number: int, name: Any, why: str) -> None:
        raise self._error(kind, number, name, why)

    def _error(self, kind: str, number: int, name: Any, why: str) -> RulesError:
        named = f' "{name}"' if isinstance(name, str) and name else f" number {number + 1}"
        return RulesError(f"{self._name}{self._line_of(kind, number)}: {kind}{named}: {why}")

    def _line_of(self, kind: str, number: int) -> str:
        header = re.compile(rf"^[ \t]*\[\[[ \t]*(?:tool\.gtdiag\.)?{kind}[ \t]*\]\]", re.MULTILINE)
        starts = [found.start() for found in header.finditer(self._text)]
        return f", line {self._text.count(chr(10), 0, starts[number]) + 1}" if number < len(starts) else ""


def parse_user_rules(text: str, name: str, read_text: ReadText) -> OwnRules:
    """The text of a user's file of rules; `name` is what the user calls the file. Raises RulesError."""
    table = parse_rules_toml(text, name)
    unknown = sorted(set(table) - {"rule", "remedy"})
    if unknown:
        raise RulesError(f'{name}: unknown key "{unknown[0]}" (known: [[rule]], [[remedy]])')
    return UserRulesParser(name, text, read_text).parse(table)


def parse_rules_toml(text: str, name: str) -> dict[str, Any]:
    """TOML text to its values. Raises RulesError with the line that is wrong."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise RulesError(f"{name}: not TOML: {error}") from error


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
