"""One process to the kernel's side of what it waits for: its threads' waits, its connections, what went over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gtdiag.collectors.host_names import name_of, read_host_names
from gtdiag.collectors.peer_processes import PeerFinder
from gtdiag.collectors.socket_diagnostics import SocketDiagnosticsError
from gtdiag.collectors.socket_tables import SharedSocketTables
from gtdiag.collectors.sockets import read_sockets
from gtdiag.collectors.tcp_traffic import find_other_ends, read_traffic
from gtdiag.collectors.thread_waits import read_thread_waits
from gtdiag.model.stacks import Connection, KernelWait, TcpTraffic, WaitedDescriptor

SETS_SEARCHED = 8
"""A set of pipes longer than this is not one that a caller waits for its child with."""


@dataclass(frozen=True, slots=True)
class KernelSide:
    """What one look saw. `without_traffic`: why the connections' byte counts are missing."""

    connections: tuple[Connection, ...]
    waits: tuple[KernelWait, ...]
    without_traffic: SocketDiagnosticsError | None = None


class KernelSideReader:
    """Reads the kernel's side of processes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._peers = PeerFinder()
        self._tables = SharedSocketTables()

    def read(self, pid: int) -> KernelSide:
        """Look once. Raises ProcessLookupError when it is gone, PermissionError when its descriptors are not for us."""
        waits = read_thread_waits(pid)
        connections, unix_peers = read_sockets(pid, self._tables)
        outgoing = [connection for connection in connections if connection.outgoing]
        traffic: Mapping[int, TcpTraffic] = {}
        without_traffic = None
        try:
            traffic = read_traffic(pid, outgoing)
        except SocketDiagnosticsError as error:
            without_traffic = error
        waited = {descriptor.fd for wait in waits for descriptor in wait.descriptors}
        names = read_host_names(pid) if outgoing else {}
        awaited = [connection for connection in outgoing if connection.fd in waited]
        other_ends = {**unix_peers, **find_other_ends(pid, awaited)}
        return KernelSide(
            connections=tuple(
                replace(
                    connection,
                    traffic=traffic.get(connection.inode or 0),
                    peer_name=name_of(connection.peer, names),
                    process=self._peers.find(pid, other_ends[connection.inode])
                    if connection in awaited and connection.inode in other_ends
                    else None,
                )
                for connection in connections
            ),
            waits=tuple(self._with_processes(pid, wait) for wait in waits),
            without_traffic=without_traffic,
        )

    def _with_processes(self, pid: int, wait: KernelWait) -> KernelWait:
        """Who is at the other end of the pipes, where a thread waits for nothing but pipes."""
        descriptors = wait.descriptors
        if not 0 < len(descriptors) <= SETS_SEARCHED or any(d.kind != "pipe" for d in descriptors):
            return wait
        return replace(wait, descriptors=tuple(self._with_process(pid, descriptor) for descriptor in descriptors))

    def _with_process(self, pid: int, descriptor: WaitedDescriptor) -> WaitedDescriptor:
        if descriptor.inode is None or descriptor.through_epoll:
            return descriptor
        return replace(descriptor, process=self._peers.find(pid, descriptor.inode))
