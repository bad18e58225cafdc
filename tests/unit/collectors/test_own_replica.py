"""Lines of several replicas with the same pids in one log that is followed: whose are let through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gtdiag.collectors.own_replica import OwnReplica, read_host_name
from gtdiag.model.events import CollectionGap, Event
from gtdiag.parsing.log_parser import LogParser

START = "[2026-11-23 10:00:00 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)"
BOOT = "[2026-11-23 10:00:00 +0000] [7] [INFO] Booting worker with pid: 7"
TIME_OUT = "[2026-11-23 10:00:31 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)"


def followed(own: OwnReplica, *lines: str) -> list[Event]:
    parser = LogParser("-")
    events = [event for number, line in enumerate(lines, 1) for event in parser.feed(line, number)]
    return [kept for event in [*events, *parser.flush()] for kept in own.accept(event)]


def seen(events: list[Event]) -> list[tuple[str, str]]:
    return [(type(event).__name__, event.origin.stream) for event in events]


def test_the_pod_whose_name_is_the_masters_host_name() -> None:
    own = OwnReplica("web-1", lambda: {1})
    lines = [f"[pod/web-{n}/app] {line}" for line in (START, BOOT, TIME_OUT) for n in (1, 2, 11)]
    assert seen(followed(own, *lines)) == [
        ("MasterListening", "web-1/app"),
        ("WorkerBooted", "web-1/app"),
        ("WorkerTimedOut", "web-1/app"),
    ]


def test_the_only_one_that_names_our_master() -> None:
    own = OwnReplica("0a1b2c3d4e5f", lambda: {1})
    lines = [f"web-1  | {START}", f"other-1  | {BOOT}", f"web-1  | {TIME_OUT}"]
    assert seen(followed(own, *lines)) == [("MasterListening", "web-1"), ("WorkerTimedOut", "web-1")]


def test_two_that_may_be_it_are_a_gap_and_no_time_out() -> None:
    own = OwnReplica(None, lambda: {1})
    lines = [f"web-{n}  | {line}" for line in (START, TIME_OUT) for n in (1, 2)]
    first, gap = followed(own, *lines)
    assert seen([first]) == [("MasterListening", "web-1")]
    assert isinstance(gap, CollectionGap)
    assert "web-1, web-2" in gap.why and "kubectl logs -f POD" in gap.hint


def test_masters_of_one_host_have_pids_of_their_own() -> None:
    own = OwnReplica("host", lambda: {4711})
    lines = [
        f"Nov 23 10:00:00 host {tag}[{pid}]: {TIME_OUT.replace('[1]', f'[{pid}]')}"
        for tag, pid in (("a", 4711), ("b", 42))
    ]
    assert len(followed(own, *lines)) == 2


def test_lines_that_name_nobody() -> None:
    assert len(followed(OwnReplica("web-1", lambda: {1}), START, BOOT, TIME_OUT)) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_host_name_of_a_process() -> None:
    variables = {**os.environ, "HOSTNAME": "web-7d9f5b6c9-x2xzq"}
    with subprocess.Popen(["cat"], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(b"x")
            assert process.stdout.read(1) == b"x"  # it runs: in the middle of exec a process has no environment yet
            assert read_host_name(process.pid) == "web-7d9f5b6c9-x2xzq"
        finally:
            process.kill()
    assert read_host_name(process.pid) is None
