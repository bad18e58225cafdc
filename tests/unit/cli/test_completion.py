"""`gtdiag completion` in the shells themselves: a line is typed on a terminal, TAB is pressed, the screen is read."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from gtdiag.cli.completion import COMPLETE_VARIABLE, SHELLS
from gtdiag.cli.main import COMMANDS, cli, run
from tests.unit.cli.command_options import every_option

DEADLINE_S = 30
REPOSITORY = Path(__file__).parents[3]

START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'; PS1='ready> '"),
    "zsh": (["zsh", "-f", "-i"], "PS1='ready> '; autoload -U compinit && compinit -u -D"),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo -n 'ready> '; end"),
}
LOAD = {"fish": "gtdiag completion fish | source"}


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell: str, folder: Path) -> None:
        program, prepare = START[shell]
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR")
            here = {
                **os.environ,
                **dict.fromkeys(names, os.fspath(folder)),
                "TERM": "xterm",
                "PYTHONPATH": str(REPOSITORY),
            }
            here["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
            os.execvpe(program[0], program, here)
        self._write(f"{prepare}\n" + LOAD.get(shell, f'eval "$(gtdiag completion {shell})"') + "\n")
        self._write("echo load''ed\n")
        self.read_until("loaded\r?\n")

    def complete(self, typed: str, wanted: str) -> None:
        """Type a line, press TAB, wait until the screen shows `wanted`; then clear the line."""
        self._write(typed + "\t")
        self.read_until(wanted)
        self._write("\x15")  # Ctrl-U clears the line in all three

    def read_until(self, pattern: str) -> None:
        shown, end = "", time.monotonic() + DEADLINE_S
        pressed = time.monotonic()
        while not re.search(pattern, plain(shown)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} on the screen:\n{plain(shown)}"
            if time.monotonic() - pressed > 2 and not shown.endswith("\n"):
                pressed = time.monotonic()
                self._write("\t")  # a list of several is shown at the second one
            if select.select([self._descriptor], [], [], min(left, 0.5))[0]:
                shown += os.read(self._descriptor, 65536).decode(errors="replace")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        os.write(self._descriptor, text.encode())


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07]*\x07", "", screen)


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here (Debian: apt-get install {request.param})")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gtdiag"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gtdiag "$@"\n')
    program.chmod(0o755)
    (tmp_path / "access-of-monday.log").write_text("")
    opened = Terminal(request.param, tmp_path)
    yield opened
    opened.close()


def test_a_real_shell_completes(terminal: Terminal) -> None:
    terminal.complete("gtdiag snap", "snapshot")
    terminal.complete("gtdiag analyze --exit", "--exit-zero")
    terminal.complete("gtdiag analyze --format spee", "speedscope")
    terminal.complete("gtdiag analyze --fail-on oom_kill,restart_", "oom_kill,restart_loop")
    terminal.complete("gtdiag analyze access-of", "access-of-monday.log")
    terminal.complete("gtdiag wa", "watch")
    terminal.complete("gtdiag watch --record access-of", "access-of-monday.log")


def words(*typed: str) -> list[str]:
    """What would complete the last of the words."""
    *before, incomplete = typed
    return [
        item.value for item in ShellComplete(cli, {}, "gtdiag", COMPLETE_VARIABLE).get_completions(before, incomplete)
    ]


def test_commands_options_and_words() -> None:
    assert words("") == list(COMMANDS)
    assert words("watch", "--f") == ["--for", "--format", "--fail-on"]
    assert words("watch", "--fail-on", "oom_kill,oom") == []
    assert words("watch", "--fail-on", "a") == ["any"]
    assert words("compare", "--fail-on", "worse,unch") == ["worse,unchanged"]
    assert words("watch", "--log", "au") == ["auto"]
    assert words("completion", "") == list(SHELLS)


@pytest.mark.parametrize(("command", "option"), every_option(but=frozenset()), ids=lambda v: getattr(v, "typed", v))
def test_an_option_that_takes_a_file_completes_files(command: str, option: object) -> None:
    metavar = getattr(option, "metavar", None) or ""
    if metavar.startswith(("FILE", "PATH")):
        typed = getattr(option, "typed", "")
        items = ShellComplete(cli, {}, "gtdiag", COMPLETE_VARIABLE).get_completions([command, f"--{typed}"], "x")
        assert [(item.type, item.value) for item in items] == [("file", "x")]


def test_a_broken_configuration_writes_nothing_into_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gtdiag.toml").write_text("[watch\n")
    monkeypatch.chdir(tmp_path)
    assert words("watch", "--for") == ["--for", "--format"]
    assert run(["completion", "bash"]) == 0
    out, err = capsys.readouterr()
    assert COMPLETE_VARIABLE in out and err == ""


def test_what_a_process_calls_itself_cannot_drive_the_shell() -> None:
    from gtdiag.cli.completed_words import _printable

    assert _printable("gunicorn \x1b[2J\n$(reboot) \u202e" + "x" * 100) == "gunicorn [2J $(reboot) " + "x" * 34 + "..."
