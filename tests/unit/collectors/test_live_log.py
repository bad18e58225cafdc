"""When a log line's event happened: arrival where it agrees with the stamp, else the stamp."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone

import pytest

from gtdiag.collectors.live_log import QUIET_BEFORE_FLUSH_S, LiveLog
from gtdiag.collectors.log_tail import TailLine
from gtdiag.model.events import CollectionGap, Event, MasterListening, WorkerBooted, WorkerExited, WorkerTimedOut
from gtdiag.model.identity import Origin, WorkerId
from tests.unit.collectors.scripted_host import BOOT, ScriptedClock

POLL_S = 0.2


class Lines:
    """A tail whose lines a test puts in."""

    def __init__(self) -> None:
        self.lines: list[TailLine] = []
        self.vanished = False
        self.why_vanished = "No such file"
        self.left_out_bytes = 0

    def poll(self) -> list[TailLine]:
        lines, self.lines = self.lines, []
        return lines

    def close(self) -> list[TailLine]:
        return []


class Parser:
    """Each line is the seconds since boot of a time-out ("7@1000": worker 7's; "b7" its boot, "x7" its end)."""

    def __init__(self) -> None:
        self.flushed = 0

    def feed(self, line: str, line_number: int) -> list[Event]:
        who, _, when = line.partition("@")
        at = None if when == "none" else BOOT + timedelta(seconds=float(when))
        origin = Origin("log", line=line_number)
        if who == "master":
            return [MasterListening(origin=origin, at=at, master_pid=100, address="x")]
        worker = WorkerId(int(who.lstrip("bx")), spawn=1)
        if who.startswith("x"):
            return [WorkerExited(origin=origin, at=at, worker=worker, code=1)]
        kind = WorkerBooted if who.startswith("b") else WorkerTimedOut
        return [kind(origin=origin, at=at, worker=worker)]

    def flush(self) -> list[Event]:
        self.flushed += 1
        return []


class Scene:
    def __init__(self) -> None:
        self.clock = ScriptedClock(1000.4)
        self.tail = Lines()
        self.parser = Parser()
        self.log = LiveLog(
            self.tail,
            self.parser,
            self.clock,
            file="g.log",
            poll_s=POLL_S,
            boots=lambda: {7: seconds(950)},
            masters=lambda: {100: seconds(940)},
        )

    def read(self, *texts: str, old: bool = False) -> list[Event]:
        self.tail.lines = [TailLine(text, number, old) for number, text in enumerate(texts, start=1)]
        return self.log.poll()


def seconds(after_boot: float) -> datetime:
    return BOOT + timedelta(seconds=after_boot)


@pytest.mark.parametrize(
    ("stamp", "at", "resolution_s"),
    [
        ("1000", 1000.4, POLL_S),  # written just now: the arrival is finer
        ("999", 999.999, POLL_S),  # arrived in the next second: not later than its stamp allows
        ("990", 990.0, 1.0),  # an old line: its stamp
        ("1010", 1010.0, 1.0),  # another clock: its stamp
        ("none", 1000.4, POLL_S),  # no stamp at all
    ],
)
def test_arrival_or_stamp(stamp: str, at: float, resolution_s: float) -> None:
    [event] = Scene().read(f"7@{stamp}")
    assert event.at is not None
    assert abs((event.at - seconds(at)).total_seconds()) < 0.001
    assert event.resolution_s == resolution_s


def test_times_are_in_the_zone_of_the_samples() -> None:
    """A container's log may be in another zone than the host: two clocks in one report would mislead."""
    scene = Scene()
    tokyo = timezone(timedelta(hours=9))

    class InTokyo(Parser):
        def feed(self, line: str, line_number: int) -> list[Event]:
            return [
                dataclasses.replace(event, at=event.at.astimezone(tokyo)) if event.at else event
                for event in super().feed(line, line_number)
            ]

    scene.parser.feed = InTokyo().feed  # type: ignore[method-assign]
    [event] = scene.read("7@990")
    assert event.at is not None
    assert (event.at, event.at.utcoffset()) == (seconds(990), scene.clock.now().utcoffset())


def test_of_the_old_lines_only_those_of_the_living() -> None:
    events = Scene().read("b7@100", "8@960", "b7@948", "master@100", "master@940", old=True)
    assert [(type(event).__name__, event.origin.line) for event in events] == [
        ("WorkerBooted", 3),
        ("MasterListening", 5),
    ]


def kinds_and_lines(events: list[Event]) -> list[tuple[str, int | None]]:
    return [(type(event).__name__, event.origin.line) for event in events]


def test_a_worker_that_ended_as_the_watch_began_has_its_old_lines() -> None:
    scene = Scene()
    assert scene.read("b8@960", "8@999", "b9@960", "9@980", "x9@981", old=True) == []
    events = scene.read("x8@1000", "x9@1000")
    assert kinds_and_lines(events) == [
        ("WorkerBooted", 1),
        ("WorkerTimedOut", 2),
        ("WorkerExited", 1),
        ("WorkerExited", 2),
    ]
    assert scene.read("x8@1000")[:-1] == [], "once"


def test_a_new_worker_has_nothing_of_the_one_that_had_its_pid() -> None:
    scene = Scene()
    scene.read("b8@960", "8@999", old=True)
    assert kinds_and_lines(scene.read("b8@1000", "8@1000")) == [("WorkerBooted", 1), ("WorkerTimedOut", 2)]


def test_what_the_parser_holds_is_asked_for_after_a_quiet_second() -> None:
    scene = Scene()
    scene.read("7@1000")
    scene.clock.sleep(QUIET_BEFORE_FLUSH_S / 2)
    scene.read()
    assert scene.parser.flushed == 0
    scene.clock.sleep(QUIET_BEFORE_FLUSH_S)
    scene.read()
    scene.clock.sleep(QUIET_BEFORE_FLUSH_S)
    scene.read()
    assert scene.parser.flushed == 1


def test_a_log_that_vanishes_is_said_each_time_it_does() -> None:
    scene = Scene()
    said = []
    for vanished in (False, True, True, False, True):
        scene.tail.vanished = vanished
        said.append([event.what for event in scene.read() if isinstance(event, CollectionGap)])
    assert said == [[], ["log"], [], [], ["log"]]


def test_a_log_that_is_too_fast_is_said_once() -> None:
    scene = Scene()
    said = []
    for left_out in (0, 1000, 1000, 9000):
        scene.tail.left_out_bytes = left_out
        said += [event.why for event in scene.read() if isinstance(event, CollectionGap)]
    [why] = said
    assert "grows faster than it can be read" in why
