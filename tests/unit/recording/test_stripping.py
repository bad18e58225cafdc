"""What is stripped of an event: each place that can hold a text has its treatment; no planted value gets through."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtdiag.model import events
from gtdiag.model.events import EVENT_CLASSES, Event
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.requests import RequestInFlight
from gtdiag.model.stacks import (
    Connection,
    Frame,
    KernelWait,
    NamedHost,
    PeerProcess,
    SuspendedCode,
    ThreadStack,
    WaitedDescriptor,
)
from gtdiag.recording.codec import encode_event
from gtdiag.recording.stripping.places import TREATMENTS
from gtdiag.recording.stripping.stripper import Stripper
from gtdiag.rules.services import match_peer

AT = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)
WORKER = WorkerId(7, started_at_s=1.5)
AGENT = PeerProcess(9, "acme-agent")


class Ours:
    """The application is what lies in /srv/acme."""

    def is_application(self, file: str) -> bool:
        return file.startswith(("/srv/acme", "/home/alice/acme")) and "site-packages" not in file


def stripper(*, hide_names: bool = False) -> Stripper:
    return Stripper(Ours(), hide_names=hide_names)


def _texts_of(cls: type) -> typing.Iterator[str]:
    for field in dataclasses.fields(cls):
        yield from _texts(typing.get_type_hints(cls)[field.name], f"{cls.__name__}.{field.name}")


def _texts(annotation: Any, place: str) -> typing.Iterator[str]:
    if annotation is str:
        yield place
    elif dataclasses.is_dataclass(annotation):
        if annotation not in (Frame, NamedHost):
            yield from _texts_of(annotation)  # type: ignore[arg-type]
    elif typing.get_origin(annotation) in (types.UnionType, typing.Union, tuple):
        for inner in typing.get_args(annotation):
            yield from _texts(inner, place)


def test_every_text_of_every_event_has_its_treatment_and_no_other_has() -> None:
    places = {place for cls in EVENT_CLASSES for place in _texts_of(cls)}
    assert places == TREATMENTS.keys() - {"NamedHost.host"}


def test_a_text_without_a_treatment_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TREATMENTS, "CollectionGap.why")
    gap = events.CollectionGap(origin=Origin("stack"), what="stacks", why="anything")
    assert stripper().strip(gap).why == "***"


CANARIES = (
    "hunter2", "acme-db-prod", "acme.example.com", "10.77.8.9", "fd00:77::9", "alice", "bob@acme.example.com",
    "order-4711", "checkout-secret", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "X-Trace-998877", "shop-7f9c-pod", "customers",
    "web-prod-17", "acme-agent", "fetch-vip-customer", "nightly-sync", "acme.slice", "billing",
)  # fmt: skip


def planted() -> list[Event]:
    """A canary in each place."""
    at: dict[str, Any] = {"at": AT, "worker": WORKER}
    log = Origin("log", "/var/log/acme-db-prod/billing.log", 3, stream="shop-7f9c-pod")
    return [
        events.ObservationStarted(origin=log, at=AT, kind="live", files=(log.file or "",), hostname="web-prod-17"),
        events.MasterSettings(
            origin=Origin("master"), at=AT, version="27.0.1", application="shop.wsgi:create('hunter2')",
            working_directory="/home/alice/acme", worker_class="sync", timeout_s=30.0,
        ),
        events.MasterListening(origin=log, at=AT, address="http://10.77.8.9:8000,unix:/run/billing/acme.example.com"),
        events.CollectionGap(
            origin=Origin("log"), at=AT, what="log",
            why="cannot read /home/alice/acme/billing.log on web-prod-17 as 'alice': postgres://u:hunter2@acme-db-prod/x",
            hint="export TOKEN=sk_live_4eC39HqLyjWDarjtT1zdp7dc; ask bob@acme.example.com at 10.77.8.9 or fd00:77::9",
        ),
        events.StackSample(
            origin=Origin("stack"), **at,
            threads=(
                ThreadStack(1, "nightly-sync", (
                    Frame("run", "/usr/local/lib/python3.11/threading.py", 3),
                    Frame("pay", "/home/alice/acme/shop/pay.py", 41, source="connect('hunter2', checkout_secret='x')"),
                )),
            ),
        ),
        events.SuspendedSample(
            origin=Origin("suspended"), **at,
            suspended=(SuspendedCode("task", "fetch-vip-customer", (), through=("order-4711",)),),
            problems=("the task 'order-4711' changed",),
        ),
        events.RequestSample(
            origin=Origin("request"), **at,
            requests=(RequestInFlight(
                "k-order-4711", "GET", "/customers/order-4711", "token=hunter2", "10.77.8.9", "X-Trace-998877"
            ),),
        ),
        events.HostSample(
            origin=Origin("hosts"), **at,
            hosts=(NamedHost("pay", "/home/alice/acme/shop/pay.py", "acme-db-prod", 5432),),
        ),
        events.SocketSample(
            origin=Origin("socket"), **at,
            connections=(
                Connection(3, "inet", "10.77.8.9:41000", "10.77.8.9:5432", "SYN_SENT", peer_name="acme.example.com"),
                Connection(4, "inet6", "[fd00:77::9]:41000", "[fd00:77::9]:6379", "ESTABLISHED"),
                Connection(5, "unix", "", "/run/billing/redis-customers.sock", "UNIX", process=AGENT),
            ),
            waits=(KernelWait(7, "S", descriptors=(WaitedDescriptor(6, "file", "/data/customers/alice.pkl"),)),),
        ),
        events.HealthSample(
            origin=Origin("health"), at=AT, url="https://acme.example.com:8443/billing?token=hunter2", status=None,
            latency_s=1.0, error="certificate verify failed: 'acme.example.com' is not alice",
        ),
        events.TracebackLogged(
            origin=log, **at, kind="abort", frames=(), exception="shop.errors.PayError: customers of alice: hunter2",
            header="Error handling request /billing/order-4711?token=hunter2", method="GET", path="/billing/order-4711",
        ),
        events.WorkerBootFailed(origin=log, **at, reason="KeyError: 'checkout-secret'"),
        events.MasterHalted(origin=log, at=AT, reason="Worker failed to boot. hunter2"),
        events.MasterShutDown(origin=log, at=AT, reason="App failed to load. hunter2"),
        events.WorkerSignalled(origin=log, **at, signal="SIGKILL", wording="was sent SIGKILL! hunter2"),
        events.KernelOomKilled(
            origin=Origin("kernel_log"), at=AT, pid=7, process="acme-agent",
            wording="Out of memory: Killed process 7 (acme-agent) in /billing/acme.slice by alice",
        ),
        events.CgroupSample(
            origin=Origin("cgroup"), at=AT, limit_bytes=1, current_bytes=1, oom_kill=0,
            kill_count_file="/sys/fs/cgroup/acme.slice/billing.service/memory.events",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("hide_names", [False, True])
def test_no_planted_value_is_left(hide_names: bool) -> None:
    strip = stripper(hide_names=hide_names)
    for event in planted():
        strip.strip(event)  # learns the values, as the command does
    text = "\n".join(json.dumps(encode_event(strip.strip(event))) for event in planted())
    hidden = ("pay.py", '"pay"', "PayError", "shop", "/acme/") if hide_names else ()
    found = [canary for canary in (*CANARIES, *hidden) if canary.lower() in text.lower()]
    assert not found, text
    if not hide_names:
        assert '"function": "pay", "file": "/home/user-1/acme/shop/pay.py"' in text


def test_the_same_value_is_the_same_name_and_the_port_still_tells_the_service() -> None:
    strip = stripper()
    sample = next(event for event in planted() if isinstance(event, events.SocketSample))
    first, second = strip.strip(sample), strip.strip(sample)
    assert first == second
    assert [connection.peer for connection in first.connections[:2]] == ["host-1:5432", "host-3:6379"]
    assert first.connections[0].local == "host-1:41000"
    unix = first.connections[2]
    service = match_peer(unix.peer, None)
    assert service is not None
    assert service.name == "redis"
    name = first.waits[0].descriptors[0].name
    assert name is not None
    assert name.endswith(".pkl")


@pytest.mark.parametrize("address", ["127.0.0.1:5432", "[::1]:5432", "0.0.0.0:8000", "localhost:80", "[::]:8000"])
def test_this_very_machine_stays_itself(address: str) -> None:
    connection = Connection(3, "inet", "", address, "ESTABLISHED")
    sample = events.SocketSample(origin=Origin("socket"), connections=(connection,))
    assert stripper().strip(sample).connections[0].peer == address


@pytest.mark.parametrize(
    "wording",
    [
        "was sent SIGKILL! Perhaps out of memory?",
        "Error handling request (no URI read)",
        "Worker failed to boot.",
        "SystemExit: 1",
        "Memory cgroup out of memory: Killed process 32013 (gunicorn) total-vm:143116kB, anon-rss:104",
    ],
)
def test_what_gunicorn_and_the_kernel_say_stays(wording: str) -> None:
    event = events.WorkerSignalled(origin=Origin("log"), signal="SIGKILL", wording=wording)
    assert stripper().strip(event).wording == wording


def test_names_hide_alike_in_functions_files_and_modules() -> None:
    strip = stripper(hide_names=True)
    settings_ = events.MasterSettings(
        origin=Origin("master"), application="shop.wsgi:app", working_directory="/srv/acme/shop"
    )
    stripped = strip.strip(settings_)
    assert (stripped.application, stripped.working_directory) == ("name_1.wsgi:app", "/srv/name_2/name_1")
    frames = (
        Frame("Shop.pay.<locals>.<lambda>", "/srv/acme/shop/__init__.py", 1),
        Frame("connect", "/srv/acme/venv/lib/python3.11/site-packages/psycopg2/__init__.py", 2),
        Frame("_find_and_load", "<frozen importlib._bootstrap>", 3),
    )
    sample = events.TracebackLogged(origin=Origin("log"), kind="abort", frames=frames)
    assert [(frame.function, frame.file) for frame in strip.strip(sample).frames] == [
        ("name_3.name_4.<locals>.<lambda>", "/srv/name_2/name_1/__init__.py"),
        ("connect", "/srv/name_2/venv/lib/python3.11/site-packages/psycopg2/__init__.py"),
        ("_find_and_load", "<frozen importlib._bootstrap>"),
    ]


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("hide_names", [False, True])
def test_any_event_can_be_stripped(event_class: type[Event], hide_names: bool) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.from_type(event_class))
    def check(event: Event) -> None:
        stripped = stripper(hide_names=hide_names).strip(event)
        assert type(stripped) is type(event)
        assert (stripped.at, stripped.seq, stripped.worker) == (event.at, event.seq, event.worker)

    check()
