"""A process's descriptors and the kernel's socket tables to its connections: local end, peer, TCP state."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gtdiag.collectors.socket_tables import SharedSocketTables, SocketTables
from gtdiag.model.stacks import Connection

TCP_STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
    "0C": "NEW_SYN_RECV",
}
"""include/net/tcp_states.h; unchanged since Linux 4.4."""
SOCKET_LINK = re.compile(r"^socket:\[(\d+)\]$")
UNIX_ACCEPTS = 0x10000
"""__SO_ACCEPTCON in the flags of /proc/net/unix: a listening socket."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One socket of a kernel table. For unix sockets `local` and `peer` are paths; the table itself has no peers."""

    family: str
    local: str
    peer: str | None
    state: str
    inode: int
    port: int = 0
    protocol: str = "tcp"


def read_connections(pid: int) -> tuple[Connection, ...]:
    """Read a process's connections; its listeners and its socket pairs without any name are left out.

    Raises ProcessLookupError when it is gone, PermissionError when its descriptors may not be read.
    """
    return read_sockets(pid)[0]


def read_sockets(pid: int, shared: SharedSocketTables | None = None) -> tuple[tuple[Connection, ...], dict[int, int]]:
    """Like `read_connections`, and with them the inodes of the sockets at the other end of the unix sockets.

    `shared`: tables of the kernel that were read for another process just now serve for this one too.
    """
    inodes = read_socket_inodes(pid)
    if not inodes:
        return (), {}
    tables = SocketTables(pid) if shared is None else shared.of(pid, inodes)
    rows = {row.inode: row for name, parse in _TABLES for row in parse(tables.text(name, inodes))}
    peers: Mapping[int, int] = {}
    unnamed = [inode for inode, row in rows.items() if row.family == "unix" and not row.local]
    if unnamed:
        peers = tables.unix_peers()
        at_other_ends = {peers[inode] for inode in unnamed if inode in peers}
        names = {row.inode: row.local for row in parse_unix(tables.text("unix", at_other_ends)) if row.local}
        for inode in unnamed:
            rows[inode] = dataclasses.replace(rows[inode], peer=names.get(peers.get(inode, 0)))
    return join_connections(inodes, rows), dict(peers)


def read_socket_inodes(pid: int) -> dict[int, int]:
    """The process's sockets: inode to descriptor."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    inodes: dict[int, int] = {}
    for name in names:
        try:
            match = SOCKET_LINK.match(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
        except (FileNotFoundError, ProcessLookupError):
            continue
        if match:
            inodes[int(match[1])] = int(name)
    return inodes


def join_connections(inodes: Mapping[int, int], rows: Mapping[int, TableRow]) -> tuple[Connection, ...]:
    """Join descriptors and table rows; what was accepted on one of the process's own listeners is not outgoing.

    A TCP connection between two descriptors of the process that leads to none of its listeners is left out: some
    libraries (pika) wake their own poll with such a pair, and nobody else is at its other end.
    """
    own = [rows[inode] for inode in inodes if inode in rows]
    tcp_ports = {row.port for row in own if row.state == "LISTEN" and row.protocol == "tcp"}
    unix_paths = {row.local for row in own if row.state == "LISTEN" and row.family == "unix"}
    ends = {(row.local, row.peer) for row in own if row.protocol == "tcp" and row.port not in tcp_ports}
    return tuple(
        Connection(
            fd=inodes[row.inode],
            family=row.family,
            local=row.local,
            peer=row.peer,
            state=row.state,
            outgoing=row.local not in unix_paths and (row.protocol != "tcp" or row.port not in tcp_ports),
            inode=row.inode,
            protocol=row.protocol,
        )
        for row in sorted(own, key=lambda row: inodes[row.inode])
        if row.state != "LISTEN"
        and _is_connected(row)
        and not ((row.local, row.peer) in ends and (row.peer, row.local) in ends)
    )


def _is_connected(row: TableRow) -> bool:
    if row.protocol == "udp":
        return row.state == "ESTABLISHED"
    return row.family != "unix" or bool(row.local or row.peer)


def parse_tcp(text: str) -> Iterator[TableRow]:
    """Parse /proc/net/tcp (proc(5))."""
    return _parse_inet(text, "inet")


def parse_tcp6(text: str) -> Iterator[TableRow]:
    """Parse /proc/net/tcp6."""
    return _parse_inet(text, "inet6")


def parse_unix(text: str) -> Iterator[TableRow]:
    """Parse /proc/net/unix. A connected client's row has no path; the accepted end shows the listener's."""
    for line in text.splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) < 7:
            continue
        try:
            flags, inode = int(fields[3], 16), int(fields[6])
        except ValueError:
            continue
        listening = bool(flags & UNIX_ACCEPTS)
        path = fields[7] if len(fields) > 7 else ""
        yield TableRow("unix", path, None, "LISTEN" if listening else "UNIX", inode, protocol="unix")


def parse_udp(text: str) -> Iterator[TableRow]:
    """Parse /proc/net/udp; only a connected socket has a peer."""
    return _parse_inet(text, "inet", "udp")


def parse_udp6(text: str) -> Iterator[TableRow]:
    """Parse /proc/net/udp6."""
    return _parse_inet(text, "inet6", "udp")


_TABLES = (
    ("tcp", parse_tcp),
    ("tcp6", parse_tcp6),
    ("udp", parse_udp),
    ("udp6", parse_udp6),
    ("unix", parse_unix),
)


def _parse_inet(text: str, family: str, protocol: str = "tcp") -> Iterator[TableRow]:
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10:
            continue
        try:
            local, local_port = _address(fields[1])
            peer, peer_port = _address(fields[2])
            inode = int(fields[9])
        except ValueError:
            continue
        state = TCP_STATES.get(fields[3], fields[3])
        yield TableRow(
            family=family,
            local=_joined(local, local_port),
            peer=None if state == "LISTEN" else _joined(peer, peer_port),
            state=state,
            inode=inode,
            port=local_port,
            protocol=protocol,
        )


def _address(text: str) -> tuple[str, int]:
    """`0100007F:1F90` -> ("127.0.0.1", 8080): each 32-bit word is printed in the machine's own byte order."""
    word_hex, port = text.split(":")
    raw = bytes.fromhex(word_hex)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
