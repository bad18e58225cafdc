"""Every option of every command by its environment variable: the same value as on the command line."""

from __future__ import annotations

import pytest

from gtdiag.cli.environment import EnvironmentOption
from gtdiag.cli.main import run
from tests.unit.cli.command_options import every_option, sample_word, value_of


@pytest.mark.parametrize(("command", "option"), every_option(), ids=lambda value: getattr(value, "typed", value))
def test_every_option_can_be_set_by_its_variable(
    command: str, option: EnvironmentOption, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = sample_word(command, option)
    typed = [f"--{option.typed}"] if option.is_flag else [f"--{option.typed}={word}"]
    unset, wanted = value_of(command, option), value_of(command, option, *typed)
    monkeypatch.setenv(f"GTDIAG_{command.upper()}_{option.typed.upper().replace('-', '_')}", word or "1")
    assert value_of(command, option) == wanted != unset


def test_a_variable_named_after_the_version_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTDIAG_VERSION", "0.1.0")
    assert run(["schema"]) == 0


def test_a_wrong_value_is_blamed_on_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GTDIAG_ANALYZE_FORMAT", "xml")
    assert run(["analyze", "file"]) == 2
    assert "'--format' (from GTDIAG_ANALYZE_FORMAT)" in capsys.readouterr().err
    assert run(["analyze", "--format", "yaml", "file"]) == 2
    assert "GTDIAG" not in capsys.readouterr().err
