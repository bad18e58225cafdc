"""What is loaded, and so how long it takes, before a command runs; the help of every command."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gtdiag import __version__
from gtdiag.cli.main import COMMANDS, cli

HEAVY = (
    "termios",
    "psutil",
    "elftools",
    "gtdiag.analysis",
    "gtdiag.collectors",
    "gtdiag.interpreter",
    "gtdiag.parsing",
)

PROBE = """
import sys
from gtdiag.cli.main import run
code = run(sys.argv[1:])
print("LOADED", *sorted(sys.modules))
sys.exit(code)
"""


def loaded_by(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_load_no_command_and_nothing_heavy(arguments: list[str]) -> None:
    modules = loaded_by(*arguments)
    assert "gtdiag.cli.lazy_group" in modules
    assert not {f"gtdiag.cli.{name}" for name in COMMANDS} & modules
    assert not {module for module in modules if module.startswith((*HEAVY, "gtdiag.renderers", "gtdiag.model"))}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_loads_nothing_heavy(name: str) -> None:
    modules = loaded_by(name, "--help")
    assert f"gtdiag.cli.{name}" in modules
    assert not {module for module in modules if module.startswith(HEAVY)}


def test_analyze_loads_nothing_that_only_linux_has() -> None:
    """On macOS and Windows /proc, psutil and py-spy have nothing to do with reading a log."""
    probe = "import gtdiag.cli.analyze, gtdiag.cli.observation, gtdiag.analysis, gtdiag.collectors.log_files, sys"
    script = f"{probe}; import gtdiag.recording.reader; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"psutil", "elftools", "gtdiag.gunicorn.proc_files", "gtdiag.collectors.live"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_is_for_with_an_example_and_its_exit_codes(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"], prog_name="gtdiag")
    assert result.exit_code == 0
    assert f"gtdiag {name}" in result.stdout.partition("Example")[2]
    if "--config" in result.stdout:  # it has options
        assert f"GTDIAG_{name.upper()}_" in result.stdout
        assert f"[{name}] in gtdiag.toml" in " ".join(result.stdout.split())
    if name != "schema":
        assert "Exit codes" in result.stdout


def test_the_table_of_commands_is_what_help_lists() -> None:
    result = CliRunner().invoke(cli, ["--help"], prog_name="gtdiag")
    listed = result.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    for name, entry in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name
        assert entry.short_help in listed


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "gtdiag", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"gtdiag {__version__}\n"


def test_without_a_command_the_help_and_wrong_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "gtdiag"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Commands:" in done.stderr
    assert done.stdout == ""
