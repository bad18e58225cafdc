"""Settings from gunicorn's control socket, where the master's memory may not be read; and only from its own socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.gunicorn import control_socket
from gtdiag.gunicorn.control_socket import read_control_socket
from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import GTDIAG, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

pytestmark = [pytest.mark.live, pytest.mark.slow]

# PR_SET_DUMPABLE: no other process of the same user may look into this one.
CONFIGURATION = """
import ctypes
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
graceful_timeout = int("7")
"""


def without_ptrace() -> tuple[str, ...]:
    """The command, as a user who may not trace: root has to lay its capabilities down for that."""
    if os.geteuid() != 0:
        return GTDIAG
    if shutil.which("setpriv") is None:
        pytest.skip("as root this needs setpriv (util-linux)")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all", *GTDIAG)


@contextlib.contextmanager
def undumpable(version: str, folder: Path, *options: str) -> Iterator[GunicornProcess]:
    configuration = folder / "gunicorn.conf.py"
    configuration.write_text(CONFIGURATION)
    with running_gunicorn(
        standard_environment(version),
        "sync_serving:application",
        folder=folder,
        options=("--config", os.fspath(configuration), *options),
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        gunicorn.signal(signal.SIGTTIN)
        gunicorn.wait_for_workers(2)
        yield gunicorn


def wait_until_it_answers(gunicorn: GunicornProcess, path: str | None = None) -> None:
    """gunicorn 26.1 and later closes its socket around each fork, so the log's first word of it is too early."""
    end_s = time.monotonic() + 20
    while "graceful_timeout" not in read_control_socket(gunicorn.pid, path):
        assert time.monotonic() < end_s, gunicorn.log_text()
        time.sleep(0.05)


@pytest.mark.parametrize("option", ["", "--control-socket"])
def test_it_tells_what_the_command_line_does_not(option: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        options = (option, f"{short}/c.sock") if option else ()
        with undumpable(NEWEST, tmp_path, *options) as gunicorn:
            wait_until_it_answers(gunicorn, options[1] if options else None)
            done = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json", command=without_ptrace())
    report = done.report()
    facts = report["gunicorn"]
    assert facts["settings_source"] == "control_socket"
    assert (facts["graceful_timeout_s"], facts["workers"], facts["worker_class"]) == (7, 2, "sync")
    assert [gap for gap in report["gaps"] if gap["what"] == "settings"] == []


def test_an_older_gunicorn_has_none(tmp_path: Path) -> None:
    with undumpable("21.2.0", tmp_path) as gunicorn:
        done = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json", command=without_ptrace())
    report = done.report()
    assert report["gunicorn"]["settings_source"] == "command_line"
    assert [gap for gap in report["gaps"] if gap["what"] == "settings"] != []


def test_a_switched_off_socket(tmp_path: Path) -> None:
    with undumpable(NEWEST, tmp_path, "--no-control-socket") as gunicorn:
        assert read_control_socket(gunicorn.pid) == {}


def test_the_socket_of_another_process_is_not_believed(tmp_path: Path) -> None:
    with undumpable(NEWEST, tmp_path) as gunicorn:
        wait_until_it_answers(gunicorn)
        assert read_control_socket(gunicorn.pid)["graceful_timeout"] == 7
        assert read_control_socket(os.getpid()) == {}


def test_a_master_that_does_not_answer_is_not_waited_for() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as mute:
        mute.bind(f"{folder}/{control_socket.DEFAULT_NAME}")
        mute.listen()
        began_s = time.monotonic()
        assert read_control_socket(os.getpid()) == {}
        assert time.monotonic() - began_s < 20 * control_socket.DEADLINE_S
