"""One gunicorn log behind every carrier's prefix: the events must be the same as without."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from gtdiag.model import events
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.prefixes import LAYERS, unwrap

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
START = datetime(2025, 7, 22, 20, 9, 20, 123456, tzinfo=timezone.utc)


def carrier_time(index: int) -> datetime:
    return START + timedelta(milliseconds=index)


def iso(index: int, digits: int = 6) -> str:
    return carrier_time(index).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0" * (digits - 6)


def as_json(**values: object) -> str:
    return json.dumps(values)


Carrier = Callable[[int, int, str], str]

CARRIERS: dict[str, tuple[Carrier, str]] = {
    "plain": (lambda i, pid, s: s, ""),
    "docker compose v1": (lambda i, pid, s: f"web_1  | {s}", "web_1"),
    "docker compose v2": (lambda i, pid, s: f"web-1  | {s}", "web-1"),
    "docker compose, coloured": (lambda i, pid, s: f"\x1b[36mweb_1       |\x1b[0m {s}", "web_1"),
    "docker compose, bold": (lambda i, pid, s: f"\x1b[33;1mweb-1  | \x1b[0m{s}", "web-1"),
    "foreman": (lambda i, pid, s: f"20:10:41 web.1   | {s}", "web.1"),
    "docker compose --timestamps": (lambda i, pid, s: f"web-1  | {iso(i, 9)}Z {s}", "web-1"),
    "docker compose --no-log-prefix -t": (lambda i, pid, s: f"{iso(i, 9)}Z {s}", ""),
    "docker service logs": (lambda i, pid, s: f"app_web.1.k3v9x@node-2    | {s}", "app_web.1.k3v9x@node-2"),
    "docker JSON file": (lambda i, pid, s: as_json(log=s + "\n", stream="stderr", time=iso(i, 9) + "Z"), ""),
    "containerd (CRI)": (lambda i, pid, s: f"{iso(i, 9)}Z stderr F {s}", ""),
    "kubectl --timestamps": (lambda i, pid, s: f"{iso(i, 9)}Z {s}", ""),
    "kubectl --prefix": (lambda i, pid, s: f"[pod/web-7d9f-x2x/gunicorn] {s}", "web-7d9f-x2x/gunicorn"),
    "kubectl --prefix --timestamps": (
        lambda i, pid, s: f"[pod/web-7d9f-x2x/gunicorn] {iso(i, 9)}Z {s}",
        "web-7d9f-x2x/gunicorn",
    ),
    "journalctl": (lambda i, pid, s: f"Jul 22 20:10:41 host-1 gunicorn[{pid}]: {s}", "host-1/gunicorn"),
    "journalctl -o short-iso": (
        lambda i, pid, s: f"2025-07-22T20:10:41+00:00 host-1 gunicorn[{pid}]: {s}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-iso, old": (
        lambda i, pid, s: f"2025-07-22T22:10:41+0200 host-1 gunicorn[{pid}]: {s}",
        "host-1/gunicorn",
    ),
    "journalctl -o json": (
        lambda i, pid, s: as_json(
            MESSAGE=s,
            _PID=str(pid),
            __REALTIME_TIMESTAMP=str(int(carrier_time(i).timestamp() * 1e6)),
            _HOSTNAME="host-1",
            _SYSTEMD_UNIT="web.service",
        ),
        "host-1/web.service",
    ),
    "journalctl -o json, bytes": (lambda i, pid, s: as_json(MESSAGE=list(s.encode()), _PID=str(pid)), ""),
    "syslog RFC 3164": (lambda i, pid, s: f"<30>Jul 22 20:10:41 host-1 web[{pid}]: {s}", "host-1/web"),
    "syslog without pid": (lambda i, pid, s: f"Jul 22 20:10:41 host-1 web: {s}", "host-1/web"),
    "syslog RFC 5424": (
        lambda i, pid, s: f'<30>1 {iso(i)}Z host-1 web {pid} - [meta seq="{i}"] {s}',
        "host-1/web",
    ),
    "syslog RFC 5424, nil": (lambda i, pid, s: f"<30>1 {iso(i)}Z host-1 web {pid} - - {s}", "host-1/web"),
    "Heroku": (lambda i, pid, s: f"{iso(i)}+00:00 app[web.1]: {s}", "web.1"),
    "Cloud Foundry": (
        lambda i, pid, s: f"2025-07-23T06:10:41.16+1000 [APP/PROC/WEB/0] ERR {s}",
        "APP/PROC/WEB/0",
    ),
    "Azure App Service": (lambda i, pid, s: f"{iso(i, 9)}Z {s}", ""),
    "Google App Engine": (
        lambda i, pid, s: f"2025-07-22 20:10:41 default[20250722t155838]  {s}",
        "default[20250722t155838]",
    ),
    "gcloud logging table": (lambda i, pid, s: f"{iso(i, 9)}Z  ERROR     {s}", ""),
    "Cloud Run JSON": (
        lambda i, pid, s: as_json(
            textPayload=s, timestamp=iso(i) + "Z", severity="ERROR", labels={"instanceId": "00fa"}
        ),
        "00fa",
    ),
    "CloudWatch tail": (lambda i, pid, s: f"{iso(i)}+00:00 ecs/web/0a1b2c {s}", "ecs/web/0a1b2c"),
    "CloudWatch events JSON": (
        lambda i, pid, s: as_json(
            timestamp=int(carrier_time(i).timestamp() * 1000), message=s, ingestionTime=1, logStreamName="web/1"
        ),
        "web/1",
    ),
    "pretty-printed JSON": (lambda i, pid, s: f'    "message": {json.dumps(s)},', ""),
    "Render": (lambda i, pid, s: f"{iso(i, 9)}Z {s}", ""),
    "Fly.io": (lambda i, pid, s: f"{iso(i, 9)}Z app[148e21] ams [info]{s}", "app[148e21]"),
    "DigitalOcean": (lambda i, pid, s: f"[web] [2025-07-22 20:10:41] {s}", "web"),
    "indented paste": (lambda i, pid, s: f"    {s}", ""),
    "Windows line ends": (lambda i, pid, s: f"{s}\r", ""),
    "byte order mark": (lambda i, pid, s: ("\ufeff" if i == 0 else "") + s, ""),
    "fluentd": (
        lambda i, pid, s: "2025-07-22T20:10:41.000000000+00:00 app.web: " + as_json(log=s + "\n", stream="stderr"),
        "app.web",
    ),
}


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


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_changes_nothing(name: str) -> None:
    carry, stream = CARRIERS[name]
    found = parse([carry(index, pid, text) for index, (pid, text) in enumerate(PLAIN)])
    assert facts(found) == EXPECTED
    assert {event.origin.stream for event in found} == {stream}


@pytest.mark.parametrize("name", CARRIERS)
def test_carriers_nest_in_kubectl_prefixes(name: str) -> None:
    carry, _ = CARRIERS[name]
    if name in ("indented paste", "byte order mark", "pretty-printed JSON") or "kubectl --prefix" in name:
        pytest.skip("not something kubectl carries")
    found = parse([f"[pod/a/b] {carry(index, pid, text)}" for index, (pid, text) in enumerate(PLAIN)])
    assert facts(found) == EXPECTED
    assert {event.origin.stream for event in found} == {"a/b"}


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
    found = parse(
        [
            "2025-07-05T12:18:53.1Z stderr P [2025-07-05 12:18:53 +0000] [5] [CRITICAL] WORKER ",
            "2025-07-05T12:18:53.1Z stderr F TIMEOUT (pid:6)",
            as_json(
                log="[2025-07-05 12:18:54 +0000] [5] [CRITICAL] WORK", stream="stderr", time="2025-07-05T12:18:54Z"
            ),
            as_json(log="ER TIMEOUT (pid:8)\n", stream="stderr", time="2025-07-05T12:18:54Z"),
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
    for carry, _ in CARRIERS.values():
        used.update(unwrap(carry(0, 1, PLAIN[0][1]).replace("\x1b[36m", "").replace("\x1b[0m", "")).layers)
    used.update(unwrap("12 " + PLAIN[0][1]).layers + unwrap("A  " + PLAIN[0][1]).layers)
    used.update(unwrap('1753214961123,"' + PLAIN[0][1] + '"').layers)
    assert set(LAYERS) <= used
