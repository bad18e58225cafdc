"""A master that loads the application itself (`--preload`) to its incident, or to a word on how far it is.

No worker exists before it is done, so nothing beats, nothing is timed out, and nothing is logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.peer_condition import ReceivedBytes
from gtdiag.analysis.wording import count_of, describe_blocked, seconds_in_words
from gtdiag.model.report import Blocked, Confidence, Incident, IncidentKind, KilledBy, Phase
from gtdiag.model.stacks import Connection, Frame, KernelWait, SuspendedCode, ThreadStack

_ARBITER_FILE = "gunicorn/arbiter.py"
_LOADING = "setup"
"""`Arbiter.setup` loads the application where `preload_app` is set, in 19 to 27; it is over before `Arbiter.run`."""
_RUNNING = "run"
BLIND_WATCH_S = 5.0
"""A master that nobody can look into must have been without workers for so long before anything is said of it."""


@dataclass(slots=True)
class MasterStartup:
    """What the looks at a master showed while it had no workers."""

    threads: tuple[ThreadStack, ...] = ()
    suspended: tuple[SuspendedCode, ...] = ()
    unread: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()
    kernel_function: str | None = None
    waits: tuple[KernelWait, ...] = ()
    received: ReceivedBytes = field(default_factory=ReceivedBytes)
    seen_inside: bool = False
    cpu_percent: float | None = None
    tally: BlameTally = field(default_factory=BlameTally)
    looked_at: datetime | None = None
    loading_at: datetime | None = None
    """When it was last seen loading the application."""
    over_at: datetime | None = None

    in_startup: bool = True


@dataclass(frozen=True, slots=True)
class MasterLoading:
    """How long a master has been loading the application, and in what it is blocked."""

    pid: int | None
    seconds: float
    timeout_s: float
    blocked: Blocked | None
    started_at: datetime
    over_at: datetime | None
    looked_into: bool

    @property
    def overdue(self) -> bool:
        """Whether it takes longer than a worker would have been given."""
        return self.seconds > self.timeout_s

    def sentence(self) -> str:
        """What an SRE needs to know."""
        words = f"master {self.pid} has been loading the application for {seconds_in_words(self.seconds)}"
        if self.overdue:
            words += f" (time-out {seconds_in_words(self.timeout_s)})"
        if self.blocked is not None:
            words += f", blocked in {describe_blocked(self.blocked)}"
        elif not self.looked_into:
            words += "; the evidence here does not show in what"
        return words + "; no worker starts before that is done (--preload)"

    @property
    def confidence(self) -> Confidence:
        """Of the sentence."""
        if self.blocked is not None:
            return self.blocked.confidence
        return Confidence.MEDIUM if self.looked_into else Confidence.LOW

    def incident(self) -> Incident:
        """As an incident of the report."""
        evidence = ["the master has no worker, and no heartbeat file of one"]
        if self.blocked is not None and self.blocked.samples:
            call = self.blocked.call or self.blocked.library_call or "the same call"
            evidence.append(f"{count_of(self.blocked.samples, 'look')} saw it in {call}")
        return Incident(
            id="",
            kind=IncidentKind.MASTER_HANG,
            pid=None,
            ordinal=None,
            master_pid=self.pid,
            at=self.started_at + timedelta(seconds=self.timeout_s),
            resolved_at=self.over_at,
            phase=Phase.STARTUP,
            killed_by=KilledBy.NONE,
            summary=self.sentence(),
            blocked=self.blocked,
            evidence=tuple(evidence),
        )


def is_loading(threads: tuple[ThreadStack, ...], suspended: tuple[SuspendedCode, ...]) -> bool:
    """Whether the master is inside `Arbiter.setup`; under gevent that is on the stack of its main greenlet."""
    stacks = [thread.frames for thread in threads if thread.main] + [code.frames for code in suspended]
    return any(_has(frames, _LOADING) and not _has(frames, _RUNNING) for frames in stacks)


def _has(frames: tuple[Frame, ...], function: str) -> bool:
    return any(frame.function.rpartition(".")[2] == function and frame.file.endswith(_ARBITER_FILE) for frame in frames)
