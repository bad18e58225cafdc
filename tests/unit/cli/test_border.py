"""Errors become a line, a hint and an exit code; nothing else reaches the user."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
from typing import Any, NoReturn

import click
import pytest

from gtdiag.cli.errors import run_at_the_border
from gtdiag.errors import ExitCode, GtdiagError, LogReadError, NoSuchProcessError, SeveralMastersError


def at_the_border(error: BaseException) -> tuple[int, str]:
    def command() -> NoReturn:
        raise error

    stderr = io.StringIO()
    # Where the output is dropped it is this one, not the file that pytest collects output in.
    with open(os.devnull, "w") as output, contextlib.redirect_stdout(output):  # noqa: PTH123
        return run_at_the_border(command, stderr), stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            NoSuchProcessError("no process with pid 7"),
            3,
            "gtdiag: no process with pid 7\n  hint: list the gunicorn masters",
        ),
        (LogReadError("x is empty", ""), 3, "gtdiag: x is empty\n"),
        (
            SeveralMastersError("2 masters:\n  7 a\n  8 b", "say which"),
            2,
            "gtdiag: 2 masters:\n  7 a\n  8 b\n  hint: say",
        ),
        (click.UsageError("no such option"), 2, "gtdiag: no such option\n  hint: gtdiag --help\n"),
        (click.BadParameter("x"), 2, "gtdiag: Invalid value: x\n"),
        (KeyboardInterrupt(), 130, "gtdiag: interrupted\n"),
        (click.Abort(), 130, "gtdiag: interrupted\n"),
        (BrokenPipeError(), 0, ""),
        (OSError(24, "Too many open files", "/proc/7/stat"), 3, "gtdiag: gtdiag may open no more files\n  hint: raise"),
        (OSError(5, "Input/output error"), 3, "gtdiag: this is a bug in gtdiag: OSError: "),
        (MemoryError(), 3, "gtdiag: there is not enough memory left to go on\n  hint: "),
        (RuntimeError("can't allocate read lock"), 3, "gtdiag: there is not enough memory left to go on\n  hint: "),
        (RuntimeError("can't start new thread"), 3, "gtdiag: there is not enough memory left to go on\n  hint: "),
        (OSError(errno.ENOMEM, "x"), 3, "gtdiag: there is not enough memory left to go on\n  hint: "),
        (
            ImportError("x.so: failed to map segment from shared object"),
            3,
            "gtdiag: there is not enough memory left to go on\n  hint: ",
        ),
        (
            RuntimeError("of another kind"),
            3,
            "gtdiag: this is a bug in gtdiag: RuntimeError: of another kind\n  hint: ",
        ),
        (
            RuntimeError("a\nb"),
            3,
            "gtdiag: this is a bug in gtdiag: RuntimeError: a b\n  hint: run it again with GTDIAG_DEBUG=1",
        ),
    ],
)
def test_what_is_said(error: BaseException, status: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GTDIAG_DEBUG", raising=False)
    found, said = at_the_border(error)
    assert found == status
    assert said.startswith(text)
    assert (said == "") == (text == "")
    assert "Traceback" not in said


def test_a_traceback_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTDIAG_DEBUG", "1")
    assert "Traceback" in at_the_border(RuntimeError("x"))[1]
    assert "Traceback" not in at_the_border(GtdiagError("x"))[1]


def test_data_in_a_message_is_escaped() -> None:
    _, said = at_the_border(GtdiagError("no file \x1b[2J\udcff", "try \u202e"))
    assert said == "gtdiag: no file \\x1b[2J\\xff\n  hint: try \\u202e\n"


@pytest.mark.parametrize(("result", "status"), [(None, 0), (ExitCode.FOUND, 1), (0, 0), (3, 3)])
def test_a_command_without_errors(result: Any, status: int) -> None:
    assert run_at_the_border(lambda: result, io.StringIO()) == status


def test_a_closed_pipe_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gtdiag", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_is_said() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "gtdiag", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith("gtdiag: cannot write to standard output: No space left")
    assert "Traceback" not in done.stderr
