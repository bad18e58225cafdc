"""Every one of the public logs, compared with the labels made by reading them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gtdiag.errors import LogReadError
from gtdiag.model import events
from gtdiag.parsing.log_parser import LogParser

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "logs" / "public"
LABELS: list[dict[str, Any]] = (
    json.loads((FOLDER / "labels.json").read_text("utf-8")) if (FOLDER / "labels.json").exists() else []
)

pytestmark = pytest.mark.skipif(not LABELS, reason="the public logs are not here")


def unique(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def in_file_order(found: list[events.Event]) -> list[events.Event]:
    return sorted(found, key=lambda event: event.origin.line or 0)


def collect(name: str) -> list[events.Event]:
    from gtdiag.collectors.log_files import collect_log_events

    return list(collect_log_events([str(FOLDER / name)]))


@pytest.mark.parametrize("label", LABELS, ids=[label["file"] for label in LABELS])
def test_events_are_what_the_labels_say(label: dict[str, Any]) -> None:
    try:
        found = in_file_order(collect(label["file"]))
    except LogReadError:
        found = []
    expected = facts_of_label(label)
    if not expected["masters"]:
        # The labels name a master by the pid in its lines' prefix; "Listening at" alone can name it without one.
        listening = {event.master_pid for event in found if isinstance(event, events.MasterListening)}
        found = [replace(event, master_pid=None) if event.master_pid in listening else event for event in found]
    assert facts_of(found) == expected


@pytest.mark.parametrize("label", LABELS, ids=[label["file"] for label in LABELS])
def test_interrupted_tracebacks_are_where_the_labels_have_a_cause(label: dict[str, Any]) -> None:
    try:
        found = collect(label["file"])
    except LogReadError:
        found = []
    interrupted = [e for e in found if isinstance(e, events.TracebackLogged) and e.interrupted]
    assert sorted(e.worker.pid for e in interrupted if e.worker) == sorted(int(pid) for pid in label["blocked_by_pid"])
    assert all(e.worker for e in interrupted)
    assert all(frame.function != "handle_abort" for e in interrupted for frame in e.frames)


def facts_of(found: list[events.Event]) -> dict[str, Any]:
    def pids(kind: type[events.Event], **values: Any) -> list[int]:
        return unique(
            event.worker.pid
            for event in found
            if isinstance(event, kind) and event.worker and all(getattr(event, k) == v for k, v in values.items())
        )

    return {
        "timeouts": pids(events.WorkerTimedOut),
        "incidents": len({(e.origin.stream, e.worker) for e in found if isinstance(e, events.WorkerTimedOut)}),
        "booted": [e.worker.pid for e in found if isinstance(e, events.WorkerBooted) and e.worker],
        "sigkill": pids(events.WorkerSignalled, signal="SIGKILL"),
        "sigabrt": pids(events.WorkerSignalled, signal="SIGABRT"),
        "other_signals": [
            [e.worker.pid, e.signal]
            for e in found
            if isinstance(e, events.WorkerSignalled) and e.worker and e.signal not in ("SIGKILL", "SIGABRT")
        ],
        "exited_with_code": [[e.worker.pid, e.code] for e in found if isinstance(e, events.WorkerExited) and e.worker],
        "oom_kernel": [e.pid for e in found if isinstance(e, events.KernelOomKilled)],
        "masters": unique(e.master_pid for e in found if e.master_pid and not isinstance(e, events.MasterListening)),
        "boot_failures": sum(isinstance(e, events.WorkerBootFailed) for e in found),
        "halts": sum(isinstance(e, events.MasterHalted) for e in found),
    }


def facts_of_label(label: dict[str, Any]) -> dict[str, Any]:
    number_names = {"signal 15": "SIGTERM"}
    return {
        "timeouts": unique(label["timeouts"]),
        "incidents": label["timeout_incidents"],
        "booted": unique(label["booted"]),
        "sigkill": unique(label["sigkill"]),
        "sigabrt": unique(label["sigabrt"]),
        "other_signals": [[pid, number_names.get(name, name)] for pid, name in label["other_signals"]],
        "exited_with_code": label["exited_with_code"],
        "oom_kernel": label["oom_kernel"],
        "masters": label["masters"],
        "boot_failures": label["boot_failures"],
        "halts": label["master_boot_halts"],
    }


def feed_all(path: Path) -> list[events.Event]:
    parser = LogParser(str(path))
    found: list[events.Event] = []
    with path.open(encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            found += parser.feed(line, number)
    return found + parser.flush()
