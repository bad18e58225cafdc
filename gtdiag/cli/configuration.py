"""gtdiag.toml, or [tool.gtdiag] of pyproject.toml, to the table that rules and defaults of options are taken from."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gtdiag.cli.suggestions import did_you_mean
from gtdiag.errors import UsageError
from gtdiag.trusted_files import why_not_trusted

NO_CONFIGURATION = "none"
OWN_FILE = "gtdiag.toml"
PROJECT_FILE = "pyproject.toml"
RULE_KEYS = ("rules", "rule", "remedy")
"""What stands in the table beside the commands' own tables; gtdiag.cli.rules_file reads it."""

_MOST_BYTES = 1 << 20
"""A larger file is none that somebody wrote by hand."""


class ConfigurationError(UsageError):
    """A configuration file cannot be used; the message says where and why."""

    default_hint = "docs/configuration.md describes the file; --config none does without"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says. `text` is its whole text: complaints about rules name a line of it."""

    path: Path
    table: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def name(self) -> str:
        """How messages call the table."""
        return f"{self.path} [tool.gtdiag]" if self.path.name == PROJECT_FILE else str(self.path)

    def refuse_unknown_keys(self, commands: tuple[str, ...]) -> None:
        """Raise ConfigurationError for a key that is neither a command nor has to do with rules."""
        unknown = sorted(set(self.table) - {*RULE_KEYS, *commands})
        if unknown:
            close = (
                did_you_mean(unknown[:1], (*RULE_KEYS, *commands)) or f" Known: {', '.join((*RULE_KEYS, *commands))}."
            )
            raise ConfigurationError(f'{self.name}: unknown key "{unknown[0]}".{close}')


@dataclass(frozen=True, slots=True)
class FoundConfiguration:
    """The configuration that counts here, if there is one, and why another one that was found does not count."""

    configuration: Configuration | None = None
    refused: str | None = None


def read_configuration(given: str | None) -> FoundConfiguration:
    """Return the configuration of the file that was named, or of the nearest one. Raises ConfigurationError.

    A file that was named counts whoever can write it. One that was merely found does not where `why_not_trusted` has
    something to say: a configuration names files to write and a URL to ask.
    """
    if given == NO_CONFIGURATION:
        return FoundConfiguration()
    if given is not None:
        return FoundConfiguration(_read_named(Path(given)))
    path = _nearest_file()
    if path is None:
        return FoundConfiguration()
    text = _read_found(path)
    if text is None or (path.name == PROJECT_FILE and "gtdiag" not in text):
        return FoundConfiguration()
    why = why_not_trusted(path)
    if why is None:
        return FoundConfiguration(_parse(path, text, asked=False))
    # Nothing of it is parsed; a project that only mentions gtdiag, as a dependency, is worth no word.
    asks = path.name == OWN_FILE or "[tool.gtdiag" in text
    return FoundConfiguration(refused=f"{path} is not used: {why}" if asks else None)


def _nearest_file() -> Path | None:
    """The gtdiag.toml or pyproject.toml of the nearest folder that has one, gtdiag.toml first."""
    try:
        here = Path.cwd()
    except OSError:  # the working directory was removed
        return None
    candidates = (folder / name for folder in (here, *here.parents) for name in (OWN_FILE, PROJECT_FILE))
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 (raises nothing)


def _read_found(path: Path) -> str | None:
    """The text of a file that nobody named; None where it is none, or is of no concern to gtdiag."""
    try:
        # Not blocking, and looked at once it is open: it may have become a FIFO meanwhile.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                return None
            return file.read(_MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        if path.name == PROJECT_FILE:
            return None  # nothing was asked of gtdiag
        raise ConfigurationError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _read_named(path: Path) -> Configuration:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: it is not UTF-8") from error
    found = _parse(path, text, asked=True)
    assert found is not None
    return found


def _parse(path: Path, text: str, *, asked: bool) -> Configuration | None:
    from gtdiag.rules.toml_data import parse_toml

    try:
        table: Any = parse_toml(text)
    except ValueError as error:
        if not asked and path.name == PROJECT_FILE and "[tool.gtdiag" not in text:
            return None  # it only mentions gtdiag
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    if path.name == PROJECT_FILE:
        tools = table.get("tool", {})
        table = tools.get("gtdiag") if isinstance(tools, dict) else None
        if table is None:
            if asked:
                raise ConfigurationError(f"{path} holds no [tool.gtdiag]")
            return None
    configuration = Configuration(path, table, text)
    if not isinstance(table, dict):
        raise ConfigurationError(f"{configuration.name}: must be a table")
    return configuration
