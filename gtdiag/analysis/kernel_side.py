"""The stack's idea of a wait, joined with the kernel's: whom the thread waits for, how the peer is, do both agree.

The descriptor in the thread's own system call decides which connection it is. Only where the thread sits in an event
loop's epoll, or its system call could not be read, is a connection chosen among several, and the choice is marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gtdiag.analysis.peer_condition import Condition, awaits_answer, read_condition
from gtdiag.model.report import Category, WaitingOn
from gtdiag.model.stacks import Connection, KernelWait, WaitedDescriptor
from gtdiag.rules.services import Service, match_kernel_wait, match_peer

_LIKES_OF_READ = ("read", "readv", "write", "writev", "pread64", "preadv", "pwrite64", "ioctl", "close")
_KIND_OF_DESCRIPTOR = {"socket": "socket", "pipe": "pipe", "file": "disk", "pidfd": "child"}
_POLLS = ("poll", "socket")


@dataclass(frozen=True, slots=True)
class KernelEvidence:
    """What the kernel showed at one look. `received_before`: bytes received some looks ago, by the socket's inode."""

    waits: tuple[KernelWait, ...] = ()
    connections: tuple[Connection, ...] = ()
    received_before: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JoinedWait:
    """What is waited for. `agrees`: whether stack and kernel say the same, None where one of them says nothing.

    `sure` is False where the connection is one of several that fit. `note`: the kernel's side in words.
    """

    waiting_on: WaitingOn
    agrees: bool | None = None
    sure: bool = True
    note: str | None = None


def find_wait(waits: Sequence[KernelWait], native_thread_id: int | None) -> KernelWait | None:
    """The kernel's side of one thread; without an id, of the main thread, which comes first."""
    if native_thread_id is None:
        return waits[0] if waits else None
    return next((wait for wait in waits if wait.native_thread_id == native_thread_id), None)


def kind_of_wait(wait: KernelWait | None, kernel_function: str | None = None) -> str | None:
    """What kind of wait the kernel shows: sleep, lock, child, file_lock, disk, socket, pipe, or poll (of several)."""
    if wait is None:
        return match_kernel_wait(kernel_function)
    if wait.system_call is None:
        return match_kernel_wait(wait.function)
    if wait.sleeps_for is not None:
        return "sleep"
    kind = match_kernel_wait(wait.system_call)
    kinds = {descriptor.kind for descriptor in wait.descriptors}
    direct = bool(wait.descriptors) and not any(descriptor.through_epoll for descriptor in wait.descriptors)
    if direct and (wait.system_call in _LIKES_OF_READ or kind == "poll") and len(kinds) == 1:
        # A named pipe is opened by its path: only the kernel function it sleeps in tells it from a file.
        found = _KIND_OF_DESCRIPTOR.get(next(iter(kinds)))
        return "pipe" if found == "disk" and match_kernel_wait(wait.function) == "pipe" else found or kind
    return kind


def join_wait(kind: str, category: Category, wait: KernelWait | None, seen: KernelEvidence) -> JoinedWait:
    """Join what the stack says is waited for (`kind`, `category`) with what the kernel shows."""
    if kind == "socket":
        return _join_socket(category, wait, seen)
    if wait is None:
        return JoinedWait(WaitingOn(kind))
    shown = kind_of_wait(wait)
    if kind == "dns":
        return _join_dns(wait, seen)
    if kind == "child":
        return _join_child(wait, shown)
    if kind == "cpu":
        return JoinedWait(WaitingOn("cpu"), agrees=True if wait.state == "R" else None)
    agrees = None if shown is None or kind not in ("sleep", "lock", "file_lock") else shown == kind
    if kind in ("sleep", "lock") and shown in ("poll", "lock", "sleep"):
        agrees = True  # CPython sleeps and waits for locks in several ways, by version; an event loop polls
    file = next((d.name for d in wait.descriptors if d.kind == "file"), None) if shown != "poll" else None
    return JoinedWait(WaitingOn(kind, system_call=wait.system_call, file=file), agrees, note=_note(wait))


def asks_name_server(wait: KernelWait | None, seen: KernelEvidence) -> bool:
    """Whether the thread's own system call is on a socket to a name server."""
    return wait is not None and _name_server(wait, seen) is not None


def name_server_wait_of_a_helper(wait: KernelWait | None, seen: KernelEvidence) -> KernelWait | None:
    """The wait of a native thread that asks a name server for an event loop (libuv resolves in threads of its own).

    Only where the loop itself has no connection that the code could wait for.
    """
    if wait is None or any(c.outgoing and c.protocol != "udp" and c.family != "unix" for c in seen.connections):
        return None
    helpers = [other for other in seen.waits if other is not wait and asks_name_server(other, seen)]
    return helpers[0] if helpers and match_kernel_wait(wait.system_call) == "poll" else None


def describe_connection(connection: Connection, condition: Condition | None, kind: str = "socket") -> WaitingOn:
    """A connection as what is waited on, with the kernel's figures."""
    traffic = connection.traffic
    service = service_of(connection)
    process = connection.process
    return WaitingOn(
        kind,
        connection.peer,
        connection.state,
        service.name if service else None,
        condition=condition.value if condition else None,
        peer_name=connection.peer_name,
        process_name=process.name if process else None,
        process_pid=process.pid if process else None,
        bytes_sent=(traffic.bytes_sent if traffic.bytes_sent is not None else traffic.bytes_acked) if traffic else None,
        bytes_received=traffic.bytes_received if traffic else None,
        last_sent_s=traffic.last_sent_s if traffic and connection.state != "SYN_SENT" else None,
        last_received_s=traffic.last_received_s if traffic and connection.state != "SYN_SENT" else None,
        retransmits=(traffic.retransmits or traffic.total_retransmits) if traffic else None,
        next_retransmit_s=traffic.next_retransmit_s if traffic else None,
    )


def service_of(connection: Connection) -> Service | None:
    """What a connection leads to, by the process at its other end or by its port or path."""
    return match_peer(connection.peer, connection.process.name if connection.process else None)


def choose_connection(candidates: Sequence[Connection], category: Category | None) -> tuple[Connection | None, bool]:
    """The connection that is waited on, and whether no other one fits as well.

    First those whose port belongs to the category, then those that wait for an answer, then one peer only.
    """
    fitting = [c for c in candidates if (s := service_of(c)) is not None and s.category is category]
    best = fitting or list(candidates)
    waiting = [c for c in best if awaits_answer(c)]
    best = waiting or best
    if len({c.peer for c in best}) == 1:
        return max(best, key=lambda c: (c.traffic.last_received_s or 0.0) if c.traffic else 0.0), True
    connecting = [c for c in best if c.state == "SYN_SENT"]
    if len({c.peer for c in connecting}) == 1:
        return connecting[0], True
    if not waiting:
        return None, False
    # Several wait for their answers: the one that was asked last is what the code waits for now, most likely.
    return min(waiting, key=lambda c: _last_sent_s(c)), False


def _join_socket(category: Category, wait: KernelWait | None, seen: KernelEvidence) -> JoinedWait:
    connected = [c for c in seen.connections if c.outgoing and c.peer and c.protocol != "udp"]
    # A worker has unix sockets that no call waits for (the system log): one is chosen only if it is a known server's.
    outgoing = [c for c in connected if c.family != "unix" or service_of(c)]
    if wait is None or wait.system_call is None:
        return _chosen(outgoing, category, seen, wait)
    if any(descriptor.through_epoll for descriptor in wait.descriptors):
        watched = {descriptor.fd for descriptor in wait.descriptors}
        # A loop takes a socket out of its set while nobody reads from it; then every connection is a candidate.
        return _chosen([c for c in outgoing if c.fd in watched] or outgoing, category, seen, wait)
    by_fd = {d.fd: d for d in wait.descriptors}
    direct = [c for c in connected if c.fd in by_fd]
    if direct:
        connection, sure = choose_connection(direct, category)
        connection = connection or direct[0]
        return _waits_for(connection, seen, wait, by_fd.get(connection.fd or 0), sure=sure)
    sockets = [descriptor for descriptor in wait.descriptors if descriptor.kind == "socket"]
    if sockets:
        known = {c.fd for c in seen.connections}
        lost = all(descriptor.fd not in known for descriptor in sockets)
        condition = Condition.NOT_CONNECTED.value if lost else None
        return JoinedWait(
            WaitingOn("socket", system_call=wait.system_call, condition=condition), True, note=_note(wait)
        )
    shown = kind_of_wait(wait)
    if shown in ("lock", "poll", None):
        # A client library whose own threads do the talking waits for them, not for the socket.
        chosen = _chosen(outgoing, category, seen, None)
        return JoinedWait(chosen.waiting_on, agrees=None, sure=chosen.sure, note=_note(wait))
    return JoinedWait(_with_other_end(WaitingOn(shown), wait), agrees=False, note=_note(wait))


def _chosen(
    candidates: Sequence[Connection], category: Category, seen: KernelEvidence, wait: KernelWait | None
) -> JoinedWait:
    connection, sure = choose_connection(candidates, category)
    if connection is None:
        return JoinedWait(WaitingOn("socket", system_call=wait.system_call if wait else None), sure=not candidates)
    return _waits_for(connection, seen, wait, None, sure=sure)


def _waits_for(
    connection: Connection,
    seen: KernelEvidence,
    wait: KernelWait | None,
    descriptor: WaitedDescriptor | None,
    *,
    sure: bool,
) -> JoinedWait:
    condition = read_condition(connection, seen.received_before, writing=descriptor is not None and descriptor.writing)
    waiting_on = describe_connection(connection, condition)
    return JoinedWait(
        replace(waiting_on, system_call=wait.system_call if wait else None),
        agrees=True if descriptor is not None else None,
        sure=sure,
        note=_note(wait, connection),
    )


def _join_dns(wait: KernelWait, seen: KernelEvidence) -> JoinedWait:
    """The resolver's own socket, where the C library waits for a name server."""
    server = _name_server(wait, seen)
    if server is None:
        return JoinedWait(WaitingOn("dns", system_call=wait.system_call))
    return JoinedWait(
        WaitingOn("dns", server.peer, None, "dns", system_call=wait.system_call),
        agrees=True,
        note=_note(wait, server),
    )


def _name_server(wait: KernelWait, seen: KernelEvidence) -> Connection | None:
    fds = {descriptor.fd for descriptor in wait.descriptors if not descriptor.through_epoll}
    servers = (c for c in seen.connections if c.outgoing and c.fd in fds and (c.peer or "").endswith(":53"))
    return next(servers, None)


def _join_child(wait: KernelWait, shown: str | None) -> JoinedWait:
    agrees = shown in ("child", "pipe", "poll") if shown is not None else None
    return JoinedWait(_with_other_end(WaitingOn("child"), wait), agrees, note=_note(wait))


def _with_other_end(waiting: WaitingOn, wait: KernelWait) -> WaitingOn:
    """The process at the other end of a pipe, the child waited for, or the file."""
    process = next((d.process for d in wait.descriptors if d.process), wait.process)
    return replace(
        waiting,
        system_call=wait.system_call,
        file=next((d.name for d in wait.descriptors if d.kind == "file"), None),
        process_name=process.name if process else None,
        process_pid=process.pid if process else None,
    )


def _last_sent_s(connection: Connection) -> float:
    sent_s = connection.traffic.last_sent_s if connection.traffic else None
    return float("inf") if sent_s is None else sent_s


def _note(wait: KernelWait | None, connection: Connection | None = None) -> str | None:
    """One line of evidence: "the kernel shows it in recvfrom on descriptor 9, its connection to 10.0.3.7:5432"."""
    if wait is None or (wait.system_call is None and wait.function is None):
        return None
    # Compilers add suffixes to the names of kernel functions: poll_schedule_timeout.constprop.0.
    text = f"the kernel shows it in {wait.system_call or (wait.function or '').partition('.')[0]}"
    direct = [descriptor for descriptor in wait.descriptors if not descriptor.through_epoll]
    if connection is not None and any(descriptor.fd == connection.fd for descriptor in direct):
        return f"{text} on descriptor {connection.fd}, its connection to {connection.peer}"
    if connection is not None and any(descriptor.fd == connection.fd for descriptor in wait.descriptors):
        return f"{text}; its connection to {connection.peer} is one that its event loop watches"
    if len(direct) == 1:
        (one,) = direct
        what = one.name or one.kind
        other = f" with {one.process.name} (pid {one.process.pid}) at the other end" if one.process else ""
        return f"{text} on descriptor {one.fd}, {what}{other}"
    return text
