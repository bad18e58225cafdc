"""The peer under the application's own name: by the innermost frame that names one, and only with the peer's port."""

from __future__ import annotations

from gtdiag.analysis.named_hosts import name_peer
from gtdiag.model.report import WaitingOn
from gtdiag.model.stacks import Frame, NamedHost

FRAMES = (Frame("fetch", "app.py", 3), Frame("get", "requests/api.py", 70), Frame("connect", "http/client.py", 900))
PEER = WaitingOn("socket", peer="10.0.3.7:443")


def named(*hosts: NamedHost, waiting_on: WaitingOn = PEER) -> str | None:
    found = name_peer(waiting_on, FRAMES, hosts)
    return found.peer_name if found is not None else None


def test_the_innermost_frame_that_names_a_host() -> None:
    outer, inner = NamedHost("get", "requests/api.py", "models"), NamedHost("connect", "http/client.py", "proxy", 443)
    assert named(outer) == "models"
    assert named(outer, inner) == "proxy"


def test_another_port_is_another_host() -> None:
    assert named(NamedHost("get", "requests/api.py", "db", 5432)) is None


def test_a_frame_that_is_not_on_the_way_names_nothing() -> None:
    assert named(NamedHost("poll", "queue.py", "mq")) is None


def test_what_the_kernel_or_etc_hosts_say_stands() -> None:
    assert named(NamedHost("get", "requests/api.py", "models"), waiting_on=WaitingOn("lock")) is None
    known = WaitingOn("socket", peer="10.0.3.7:443", peer_name="models.internal")
    assert named(NamedHost("get", "requests/api.py", "models"), waiting_on=known) == "models.internal"
