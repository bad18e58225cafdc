"""The host that a waiting frame names, read from a real program's memory: in a thread and in a task."""

from __future__ import annotations

import pytest

from gtdiag.interpreter import open_interpreter
from tests.live.servers import mute_server

from .target_process import PROGRAMS, TargetProcess

pytestmark = pytest.mark.live

EXPECTED = {
    "thread": ("getresponse", "models.internal"),
    "task": ("connect", "db.internal"),
}


@pytest.mark.parametrize("where", EXPECTED)
def test_the_name_of_the_host_and_nothing_more(python: str, where: str) -> None:
    function, host = EXPECTED[where]
    with mute_server() as server:
        port = int(server.peer.rpartition(":")[2])
        with TargetProcess(python, PROGRAMS / "named_hosts.py", where, str(port)) as target:
            target.told()
            with open_interpreter(target.pid) as opened:
                opened.read_suspended()
                hosts = opened.read_named_hosts()
    named = {(seen.function.rpartition(".")[2], seen.host, seen.port) for seen in hosts}
    assert (function, host, port) in named
    assert "opensesame" not in repr(hosts)
