from __future__ import annotations

import click
import pytest

from gtdiag.cli.environment import EnvironmentOption
from gtdiag.cli.main import COMMANDS, cli


def options() -> list[tuple[str, EnvironmentOption]]:
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name != "help":
                assert isinstance(parameter, EnvironmentOption), f"{name} {parameter.opts}"
                found.append((name, parameter))
    return found


VALUES = {
    "--format": ("json", "json"),
    "--output": ("x.json", "x.json"),
    "--exit-zero": ("1", True),
    "--no-redact": ("true", True),
    "--pidfile": ("p", "p"),
    "--log": ("-", "-"),
    "--for": ("90s", 90.0),
    "--until-incident": ("3", 3),
    "--interval": ("500ms", 0.5),
    "--record": ("r", "r"),
    "--health": ("http://h/", "http://h/"),
    "--no-live": ("1", True),
    "--json-events": ("1", True),
    "--timeout": ("30", 30.0),
    "--of": ("ps", "ps"),
    "--rules": ("rules.toml", "rules.toml"),
    "--jobs": ("3", 3),
    "--one-server": ("1", True),
}
SKIPPED = {"--fail-on", "--since", "--until"}
"""Their values are objects; what they mean is tested with the types."""


@pytest.mark.parametrize(("command", "option"), options(), ids=lambda value: getattr(value, "name", value))
def test_every_option_can_be_set_by_its_variable(
    command: str, option: EnvironmentOption, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = max(option.opts, key=len)
    variable = f"GTDIAG_{command.upper()}_{typed[2:].upper().replace('-', '_')}"
    kinds = "better" if command == "compare" else "oom_kill"
    text, value = VALUES.get(typed, (kinds if typed == "--fail-on" else "10m", None))
    parent = click.Context(cli, info_name="gtdiag", auto_envvar_prefix="GTDIAG")
    loaded = cli.get_command(parent, command)
    assert loaded is not None
    arguments = {"analyze": ["file"], "compare": ["before", "after"]}.get(command, [])
    unset = loaded.make_context(command, list(arguments), parent=parent).params[option.name or ""]
    monkeypatch.setenv(variable, text)
    found = loaded.make_context(command, list(arguments), parent=parent).params[option.name or ""]
    assert found != unset
    assert typed in SKIPPED or found == value


def test_a_variable_named_after_the_version_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from gtdiag.cli.main import run

    monkeypatch.setenv("GTDIAG_VERSION", "0.1.0")
    assert run(["schema"]) == 0


def test_a_wrong_value_is_blamed_on_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gtdiag.cli.main import run

    monkeypatch.setenv("GTDIAG_ANALYZE_FORMAT", "xml")
    assert run(["analyze", "file"]) == 2
    assert "'--format' (from GTDIAG_ANALYZE_FORMAT)" in capsys.readouterr().err
    assert run(["analyze", "--format", "yaml", "file"]) == 2
    assert "GTDIAG" not in capsys.readouterr().err
