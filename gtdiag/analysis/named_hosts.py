"""What a call waits on, and the hosts that its frames name, to the peer under the application's own name for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gtdiag.model.report import WaitingOn
from gtdiag.model.stacks import Frame, NamedHost


def name_peer(waiting_on: WaitingOn | None, frames: Iterable[Frame], hosts: Sequence[NamedHost]) -> WaitingOn | None:
    """Name the peer as the innermost frame does that names one; a port that is not the peer's is another's name."""
    if waiting_on is None or waiting_on.peer is None or waiting_on.peer_name is not None or not hosts:
        return waiting_on
    by_frame = {(named.function, named.file): named for named in hosts}
    keys = [(frame.function, frame.file) for frame in frames]
    named = next((by_frame[key] for key in reversed(keys) if key in by_frame), None)
    if named is None or (named.port is not None and not waiting_on.peer.endswith(f":{named.port}")):
        return waiting_on
    return replace(waiting_on, peer_name=named.host)
