"""The command that a watch ends with is read back by a shell as it was meant, whatever the file is called."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from gtdiag.cli.see_again import command_to_see_again, say_how_to_see_again
from gtdiag.shell_words import quote_command

NAMES = [
    "incident.jsonl",
    "in ci dent.jsonl",
    "-for.jsonl",
    "it's; rm -rf $HOME `id`.gz",
    "two\nlines\\n.zst",
    "\x1b[2Jclear.jsonl",
    "\u202elnosj.jsonl",
    "caf\xe9.jsonl",
    os.fsdecode(b"\xff\xfe.jsonl"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_the_name_back(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).touch()
    except OSError as error:
        pytest.skip(f"no such name here: {error}")
    stream = io.StringIO()
    say_how_to_see_again(name, stream, rules="own rules.toml", redact=False)
    [line] = stream.getvalue().splitlines()
    assert line.isprintable()
    command = line.partition(": ")[2].replace("gtdiag", "printf '%s\\0'", 1)
    read = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=30).stdout
    words = [os.fsdecode(word) for word in read.split(b"\0")]
    expected = f"./{name}" if name.startswith("-") else name
    assert words == ["analyze", "--rules", "own rules.toml", "--no-redact", expected, ""]


def test_only_what_changes_the_report_is_in_the_command(tmp_path: Path) -> None:
    recording = tmp_path / "a.jsonl"
    recording.touch()
    assert command_to_see_again(str(recording), rules=None, redact=True) == f"gtdiag analyze {recording}"


def test_what_went_into_a_device_cannot_be_seen_again() -> None:
    assert command_to_see_again("/dev/null", rules=None, redact=True) is None


def test_an_empty_word_stays_a_word() -> None:
    assert quote_command(["a", ""]) == "a ''"
