"""The real command on a real server: the live view on a terminal, signals, and what decides on the pid."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from gtdiag.renderers.json_report import read_schema
from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import GTDIAG, finish, run_gtdiag, start_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

pytestmark = pytest.mark.live

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornProcess]:
    """A sync worker of the newest gunicorn that waits in requests.get at import, for ever."""
    with (
        mute_server() as mute,
        running_gunicorn(
            standard_environment(NEWEST),
            "sync_startup:application",
            folder=tmp_path_factory.mktemp("gunicorn"),
            timeout_s=3,
            variables={"FEATURE_FLAGS_URL": f"http://{mute.peer}/flags"},
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(1)
        yield gunicorn


class Terminal:
    """A command on a pseudo-terminal of a given size, its output collected as it comes."""

    def __init__(self, *arguments: str, columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        variables = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            variables.pop(name, None)
        self.process = subprocess.Popen(
            [*GTDIAG, *arguments], stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True
        )
        os.close(slave)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, words: str, deadline_s: float = 30) -> str:
        """What came from now on, up to the words."""
        seen = ""
        deadline = time.monotonic() + deadline_s
        while words not in ESCAPE.sub("", seen):
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{seen[-3000:]}"
            if select.select([self._master], [], [], 0.2)[0]:
                seen += os.read(self._master, 65536).decode()
        self.text += seen
        return seen

    def read_to_the_end(self, deadline_s: float = 30) -> str:
        seen = ""
        deadline = time.monotonic() + deadline_s
        with contextlib.suppress(OSError):  # EIO: the last writer is gone
            while time.monotonic() < deadline:
                if select.select([self._master], [], [], 0.2)[0]:
                    seen += os.read(self._master, 65536).decode()
        self.text += seen
        assert self.process.wait(timeout=5) is not None
        return seen

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(hanging: GunicornProcess) -> Iterator[Terminal]:
    opened = Terminal("watch", str(hanging.pid), columns=80, rows=24)
    yield opened
    opened.close()


def test_the_live_view_follows_the_window_and_ends_with_the_report(
    terminal: Terminal, hanging: GunicornProcess
) -> None:
    terminal.read_until("load_feature_flags")
    screen = ESCAPE.sub("", terminal.text)
    assert "HEARTBEAT" in screen
    assert "\x1b[?1049h" in terminal.text, "the live view has a screen of its own"
    terminal.resize(120, 30)
    terminal.read_until("##########")
    terminal.process.send_signal(signal.SIGINT)
    rest = terminal.read_to_the_end()
    report = ESCAPE.sub("", rest.rpartition("\x1b[?1049l")[2])
    assert "WHAT HAPPENED" in report
    assert "load_feature_flags" in report
    assert "Traceback" not in report
    assert terminal.process.returncode == 1
    assert "\x1b[?25h" in rest, "the cursor is back"
    assert hanging.returncode is None


def test_a_second_interrupt_quits_at_once(terminal: Terminal) -> None:
    terminal.read_until("load_feature_flags")
    terminal.process.send_signal(signal.SIGSTOP)
    # While it is stopped both signals wait, and are then handled one right after the other.
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.send_signal(signal.SIGTERM)
    terminal.process.send_signal(signal.SIGCONT)
    rest = terminal.read_to_the_end()
    assert terminal.process.returncode == 130
    assert "WHAT HAPPENED" not in rest
    assert "Traceback" not in rest
    assert "\x1b[?1049l" in rest, "the terminal is as it was"


def test_sigterm_ends_with_the_report(hanging: GunicornProcess) -> None:
    with start_gtdiag("watch", str(hanging.pid), "--format", "json") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "has not finished its start-up" in line:
                break
        process.terminate()
        done = finish(process, 20)
    assert done.status == 1
    assert done.report()["incidents"]


def test_a_full_disk_under_the_recording(hanging: GunicornProcess) -> None:
    done = run_gtdiag("watch", str(hanging.pid), "--for", "20s", "--record", "/dev/full")
    assert done.status == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_events_on_standard_output_when_the_report_goes_to_a_file(hanging: GunicornProcess, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = run_gtdiag(
        "watch", str(hanging.pid), "--for", "2s", "--json-events", "--format", "json", "-o", os.fspath(target)
    )
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[0], events[-1]) == ("ObservationStarted", "ObservationEnded")
    assert done.stderr == ""
    jsonschema.validate(json.loads(target.read_text()), json.loads(read_schema()))


def test_until_an_incident(hanging: GunicornProcess) -> None:
    done = run_gtdiag("watch", str(hanging.pid), "--until-incident", "--format", "json", deadline_s=30)
    assert done.status == 1
    assert len(done.report()["incidents"]) == 1
    assert "(--until-incident)" in done.stderr


def test_the_report_of_a_watch_and_of_its_recording_are_the_same(hanging: GunicornProcess, tmp_path: Path) -> None:
    recording = os.fspath(tmp_path / "watch.jsonl")
    live = run_gtdiag("watch", str(hanging.pid), "--for", "3s", "--record", recording, "--format", "json").report()
    saved = run_gtdiag("analyze", recording, "--format", "json").report()
    assert (live.pop("source")["kind"], saved.pop("source")["kind"]) == ("live", "recording")
    assert saved == live


def test_a_worker_leads_to_its_master_and_ps_names_it(hanging: GunicornProcess) -> None:
    [worker] = hanging.worker_pids()
    report = run_gtdiag("snapshot", str(worker), "--format", "json").report()
    assert report["gunicorn"]["master_pid"] == hanging.pid
    listed = json.loads(run_gtdiag("ps", "--format", "json").stdout)
    jsonschema.validate(listed, json.loads(read_schema("ps")))
    [master] = [master for master in listed["masters"] if master["pid"] == hanging.pid]
    assert (master["version"], master["workers"]) == (NEWEST, 1)
    assert master["health"] == "never_beaten"


def test_a_pid_file(hanging: GunicornProcess, tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.pid"
    file.write_text(f"{hanging.pid}\n")
    report = run_gtdiag("snapshot", "--pidfile", os.fspath(file), "--format", "json").report()
    assert report["gunicorn"]["master_pid"] == hanging.pid


def test_several_masters_are_listed(hanging: GunicornProcess, tmp_path: Path) -> None:
    with running_gunicorn(standard_environment(NEWEST), "sync_serving:application", folder=tmp_path) as other:
        other.wait_until_listening()
        done = run_gtdiag("snapshot")
    assert done.status == 2
    assert str(hanging.pid) in done.stderr
    assert str(other.pid) in done.stderr
