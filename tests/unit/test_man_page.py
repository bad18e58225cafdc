"""docs/gtdiag.1 is made from the help, says all of it, and is what man and mandoc accept without a word."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.man_page import PAGE, render_page
from tests.unit.cli.command_options import every_option


def test_the_page_is_that_of_this_help() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "run `make man`, which writes docs/gtdiag.1 from the help"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here (Debian: apt-get install mandoc groff man-db)")
    environment = {**os.environ, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_man_shows_every_option_and_every_word_of_its_help() -> None:
    done = run("man", "--warnings", "-P", "cat", "-l", os.fspath(PAGE))
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    for command, option in every_option(but=frozenset()):
        assert f"--{option.typed}" in shown
        words = " ".join((option.help or "").replace("\b", "").split())
        assert words in shown, f"{command} --{option.typed}"


@pytest.mark.parametrize(
    "command", [("groff", "-man", "-Tutf8", "-ww", "-z"), ("mandoc", "-T", "lint", "-W", "warning")]
)
def test_no_warning(command: tuple[str, ...]) -> None:
    done = run(*command, os.fspath(PAGE))
    # Its date is that of a release, and this one has none yet.
    assert [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line] == []
