"""gtdiag.toml and [tool.gtdiag]: every option, which file counts, what comes first, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.cli.configuration import read_configuration
from gtdiag.cli.environment import EnvironmentOption
from gtdiag.cli.main import run
from gtdiag.trusted_files import why_not_trusted
from tests.unit.cli.command_options import every_option, sample_word, value_of

LOG = Path(__file__).parents[3] / "fixtures" / "logs" / "sync-23.0.0-timeout-urllib" / "log.txt"
A_STRANGER = 54321


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder in it, where the command runs."""
    (tmp_path / "project" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "inner")
    return tmp_path / "project"


def as_toml(option: EnvironmentOption, word: str) -> str:
    return "true" if option.is_flag else json.dumps(word)


@pytest.mark.parametrize(
    ("command", "option"),
    every_option(but=frozenset({"config", "rules"})),
    ids=lambda value: getattr(value, "typed", value),
)
def test_every_option_can_be_set_in_the_file_and_comes_after_variable_and_command_line(
    command: str, option: EnvironmentOption, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = sample_word(command, option)
    typed = f"--{option.typed}" if option.is_flag else f"--{option.typed}={word}"
    unset, wanted = value_of(command, option), value_of(command, option, typed)
    (project / "gtdiag.toml").write_text(f"[{command}]\n{option.typed} = {as_toml(option, word)}\n")
    assert value_of(command, option) == wanted != unset
    assert value_of(command, option, typed) == wanted

    monkeypatch.setenv(
        f"GTDIAG_{command.upper()}_{option.typed.upper().replace('-', '_')}", "0" if option.is_flag else ""
    )
    assert value_of(command, option) == (unset if option.is_flag else wanted), "an empty variable counts as unset"
    monkeypatch.setenv("GTDIAG_CONFIG", "none")
    assert value_of(command, option) == unset


def test_underscores_numbers_lists_and_times(project: Path) -> None:
    from gtdiag.cli.parameter_types import fail_on, moment

    options = {option.typed: option for name, option in every_option() if name == "analyze"}
    (project / "gtdiag.toml").write_text(
        "[analyze]\nfail_on = ['oom_kill', 'restart_loop']\ntimeout = 30\nsince = 2025-07-22T15:06:03+02:00\n"
    )
    assert value_of("analyze", options["fail-on"]) == fail_on("oom_kill,restart_loop")
    assert value_of("analyze", options["timeout"]) == 30.0
    assert value_of("analyze", options["since"]) == moment("2025-07-22T15:06:03+02:00")


def formats(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """How `analyze` writes its report: "json" or "collapsed" or "text"."""
    assert run([*arguments, "analyze", "--exit-zero", os.fspath(LOG)]) == 0
    shown = capsys.readouterr().out
    return "json" if shown.startswith("{") else "collapsed" if shown.startswith("worker 9303 (") else "text"


def test_which_file_counts(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats(project, capsys) == "text"
    (project / "pyproject.toml").write_text('[tool.gtdiag.analyze]\nformat = "json"\n')
    assert formats(project, capsys) == "json"
    (project / "gtdiag.toml").write_text('[analyze]\nformat = "collapsed"\n')
    assert formats(project, capsys) == "collapsed", "gtdiag.toml before the pyproject.toml beside it"
    (project / "inner" / "pyproject.toml").write_text('[project]\nname = "nearer"\n')
    assert formats(project, capsys) == "text", "the nearest file, though it says nothing of gtdiag"
    monkeypatch.setenv("GTDIAG_CONFIG", os.fspath(project / "pyproject.toml"))
    assert formats(project, capsys) == "json"
    monkeypatch.setenv("GTDIAG_ANALYZE_CONFIG", os.fspath(project / "gtdiag.toml"))
    assert formats(project, capsys) == "collapsed"
    monkeypatch.setenv("GTDIAG_ANALYZE_FORMAT", "json")
    assert formats(project, capsys) == "json", "the environment before the file"


def test_a_file_that_is_named_and_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "other.toml").write_text('[analyze]\nformat = "json"\nexit-zero = true\n')
    assert run(["analyze", "--config", "../other.toml", os.fspath(LOG)]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "gtdiag.report/1"
    assert run(["analyze", "--config=../other.toml", "--format", "text", os.fspath(LOG)]) == 0
    assert not capsys.readouterr().out.startswith("{"), "the command line before the file"
    (project / "other.toml").rename(project / "gtdiag.toml")
    assert run(["analyze", "--config", "none", os.fspath(LOG)]) == 1
    assert not capsys.readouterr().out.startswith("{")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[analyse]\n", 'gtdiag.toml: unknown key "analyse". Did you mean analyze?'),
        ("[analyze]\nformt = 'json'\n", 'gtdiag.toml [analyze]: unknown key "formt". Did you mean format?'),
        ("[analyze]\nxyzzy = 1\n", 'gtdiag.toml [analyze]: unknown key "xyzzy". Known: exit-zero, fail-on, '),
        ("[analyze]\nrules = 'x.toml'\n", "Rules stand at the top of the file"),
        ("[analyze]\nconfig = 'x.toml'\n", 'unknown key "config"'),
        ("[analyze]\nexit-zero = 'yes'\n", "gtdiag.toml [analyze]: exit-zero: must be true or false"),
        ("[analyze]\nformat = true\n", "gtdiag.toml [analyze]: format: must be what --format takes, FORMAT"),
        ("analyze = 3\n", "gtdiag.toml [analyze]: must be a table"),
        ("[analyze]\nformat = 'jsn'\n", "gtdiag.toml)"),
        ("[analyze]\nformat = 'jsn'\n", "Did you mean json?"),
        ("[analyze]\ntimeout = 'soon'\n", "'--timeout' (from "),
        ("[analyze\n", "gtdiag.toml: not TOML: "),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(
    text: str, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "gtdiag.toml").write_text(text)
    assert run(["analyze", "x.log"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[0] and os.fspath(project / "gtdiag.toml") in lines[0]
    assert lines[1].startswith("  hint: ") and len(lines) == 2
    assert run(["analyze", "--help"]) == 0, "the help is there to mend it"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("away.toml", None, "cannot read the configuration away.toml: No such file or directory"),
        ("binary.toml", b"\xff\xfe", "cannot read the configuration binary.toml: it is not UTF-8"),
        ("pyproject.toml", b"[project]\n", "pyproject.toml holds no [tool.gtdiag]"),
    ],
)
def test_a_named_file_that_cannot_be_used(
    name: str, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    assert run(["ps", "--config", name]) == 2
    assert capsys.readouterr().err.startswith(f"gtdiag: {said}\n  hint: docs/configuration.md")


@pytest.mark.parametrize("text", ['dependencies = ["gtdiag"]\nbroken [', "[tool.other]\ngtdiag = 1\n", "\ufeff", ""])
def test_a_project_that_asks_nothing_of_gtdiag(text: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    assert read_configuration(None).configuration is None


def test_no_fifo_is_waited_for_and_nothing_huge_is_read(project: Path) -> None:
    os.mkfifo(project / "gtdiag.toml")
    (project / "pyproject.toml").write_text("[tool.gtdiag]\n" + "#" * (1 << 20))
    assert read_configuration(None).configuration is None


@pytest.fixture
def of_a_stranger(project: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (project / "gtdiag.toml").write_text("[watch]\nrecord = '/etc/passwd'\n")
    yield project


@pytest.mark.parametrize("whose", ["the file", "its folder", "a folder above"])
def test_what_another_user_can_write_decides_nothing(
    whose: str, of_a_stranger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = of_a_stranger
    assert read_configuration(None).configuration is not None
    place = {"the file": project / "gtdiag.toml", "its folder": project, "a folder above": project.parent}[whose]
    os.chown(place, A_STRANGER, A_STRANGER)
    assert run(["analyze", "--exit-zero", os.fspath(LOG)]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"gtdiag: {project}/gtdiag.toml is not used: {place} belongs to user {A_STRANGER}\n")
    assert "--config FILE uses it all the same" in said
    assert read_configuration("../gtdiag.toml").configuration is not None, "named, it counts"


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o757, False), (0o775, False), (0o1777, True)])
def test_who_may_write_into_the_folder(mode: int, trusted: bool, of_a_stranger: Path) -> None:
    of_a_stranger.chmod(mode)
    os.chown(of_a_stranger, 0, A_STRANGER)
    assert (why_not_trusted(of_a_stranger / "gtdiag.toml") is None) is trusted


def test_a_link_is_trusted_no_more_than_its_place_and_its_target(of_a_stranger: Path) -> None:
    project = of_a_stranger
    inner = project / "inner" / "gtdiag.toml"
    inner.symlink_to(project / "gtdiag.toml")
    assert why_not_trusted(inner) is None
    os.chown(inner, A_STRANGER, A_STRANGER, follow_symlinks=False)
    assert why_not_trusted(inner) is not None
    os.chown(inner, 0, 0, follow_symlinks=False)
    os.chown(project / "gtdiag.toml", A_STRANGER, A_STRANGER)
    assert why_not_trusted(inner) is not None


def test_a_foreign_project_that_only_depends_on_gtdiag_is_worth_no_word(
    of_a_stranger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (of_a_stranger / "gtdiag.toml").unlink()
    (of_a_stranger / "pyproject.toml").write_text('[project]\ndependencies = ["gtdiag"]\n')
    os.chown(of_a_stranger, A_STRANGER, A_STRANGER)
    assert run(["analyze", "--exit-zero", os.fspath(LOG)]) == 0
    assert capsys.readouterr().err == ""
    (of_a_stranger / "pyproject.toml").write_text("[tool.gtdiag]\nrules = 'x.toml'\n")
    assert run(["analyze", "--exit-zero", os.fspath(LOG)]) == 0
    assert "pyproject.toml is not used" in capsys.readouterr().err


def test_a_folder_that_anyone_can_write_is_refused_for_every_user(project: Path) -> None:
    (project / "gtdiag.toml").write_text("")
    assert why_not_trusted(project / "gtdiag.toml") is None
    project.chmod(0o777)
    assert why_not_trusted(project / "gtdiag.toml") == f"everybody can write {project}"


def test_the_files_that_the_documentation_shows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (LOG.parents[3] / "docs" / "configuration.md").read_text()
    own, in_project = (part.partition("```")[0] for part in page.split("```toml\n")[1:])
    (project / "gtdiag-rules.toml").write_text("")
    for name, text in (("gtdiag.toml", own), ("pyproject.toml", in_project)):
        (project / name).write_text(text)
        assert run(["watch", "--for", "1s", "--pidfile", "away"]) == 3, "the pid file is what it stumbles over"
        assert "cannot read the pid file" in capsys.readouterr().err
        (project / name).unlink()
