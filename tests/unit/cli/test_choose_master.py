from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gtdiag.cli.choose_master import UnsupportedSystemError, choose_master, read_pidfile
from gtdiag.errors import NoSuchProcessError, NotGunicornError, UsageError


def test_a_pid_file(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.pid"
    file.write_text(f"{os.getpid()}\n")
    assert read_pidfile(os.fspath(file)) == os.getpid()


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "12 13"])
def test_a_pid_file_without_a_pid(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gunicorn.pid"
    file.write_text(text)
    with pytest.raises(NoSuchProcessError, match="no pid in the pid file"):
        read_pidfile(os.fspath(file))


def test_a_pid_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NoSuchProcessError, match="No such file"):
        read_pidfile(os.fspath(tmp_path / "gunicorn.pid"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_pid_file_and_a_process_that_is_not_gunicorn(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.pid"
    file.write_text(str(os.getpid()))
    with pytest.raises(NotGunicornError, match=str(os.getpid())):
        choose_master(None, os.fspath(file))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="says so elsewhere")
def test_a_pid_and_a_pid_file() -> None:
    with pytest.raises(UsageError, match="both"):
        choose_master(1, "gunicorn.pid")


def test_other_systems_are_sent_to_analyze(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnsupportedSystemError) as raised:
        choose_master(1, None)
    assert "gtdiag analyze" in raised.value.hint
