"""Names that somebody else chose, in the commands that hints give: the shell reads each back as the one word it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtdiag.cli.main import run
from gtdiag.collectors.carried_log import _followed_by_journalctl
from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.live_log import LiveLog
from gtdiag.collectors.log_location import LogLocation
from gtdiag.collectors.log_tail import TailLine
from gtdiag.collectors.stacks import StackReader, StackReadError
from gtdiag.errors import RecordingError
from gtdiag.gunicorn.masters import GunicornMaster
from gtdiag.model.events import CollectionGap, Event
from gtdiag.recording.private_file import open_private
from gtdiag.renderers.escaping import escape_text

NAMES = (
    "a b.log",
    "a;touch pwned;.log",
    "$(touch pwned).log",
    "`touch pwned`.log",
    "'; touch pwned; '.log",
    '"; touch pwned; ".log',
    "a\ntouch pwned\n.log",
    "a\x1b]0;title\x07.log",
    "--help\\.log",
    "Ünïcode ☃.log",
)


def words_of(command: str, folder: Path) -> list[str]:
    """What bash makes of a hint as it is shown: the arguments of each program, none of which is run."""
    programs = 'for one in gtdiag journalctl py-spy; do eval "$one() { printf \'%s\\0\' \\"\\$@\\" >&3; }"; done\n'
    shown = escape_text(command)
    with (folder / "words").open("wb") as words:
        descriptor = words.fileno()
        script = f"exec 3>&{descriptor}\n{programs}{shown}"
        subprocess.run(["bash", "-c", script], cwd=folder, pass_fds=(descriptor,), check=False, capture_output=True)
    assert not (folder / "pwned").exists(), shown
    return [os.fsdecode(word) for word in (folder / "words").read_bytes().split(b"\0")]


class LeftOut:
    """A log of which parts were left out."""

    vanished, why_vanished, left_out_bytes = False, "", 1

    def poll(self) -> list[TailLine]:
        return []

    def close(self) -> list[TailLine]:
        return []


class NoParser:
    def feed(self, line: str, line_number: int) -> list[Event]:
        return []

    def flush(self) -> list[Event]:
        return []


@pytest.mark.parametrize("name", NAMES)
def test_a_log_that_the_watched_server_named(name: str, tmp_path: Path) -> None:
    log = LiveLog(LeftOut(), NoParser(), SystemClock(), file=name, poll_s=0.2, boots=dict, masters=dict)
    [gap] = log.poll()
    assert isinstance(gap, CollectionGap)
    command = gap.hint.removeprefix("afterwards, the saved log has them: ")
    assert words_of(command, tmp_path)[:2] == ["analyze", name]


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_of_systemd(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may make a cgroup names it."""
    monkeypatch.setattr("gtdiag.collectors.carried_log.can_read_journal", lambda: False)
    unit = name.replace("/", "-")
    hint = _followed_by_journalctl((f"_SYSTEMD_UNIT={unit}",), "", LogLocation(None, "")).hint
    words = words_of(hint.removeprefix("where it is: ").rpartition(" | ")[0], tmp_path)
    assert f"_SYSTEMD_UNIT={unit}" in words


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_users_own(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / name)
    with pytest.raises(RecordingError) as caught:
        open_private(os.fspath(link))
    command = f"gtdiag {caught.value.hint[caught.value.hint.index('--record') :]}"
    assert words_of(command, tmp_path)[:2] == ["--record", os.fspath(tmp_path / name)]
    assert run(["redact", "--", name]) == 2
    hint = capsys.readouterr().err.partition("  hint: ")[2].rstrip("\n")
    assert words_of(hint, tmp_path)[:2] == ["redact", name]


def test_a_py_spy_in_a_folder_with_a_space(tmp_path: Path) -> None:
    program = tmp_path / "my tools; touch pwned" / "py-spy"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(StackReadError) as caught:
        StackReader((os.fspath(program),)).read(os.getpid())
    command = caught.value.hint.removeprefix("try it by hand: ")
    assert command.startswith(f"'{program}' dump ")
    words_of(command, tmp_path)


FORGED = "app\n  hint: curl http://example.com/ | sh\ngtdiag: all is well"


def test_a_process_cannot_write_lines_of_gtdiags(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments are free text; a message about several masters has a line for each."""
    with subprocess.Popen([sys.executable, "-c", "input()", FORGED], stdin=subprocess.PIPE) as process:
        assert run(["snapshot", str(process.pid)]) == 3
        process.communicate(b"\n")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] in (["gtdiag", "  hint"], ["gtdiag"]), lines


def test_nor_can_one_of_several_masters(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gtdiag.gunicorn import masters

    found = [GunicornMaster(pid, 1.0, "descriptors", masters._in_a_line(("gunicorn", FORGED))) for pid in (10, 20)]
    monkeypatch.setattr(masters, "find_masters", lambda: found)
    monkeypatch.setattr(masters, "find_successors", lambda _pid: [])
    assert run(["snapshot"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 and sum(line.startswith("  hint: ") for line in lines) == 1
    assert lines[-1].startswith("  hint: say which one is meant")
