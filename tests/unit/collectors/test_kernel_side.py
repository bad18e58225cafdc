"""Threads that wait in known calls, and what the kernel's side of them shows; the parsers on text of their own."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gtdiag.collectors.descriptors import parse_descriptor_link
from gtdiag.collectors.host_names import name_of, parse_hosts
from gtdiag.collectors.kernel_side import KernelSide, KernelSideReader
from gtdiag.collectors.socket_diagnostics import HEADER, SOCK_DIAG_BY_FAMILY, parse_attributes, parse_messages
from gtdiag.collectors.tcp_traffic import parse_traffic, read_traffic
from gtdiag.collectors.thread_waits import (
    POLL_READ,
    POLL_WRITE,
    SystemCallLine,
    parse_system_call,
    read_poll_set,
    read_select_set,
    read_thread_waits,
    sleeps_for_a_time,
)
from gtdiag.model.stacks import Connection, KernelWait, WaitedDescriptor
from gtdiag.rules.system_calls import match_system_call
from tests.live.servers import full_backlog
from tests.unit.collectors.waiting_threads import waiting

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def look_at(pid: int) -> tuple[KernelSide, KernelWait]:
    seen = KernelSideReader().read(pid)
    return seen, seen.waits[0]


def connection_of(seen: KernelSide, fd: int) -> Connection:
    return next(connection for connection in seen.connections if connection.fd == fd)


# --- real threads ---------------------------------------------------------------------------------------------------


@linux
def test_a_receive_names_its_socket_and_how_long_it_is_silent() -> None:
    with waiting("recv") as process:
        time.sleep(0.3)
        seen, wait = look_at(process.pid)
    client = process.numbers["client"]
    assert (wait.native_thread_id, wait.state, wait.system_call) == (process.pid, "S", "recvfrom")
    assert [(d.fd, d.kind, d.through_epoll) for d in wait.descriptors] == [(client, "socket", False)]
    connection = connection_of(seen, client)
    assert connection.outgoing and connection.state == "ESTABLISHED"
    traffic = connection.traffic
    assert traffic is not None and seen.without_traffic is None
    assert (traffic.bytes_sent, traffic.bytes_received, traffic.retransmits) == (8, 0, 0)
    assert traffic.last_sent_s is not None and 0.3 <= traffic.last_sent_s < 20
    assert traffic.last_received_s is not None and 0.3 <= traffic.last_received_s < 20


@linux
@pytest.mark.parametrize("how", ["poll", "select", "epoll"])
def test_a_set_of_descriptors_is_read_from_memory_or_fdinfo(how: str) -> None:
    with waiting(how) as process:
        _, wait = look_at(process.pid)
    assert {(d.fd, d.kind) for d in wait.descriptors} == {
        (process.numbers["client"], "socket"),
        (process.numbers["reader"], "pipe"),
    }
    assert {d.through_epoll for d in wait.descriptors} == {how == "epoll"}
    assert not any(d.writing for d in wait.descriptors)


@linux
@pytest.mark.parametrize(
    ("how", "calls", "kinds"),
    [
        ("read", {"read"}, ["pipe"]),
        ("lock", {"futex"}, []),
        ("sleep", {"nanosleep", "clock_nanosleep"}, []),
        ("child", {"wait4", "waitid"}, []),
        ("flock", {"flock"}, ["file"]),
    ],
)
def test_other_waits(how: str, calls: set[str], kinds: list[str], tmp_path: Path) -> None:
    with waiting(how, tmp_path / "lock") as process:
        _, wait = look_at(process.pid)
    assert wait.system_call in calls
    assert [descriptor.kind for descriptor in wait.descriptors] == kinds
    if how == "flock":
        assert wait.descriptors[0].name == str(tmp_path / "lock")


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [("clock_nanosleep", 0, True), ("clock_nanosleep", 1, False), ("nanosleep", 0, True), ("pselect6", 0, None)],
)
def test_a_sleep_for_a_time_or_until_a_moment(name: str, flags: int, expected: bool | None) -> None:
    assert sleeps_for_a_time(SystemCallLine(230, (1, flags, 0, 0, 0, 0)), name) is expected


@pytest.mark.parametrize(
    ("highest", "timeout", "expected"), [(0, 0x7FFC0000, False), (0, 0, None), (9, 0x7FFC0000, None)]
)
def test_a_select_of_nothing_is_a_sleep(highest: int, timeout: int, expected: bool | None) -> None:
    assert sleeps_for_a_time(SystemCallLine(270, (highest, 0, 0, 0, timeout, 0)), "pselect6") is expected


@linux
def test_a_childs_pipe_leads_to_the_child() -> None:
    with waiting("output") as process:
        _, wait = look_at(process.pid)
    processes = {descriptor.process.name for descriptor in wait.descriptors if descriptor.process}
    assert processes == {"sleep"}
    assert {descriptor.kind for descriptor in wait.descriptors} == {"pipe"}


@linux
def test_a_peer_that_does_not_read() -> None:
    with waiting("fill") as process:
        seen, wait = look_at(process.pid)
    assert [(d.fd, d.writing) for d in wait.descriptors] == [(process.numbers["client"], True)]
    traffic = connection_of(seen, process.numbers["client"]).traffic
    assert traffic is not None and traffic.unsent_bytes > 0


@linux
def test_a_unix_socket_leads_to_the_process_at_the_other_end(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "server.sock")
    with socket.socket(socket.AF_UNIX) as server, waiting_unix_client(server, path) as pid:
        seen, wait = look_at(pid)
    (connection,) = [c for c in seen.connections if c.family == "unix"]
    assert connection.peer == path
    assert wait.descriptors[0].fd == connection.fd
    assert connection.process is not None and connection.process.pid == os.getpid()


@linux
def test_a_connection_within_the_host_leads_to_its_server() -> None:
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = subprocess.Popen([sys.executable, "-c", code, str(server.getsockname()[1])])
        accepted, _ = server.accept()
        try:
            with accepted:
                wait_until_it_receives(client.pid)
                seen, _ = look_at(client.pid)
        finally:
            client.kill()
            client.wait(10)
    (connection,) = [c for c in seen.connections if c.outgoing]
    assert connection.process is not None and connection.process.pid == os.getpid()


def wait_until_it_receives(pid: int) -> None:
    end_s = time.monotonic() + 20
    while read_thread_waits(pid)[0].system_call != "recvfrom":
        assert time.monotonic() < end_s
        time.sleep(0.02)


def waiting_unix_client(server: socket.socket, path: str) -> UnixClient:
    server.bind(path)
    server.listen()
    return UnixClient(server, path)


class UnixClient:
    """Another process, connected to this one and waiting for its answer."""

    def __init__(self, server: socket.socket, path: str) -> None:
        self._server, self._path = server, path

    def __enter__(self) -> int:
        code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        self._process = subprocess.Popen([sys.executable, "-c", code, self._path])
        self._accepted, _ = self._server.accept()
        wait_until_it_receives(self._process.pid)
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._accepted.close()
        self._process.kill()
        self._process.wait(10)


@linux
def test_a_connect_that_nobody_answers() -> None:
    with full_backlog() as server, socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((server.host, server.port))
        time.sleep(1.3)  # the first SYN is sent again after a second (RFC 6298)
        seen = KernelSideReader().read(os.getpid())
        connection = connection_of(seen, client.fileno())
    assert connection.state == "SYN_SENT"
    assert connection.traffic is not None
    assert connection.traffic.retransmits >= 1
    assert connection.traffic.next_retransmit_s is not None and connection.traffic.next_retransmit_s > 0


@linux
def test_ipv6_and_mapped_addresses_are_asked_for_by_their_own_family() -> None:
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = listener.getsockname()[1]
    with listener, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", port))
        client.sendall(b"abc")
        seen = KernelSideReader().read(os.getpid())
        connection = connection_of(seen, client.fileno())
    assert connection.peer == f"127.0.0.1:{port}"
    assert connection.traffic is not None and connection.traffic.bytes_sent == 3


@linux
def test_a_running_thread_and_a_process_that_is_gone() -> None:
    (me, *_) = read_thread_waits(os.getpid())
    assert me.native_thread_id == os.getpid()
    with pytest.raises(ProcessLookupError):
        read_thread_waits(2**22 + 1)
    assert read_traffic(os.getpid(), []) == {}


@linux
@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root and unshare (util-linux)")
def test_another_network_namespace_is_asked_in_its_own() -> None:
    with waiting("recv", prefix=("unshare", "--net")) as process:
        seen, _ = look_at(process.pid)
        mine = os.readlink("/proc/self/ns/net")  # noqa: PTH115
        theirs = os.readlink(f"/proc/{process.pid}/ns/net")  # noqa: PTH115
    assert mine != theirs
    traffic = connection_of(seen, process.numbers["client"]).traffic
    assert seen.without_traffic is None
    assert traffic is not None and (traffic.bytes_sent, traffic.bytes_received) == (8, 0)


@linux
@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root and unshare (util-linux)")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_a_network_namespace_that_may_not_be_entered_is_a_gap_and_its_table_still_read() -> None:
    """The connection is known from /proc/PID/net/tcp, what went over it is not."""
    no_rights = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    code = (
        "import sys; from gtdiag.collectors.kernel_side import KernelSideReader\n"
        "seen = KernelSideReader().read(int(sys.argv[1]))\n"
        "print(seen.without_traffic.why, seen.without_traffic.hint, sep='; ')\n"
        "print([(c.state, c.traffic) for c in seen.connections if c.outgoing])"
    )
    up = "import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14s', b'lo', 0x41, b''))"
    script = f'{sys.executable} -c "{up}" && exec "$@"'
    prefix = ("env", "unshare", "--net", "sh", "-c", script, "sh", *no_rights)
    with waiting("recv", prefix=prefix, set_up=False) as process:
        done = subprocess.run(
            [*no_rights, sys.executable, "-c", code, str(process.pid)], capture_output=True, text=True, check=True
        )
    why, connections = done.stdout.splitlines()
    assert "network namespace of its own that may not be entered" in why and "as root on the host" in why
    assert connections == "[('ESTABLISHED', None)]"


# --- parsers ---------------------------------------------------------------------------------------------------------


def test_system_call_lines() -> None:
    line = parse_system_call("45 0x4 0x7f8f4b627da0 0x1 0x0 0x0 0x0 0x7ffe17782750 0x7f8f4b928974\n")
    assert line == SystemCallLine(45, (4, 0x7F8F4B627DA0, 1, 0, 0, 0))
    assert parse_system_call("running") is None
    assert parse_system_call("-1 0x7ffe17782750 0x7f8f4b928974") is None
    assert parse_system_call("x 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0") is None


def test_numbers_differ_between_machines() -> None:
    assert [match_system_call(machine, 207) for machine in ("x86_64", "riscv64")] == [None, None]
    arm, intel = match_system_call("aarch64", 207), match_system_call("x86_64", 45)
    assert arm is not None and arm == intel and arm.name == "recvfrom"


def test_poll_and_select_sets() -> None:
    entries = struct.pack("=ihhihhihh", 7, POLL_READ, 0, -1, POLL_READ, 0, 9, POLL_WRITE, 0)
    assert read_poll_set(0x1000, 3, lambda address, size: entries[:size]) == {7: POLL_READ, 9: POLL_WRITE}
    assert read_poll_set(0x1000, 1 << 30, lambda *_: pytest.fail("not that much")) == {}
    words = {0x1000: struct.pack("=QQ", 1 << 5, 1 << 6), 0x2000: struct.pack("=QQ", 1 << 5, 0)}
    line = SystemCallLine(270, (71, 0x1000, 0x2000, 0, 0, 0))
    assert read_select_set(line, lambda address, size: words[address][:size]) == {
        5: POLL_READ | POLL_WRITE,
        70: POLL_READ,
    }


@pytest.mark.parametrize(
    ("link", "kind", "inode", "name"),
    [
        ("socket:[41]", "socket", 41, None),
        ("pipe:[42]", "pipe", 42, None),
        ("anon_inode:[eventpoll]", "epoll", None, None),
        ("anon_inode:inotify", "inotify", None, None),
        ("anon_inode:[pidfd]", "pidfd", None, None),
        ("pidfd:[77]", "pidfd", None, None),
        ("/dev/pts/3", "terminal", None, "/dev/pts/3"),
        ("/srv/data/model.bin", "file", None, "/srv/data/model.bin"),
        ("net:[4026531840]", "unknown", None, None),
    ],
)
def test_what_a_descriptor_is(link: str, kind: str, inode: int | None, name: str | None) -> None:
    assert parse_descriptor_link(3, link) == WaitedDescriptor(3, kind, name, inode)


def test_names_of_peers() -> None:
    names = parse_hosts("127.0.0.1 localhost\n10.0.3.7 orders-db db  # main\nnonsense\nfd00::7 cache\n10.0.3.7 other\n")
    assert names == {"10.0.3.7": "orders-db", "fd00::7": "cache"}
    assert name_of("10.0.3.7:5432", names) == "orders-db"
    assert name_of("[fd00::7]:6379", names) == "cache"
    assert name_of("10.0.3.8:5432", names) is None and name_of(None, names) is None


def test_messages_of_another_question_and_cut_ones_are_left_out() -> None:
    body = b"12345678"
    own = HEADER.pack(HEADER.size + 8, SOCK_DIAG_BY_FAMILY, 0, 7, 0) + body
    other = HEADER.pack(HEADER.size + 8, SOCK_DIAG_BY_FAMILY, 0, 6, 0) + body
    assert parse_messages(other + own, 7) == ([body], True)
    assert parse_messages(own[:-2], 7) == ([], False)
    assert parse_messages(HEADER.pack(HEADER.size, 3, 0, 7, 0), 7) == ([], False)
    assert parse_attributes(struct.pack("=HHI", 8, 2, 9) + struct.pack("=HH", 99, 3), 0) == {2: struct.pack("=I", 9)}


def test_a_short_tcp_info_of_an_old_kernel() -> None:
    info = bytearray(104)
    struct.pack_into("=I", info, 44, 2500)
    answer = struct.pack("=BBBB48sIIIII", 2, 1, 0, 0, bytes(48), 0, 0, 0, 1000, 4711)
    found = parse_traffic(answer + struct.pack("=HH", 4 + len(info), 2) + bytes(info))
    assert found is not None
    inode, traffic = found
    assert (inode, traffic.last_sent_s, traffic.bytes_sent, traffic.bytes_received) == (4711, 2.5, None, None)
    assert parse_traffic(answer) is None and parse_traffic(b"short") is None
