"""One gunicorn log behind every carrier's prefix: the events must be the same as without."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from gtdiag.model import events
from gtdiag.parsing.control_characters import strip_control_characters
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.prefixes import LAYERS, unwrap
from tests.carriers import CARRIERS, Line, carry, read_lines

WORKERS = "/srv/venv/lib/python3.12/site-packages/gunicorn/workers"

# (writer's pid, text); the writer is what journald and syslog put into their prefix.
PLAIN: list[tuple[int, str]] = [
    (1, "[2025-07-22 20:09:20 +0000] [1] [INFO] Starting gunicorn 23.0.0"),
    (1, "[2025-07-22 20:09:20 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)"),
    (1, "[2025-07-22 20:09:20 +0000] [1] [INFO] Using worker: sync"),
    (7, "[2025-07-22 20:09:20 +0000] [7] [INFO] Booting worker with pid: 7"),
    (1, "[2025-07-22 20:10:41 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)"),
    (7, "[2025-07-22 20:10:41 +0000] [7] [ERROR] Error handling request GET /progress?token=1"),
    (7, "Traceback (most recent call last):"),
    (7, f'  File "{WORKERS}/sync.py", line 134, in handle'),
    (7, "    self.handle_request(listener, req, client, addr)"),
    (7, f'  File "{WORKERS}/sync.py", line 177, in handle_request'),
    (7, "    respiter = self.wsgi(environ, resp.start_response)"),
    (7, '  File "/srv/app/views.py", line 77, in stream'),
    (7, "    line = progress_queue.get(timeout=0.5)"),
    (7, f'  File "{WORKERS}/base.py", line 204, in handle_abort'),
    (7, "    sys.exit(1)"),
    (7, "SystemExit: 1"),
    (7, "[2025-07-22 20:10:41 +0000] [7] [INFO] Worker exiting (pid: 7)"),
    (1, "[2025-07-22 20:10:42 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"),
    (8, "[2025-07-22 20:10:42 +0000] [8] [INFO] Booting worker with pid: 8"),
]


def parse(lines: list[str]) -> list[events.Event]:
    parser = LogParser("x.log", newest=datetime(2025, 8, 1, tzinfo=timezone.utc))
    found: list[events.Event] = []
    for number, line in enumerate(lines, start=1):
        found += parser.feed(line, number)
    found += parser.flush()
    return found


def facts(found: list[events.Event]) -> list[tuple[object, ...]]:
    """What the events say, without where they were and to which fraction of a second."""
    return [
        (
            type(event).__name__,
            event.origin.line,
            event.worker,
            event.master_pid,
            event.at.replace(microsecond=0) if event.at else None,
            *(
                getattr(event, name, None)
                for name in ("signal", "version", "worker_class", "address", "header", "path")
            ),
            *(
                (event.interrupted, [f.function for f in event.frames], [f.source for f in event.frames])
                if isinstance(event, events.TracebackLogged)
                else ()
            ),
        )
        for event in found
    ]


EXPECTED = facts(parse([text for _, text in PLAIN]))


def test_the_plain_log_says_what_it_says() -> None:
    names = [fact[0] for fact in EXPECTED]
    assert names == [
        *("MasterStarted", "MasterListening", "WorkerClassAnnounced", "WorkerBooted", "WorkerTimedOut"),
        *("TracebackLogged", "WorkerExiting", "WorkerSignalled", "WorkerBooted"),
    ]


LINES = [
    Line(index, pid, written.at, text)
    for index, ((pid, text), written) in enumerate(
        zip(PLAIN, read_lines("\n".join(text for _, text in PLAIN)), strict=True)
    )
]


def has_sources(name: str) -> bool:
    """Whether a carrier leaves a traceback's source lines recognisable: where it marks only some lines, it does not."""
    return name not in ("Docker Desktop", "grep -n", "less -N")


def without_sources(found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [fact[:-1] if fact[0] == "TracebackLogged" else fact for fact in found]


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_changes_nothing(name: str) -> None:
    carrier, stream = CARRIERS[name]
    found = parse(list(carry(LINES, carrier)))
    if has_sources(name):
        assert facts(found) == EXPECTED
    assert without_sources(facts(found)) == without_sources(EXPECTED)
    if name != "concurrently":
        assert {event.origin.stream for event in found} == {stream}


@pytest.mark.parametrize("name", CARRIERS)
def test_carriers_nest_in_kubectl_prefixes(name: str) -> None:
    carrier, _ = CARRIERS[name]
    if name in NOT_IN_A_CONTAINER or "kubectl --prefix" in name:
        pytest.skip("not something kubectl carries")
    found = parse([f"[pod/a/b] {text}" for text in carry(LINES, carrier)])
    assert without_sources(facts(found)) == without_sources(EXPECTED)
    assert {event.origin.stream for event in found} == {"a/b"}


NOT_IN_A_CONTAINER = frozenset(
    [
        *("indented paste", "docker compose, indented", "byte order mark", "quoted mail", "quoted twice", "cat -n"),
        *("pretty-printed JSON", "pretty-printed Grafana JSON", "less -N", "grep -n", "grep with file names"),
        *("grep -n in context", "gh run view --log"),
    ]
)


@pytest.mark.parametrize("letter", ["1802113 ", "   42  ", "17: ", "A  ", "I "])
def test_numbers_and_letters_in_front_of_records(letter: str) -> None:
    lines = [letter + text for _, text in PLAIN if text.startswith("[")]
    # Without its frames the traceback is only a header, and that is known at the end.
    assert [fact for fact in facts(parse(lines)) if fact[0] != "TracebackLogged"] == [
        (fact[0], line, *fact[2:])
        for fact, line in zip([f for f in EXPECTED if f[0] != "TracebackLogged"], (1, 2, 3, 4, 5, 7, 8, 9), strict=True)
    ]


def test_the_finer_stamp_of_the_carrier_is_kept() -> None:
    event = parse(["2025-07-05T12:18:53.952740468Z [2025-07-05 12:18:53 +0000] [5] [CRITICAL] WORKER TIMEOUT (pid:6)"])[
        0
    ]
    assert event.at == datetime(2025, 7, 5, 12, 18, 53, 952740, tzinfo=timezone.utc)
    assert event.resolution_s == pytest.approx(1e-6)


def test_a_late_carrier_does_not_move_the_time() -> None:
    event = parse(["2025-07-05T12:20:00.5Z [2025-07-05 12:18:53 +0000] [5] [CRITICAL] WORKER TIMEOUT (pid:6)"])[0]
    assert event.at == datetime(2025, 7, 5, 12, 18, 53, tzinfo=timezone.utc)
    assert event.resolution_s == 1.0


def test_partial_lines_are_joined() -> None:
    padding = "[2025-07-05 12:18:54 +0000] [5] [CRITICAL] ".ljust(16 * 1024 - len("WORK"))
    found = parse(
        [
            "2025-07-05T12:18:53.1Z stderr P [2025-07-05 12:18:53 +0000] [5] [CRITICAL] WORKER ",
            "2025-07-05T12:18:53.1Z stderr F TIMEOUT (pid:6)",
            json.dumps({"log": padding + "WORK", "stream": "stderr", "time": "2025-07-05T12:18:54Z"}),
            json.dumps({"log": "ER TIMEOUT (pid:8)\n", "stream": "stderr", "time": "2025-07-05T12:18:54Z"}),
        ]
    )
    assert [event.worker.pid for event in found if event.worker] == [6, 8]


def test_two_replicas_with_the_same_pids_are_kept_apart() -> None:
    found = parse(
        [
            "web-1  | [2025-07-22 20:09:20 +0000] [7] [INFO] Booting worker with pid: 7",
            "web-2  | [2025-07-22 20:09:20 +0000] [7] [INFO] Booting worker with pid: 7",
        ]
    )
    assert [(event.origin.stream, event.worker.spawn) for event in found if event.worker] == [
        ("web-1", 1),
        ("web-2", 1),
    ]


@pytest.mark.parametrize("text", ["", " ", "{", "{}", '{"log": 1}', "|", "[", "a | b | c", '"message": "', "\x1b["])
def test_odd_lines_are_left_alone(text: str) -> None:
    assert isinstance(unwrap(text).text, str)


def test_every_layer_is_tried_by_a_carrier_above() -> None:
    used: set[str] = set()
    for carrier, _ in CARRIERS.values():
        used.update(*(unwrap(strip_control_characters(text)).layers for text in carry(LINES[:1], carrier)))
    used.update(unwrap("A  " + PLAIN[0][1]).layers)
    assert set(LAYERS) <= used
