"""The wall clock is set while a worker hangs and is watched: by an hour, back and forward."""

from __future__ import annotations

import contextlib
import itertools
import json
import struct
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.faults.measured import Measured, measure
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

STEPPED = Path(__file__).parent / "stepped"
TIMEOUT_S, WATCH_S, STEP_AFTER_S = 5, 12, 4.5
SLACK_S = 3.0


def set_clock(version: str, step_s: float, *, watch_s: float = WATCH_S) -> list[str]:
    """Watch, set the clock of the server and of gtdiag, and look at every duration; what was wrong, in words."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-clock-")))
        clock = folder / "clock"
        clock.write_bytes(struct.pack("<d", 0.0))
        variables = {"STEPPED_CLOCK": str(clock), "PYTHONPATH": str(STEPPED)}
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(version),
                "sync_serving:application",
                folder=folder,
                workers=2,
                timeout_s=TIMEOUT_S,
                variables={"UPSTREAM_URL": f"http://{server.peer}/", **variables},
            )
        )
        gunicorn.wait_for_workers(2)
        asking = stack.enter_context(contextlib.ExitStack())

        def step(_watch: object) -> None:
            time.sleep(1.5)
            asking.callback(_ask(gunicorn).kill)
            time.sleep(STEP_AFTER_S - 1.5)
            with clock.open("r+b") as file:
                file.write(struct.pack("<d", step_s))

        arguments = ("watch", str(gunicorn.pid), "--for", f"{watch_s:g}s", "--no-live", "--format", "json")
        record = ("--record", str(folder / "watch.jsonl"))
        done = measure(folder, *arguments, *record, variables=variables, meanwhile=step)
        wrong = [*done.wrong(), *_look(done, step_s, watch_s), *_look_at_samples(folder / "watch.jsonl")]
        if version.split(".")[0] >= "22" and "WORKER TIMEOUT" not in gunicorn.log_text():
            wrong.append("gunicorn, which goes by the monotonic clock, was expected to time the worker out")
    name = f"{'back' if step_s < 0 else 'forward'}"
    print(done.line(f"clock {name}", f"gunicorn {version}, {step_s:+.0f} s; "), flush=True)
    return [f"clock {version} {step_s:+.0f} s: {words}" for words in wrong]


def _ask(gunicorn: GunicornProcess) -> subprocess.Popen[bytes]:
    ask = f"import urllib.request; urllib.request.urlopen('{gunicorn.url('/urllib')}')"
    return subprocess.Popen([sys.executable, "-c", ask], stderr=subprocess.DEVNULL)


def _look(done: Measured, step_s: float, watch_s: float) -> list[str]:
    report = done.report
    wrong = []
    if not watch_s - 1 <= done.took_s <= watch_s + 15:
        wrong.append(f"the watch took {done.took_s:.0f} s")
    direction = "back" if step_s < 0 else "forward"
    if not any(gap["what"] == "clock" and f"set {direction} by" in gap["why"] for gap in report["gaps"]):
        wrong.append(f"no gap says that the clock was set: {[gap['what'] for gap in report['gaps']]}")
    start, end = (datetime.fromisoformat(report["period"][name]) for name in ("start", "end"))
    if not watch_s - SLACK_S <= (end - start).total_seconds() <= watch_s + 15:
        wrong.append(f"the period is {report['period']}")
    most_s = watch_s + 15
    for place, seconds in _durations(report):
        if not 0 <= seconds <= most_s:
            wrong.append(f"{place} is {seconds}")
    for place, moment in _moments(report):
        if not -most_s <= (moment - start).total_seconds() <= most_s:
            wrong.append(f"{place} is {moment.isoformat()}, the watch began at {start.isoformat()}")
    blocked = [one["blocked"] for one in report["incidents"] + report["workers"] if one["blocked"]]
    blocked_s = [one["seconds"] for one in blocked if one["call"] == "read_upstream"]
    if not blocked_s:
        wrong.append("the call was not found")
    if not any(seconds is not None and seconds >= 1 for seconds in blocked_s):
        wrong.append(f"blocked for {blocked_s}")
    return wrong


def _durations(value: object, place: str = "") -> list[tuple[str, float]]:
    """Every number of seconds in a report, and where it stands."""
    if isinstance(value, dict):
        pairs = [(f"{place}.{name}", inner) for name, inner in value.items()]
        own = [
            (inner_place, float(inner))
            for inner_place, inner in pairs
            if isinstance(inner, (int, float))
            and inner_place.endswith(("_s", ".seconds"))
            and not inner_place.endswith(("timeout_s", "_per_s"))  # settings, and what are no seconds
        ]
        return own + [found for inner_place, inner in pairs for found in _durations(inner, inner_place)]
    if isinstance(value, list):
        return [found for number, inner in enumerate(value) for found in _durations(inner, f"{place}[{number}]")]
    return []


def _moments(report: dict[str, object]) -> list[tuple[str, datetime]]:
    """Every time of a worker or an incident."""
    return [
        (f"{kind}.{name}", datetime.fromisoformat(item[name]))
        for kind in ("workers", "incidents")
        for item in report[kind]  # type: ignore[attr-defined]
        for name in ("booted_at", "ready_at", "ended_at", "at", "resolved_at")
        if item.get(name)
    ]


def _look_at_samples(recording: Path) -> list[str]:
    """In the recording: heartbeats are never older than they can be, and the samples are in order."""
    events = [json.loads(line) for line in recording.read_text().splitlines()[1:]]
    beats = [event for event in events if event.get("event", event.get("type", "")) == "HeartbeatSample"] or [
        event for event in events if "age_s" in event
    ]
    wrong = [] if beats else ["no heartbeats were recorded"]
    wrong += [f"a heartbeat {beat['age_s']} s old" for beat in beats if not 0 <= beat["age_s"] <= 60]
    times = [datetime.fromisoformat(beat["at"]) for beat in beats]
    wrong += [
        f"from {one.isoformat()} to {other.isoformat()}"
        for one, other in itertools.pairwise(times)
        if not -0.5 <= (other - one).total_seconds() <= 10
    ]
    return wrong[:5]


def clock_back() -> list[str]:
    """By an hour, newest gunicorn and one that compares wall clocks."""
    return set_clock(NEWEST, -3600) + set_clock("21.2.0", -3600)


def clock_forward() -> list[str]:
    """By an hour."""
    return set_clock(NEWEST, 3600)
