"""How the peer of a wait is, in words: what the kernel's figures mean to a person."""

from __future__ import annotations

from gtdiag.model.report import WaitingOn

_WORDS = {
    "connecting": "the TCP connect is under way (SYN_SENT)",
    "mute": "TCP connected, 0 bytes back",
    "silent": "TCP connected, no answer",
    "slow": "slow but moving",
    "closed_by_peer": "the peer has closed the connection (CLOSE_WAIT)",
    "not_reading": "TCP connected, the peer does not take what is sent",
    "unread": "the answer is there and has not been read",
    "not_connected": "the socket is not connected: not yet, or refused or reset",
    "own_pool": "all connections of its own pool are in use or not there yet",
}


def describe_condition(waiting: WaitingOn) -> str:
    """The condition of the peer, or where it is not known the socket's state; empty without either.

    Without any figure that differs from worker to worker.
    """
    if waiting.condition == "unreachable":
        if waiting.state == "SYN_SENT":
            return "unreachable: nobody answers the TCP connect (SYN_SENT)"
        return "TCP connected, but the peer acknowledges nothing any more"
    if waiting.condition == "mute" and waiting.state == "UNIX":
        return "connected, 0 bytes back"
    return _WORDS.get(waiting.condition or "") or waiting.state or ""


def describe_figures(waiting: WaitingOn) -> str:
    """The kernel's figures: "164 bytes sent, 0 received, silent for 23.9 s"; empty where there are none."""
    parts = []
    if waiting.bytes_sent is not None and waiting.state != "SYN_SENT":
        parts.append(f"{waiting.bytes_sent} bytes sent")
    if waiting.bytes_received is not None and waiting.state != "SYN_SENT":
        parts.append(f"{waiting.bytes_received} received")
    if waiting.last_received_s is not None:
        since = "silent for" if waiting.condition in ("mute", "silent", "unreachable", "own_pool") else "the last"
        ago = "" if since == "silent for" else " ago"
        parts.append(f"{since} {waiting.last_received_s:.1f} s{ago}")
    if waiting.retransmits:
        again = "SYN sent again" if waiting.state == "SYN_SENT" else "sent again"
        parts.append(f"{again} {waiting.retransmits} {'time' if waiting.retransmits == 1 else 'times'}")
        if waiting.next_retransmit_s:
            parts.append(f"next in {waiting.next_retransmit_s:.1f} s")
    return ", ".join(parts)


def describe_peer(waiting: WaitingOn) -> str:
    """The peer with its name: "orders-db (10.0.3.7:5432)"; empty where none is known."""
    if waiting.peer and waiting.peer_name:
        return f"{waiting.peer_name} ({waiting.peer})"
    return waiting.peer or ""
