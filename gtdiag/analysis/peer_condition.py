"""One connection, and what it was a few looks ago, to the condition its peer is in: mute, unreachable, slow, ...

The words are those of the report's `waiting_on.condition`; what each means is said to a person in `wording.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from gtdiag.model.stacks import Connection
from gtdiag.rules.thresholds import threshold


class Condition(str, enum.Enum):
    """What the kernel's figures say of the other end."""

    UNREACHABLE = "unreachable"
    """What was sent is not acknowledged, and sent again: the SYN of a connect, or data of a connection that broke."""
    CONNECTING = "connecting"
    """A SYN is under way, and was not sent again yet."""
    MUTE = "mute"
    """Connected, and not one byte came back."""
    SILENT = "silent"
    """It answered before, and has not since the last bytes were sent."""
    SLOW = "slow"
    """Bytes come in between the looks: slow, but moving."""
    CLOSED_BY_PEER = "closed_by_peer"
    NOT_READING = "not_reading"
    """The peer takes no more: what is written stays in the kernel's buffer."""
    UNREAD = "unread"
    """The answer is there and this process has not read it."""
    NOT_CONNECTED = "not_connected"
    """The socket waited on has no peer: not connected yet, refused, or reset."""
    OWN_POOL = "own_pool"
    """No peer at all: the caller waits until another one gives a connection back to its own pool."""


_KEPT = 5


class ReceivedBytes:
    """What each connection of a process had received as of the last few looks."""

    def __init__(self) -> None:
        self._looks: list[dict[int, int]] = []

    def add(self, connections: Iterable[Connection]) -> None:
        """Take in another look."""
        look = {
            c.inode: c.traffic.bytes_received
            for c in connections
            if c.inode is not None and c.traffic is not None and c.traffic.bytes_received is not None
        }
        self._looks = [*self._looks, look][-_KEPT:]

    def before(self) -> dict[int, int]:
        """Bytes received by inode, as of the earliest of them that knows the connection, without the latest look."""
        earliest: dict[int, int] = {}
        for look in reversed(self._looks[:-1]):
            earliest.update(look)
        return earliest


def read_condition(
    connection: Connection, received_before: Mapping[int, int] | None = None, *, writing: bool = False
) -> Condition | None:
    """The condition of a connection's peer; None where nothing is wrong with it, or nothing is known.

    `received_before`: bytes received as of an earlier look, by inode. `writing`: the call waits until it can write.
    """
    traffic = connection.traffic
    if connection.state == "SYN_SENT":
        again = traffic is not None and (traffic.retransmits or traffic.total_retransmits)
        return Condition.UNREACHABLE if again else Condition.CONNECTING
    if connection.state == "CLOSE_WAIT":
        return Condition.CLOSED_BY_PEER
    if traffic is None or connection.state != "ESTABLISHED":
        return None
    if traffic.retransmits:
        return Condition.UNREACHABLE
    if traffic.unread_bytes:
        return Condition.UNREAD
    if writing and traffic.unsent_bytes:
        return Condition.NOT_READING
    if not traffic.bytes_received:
        return Condition.MUTE if traffic.bytes_received == 0 else None
    silent_s = traffic.last_received_s
    before = (received_before or {}).get(connection.inode or 0)
    if before is not None and traffic.bytes_received > before and (silent_s or 0.0) <= threshold("slow_gap_s"):
        return Condition.SLOW
    if silent_s is not None and silent_s >= threshold("silent_s") and awaits_answer(connection):
        return Condition.SILENT
    return None


def awaits_answer(connection: Connection) -> bool:
    """Whether the last thing that happened on it was that something was sent; an idle connection has had its answer."""
    traffic = connection.traffic
    if connection.state in ("SYN_SENT", "CLOSE_WAIT") or traffic is None:
        return connection.state == "SYN_SENT"
    if traffic.retransmits or traffic.bytes_received == 0:
        return True
    if traffic.last_sent_s is None or traffic.last_received_s is None:
        return False
    return traffic.last_sent_s <= traffic.last_received_s
