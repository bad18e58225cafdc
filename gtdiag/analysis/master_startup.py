"""A master that loads the application itself (`--preload`), or hangs in a server hook, to its incident or a word on it.

No worker exists before it is done, so nothing beats, nothing is timed out, and nothing is logged.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.peer_condition import ReceivedBytes
from gtdiag.analysis.wording import count_of, describe_blocked, seconds_in_words
from gtdiag.model.report import Blocked, Confidence, Incident, IncidentKind, KilledBy, Phase
from gtdiag.model.stacks import Connection, KernelWait, NamedHost, SuspendedCode, ThreadStack

_GUNICORN = "gunicorn/"
_ARBITER_FILE = f"{_GUNICORN}arbiter.py"
_LOADING = "setup"
"""`Arbiter.setup` loads the application where `preload_app` is set, in 19 to 27; it is over before `Arbiter.run`."""
_RUNNING = "run"
_CALLS_HOOKS = ("start", "spawn_worker")
"""`Arbiter.start` calls `on_starting` and `when_ready`, `Arbiter.spawn_worker` calls `pre_fork`, in 19 to 27."""
BLIND_WATCH_S = 5.0
"""A master that nobody can look into must have been without workers for so long before anything is said of it."""


class MasterStep(enum.Enum):
    """What a master does before it has workers, in words."""

    LOADING = "loading the application"
    HOOK = "in a server hook"


_WAITED_FOR = {
    MasterStep.LOADING: "no worker starts before that is done (--preload)",
    MasterStep.HOOK: "no worker starts before the hook returns (on_starting, when_ready, pre_fork)",
}


@dataclass(slots=True)
class MasterStartup:
    """What the looks at a master showed while it had no workers."""

    threads: tuple[ThreadStack, ...] = ()
    suspended: tuple[SuspendedCode, ...] = ()
    unread: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()
    hosts: tuple[NamedHost, ...] = ()
    kernel_function: str | None = None
    waits: tuple[KernelWait, ...] = ()
    received: ReceivedBytes = field(default_factory=ReceivedBytes)
    seen_inside: bool = False
    cpu_percent: float | None = None
    tally: BlameTally = field(default_factory=BlameTally)
    looked_at: datetime | None = None
    step: MasterStep | None = None
    step_at: datetime | None = None
    """When it was last seen in its step: loading the application, or in a hook."""
    over_at: datetime | None = None

    in_startup: bool = True


@dataclass(frozen=True, slots=True)
class MasterLoading:
    """How long a master has been loading the application, or been in a server hook, and in what it is blocked."""

    step: MasterStep
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
        words = f"master {self.pid} has been {self.step.value} for {seconds_in_words(self.seconds)}"
        if self.overdue:
            words += f" (time-out {seconds_in_words(self.timeout_s)})"
        if self.blocked is not None:
            words += f", blocked in {describe_blocked(self.blocked)}"
        elif not self.looked_into:
            words += "; the evidence here does not show in what"
        return f"{words}; {_WAITED_FOR[self.step]}"

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


def startup_step(threads: tuple[ThreadStack, ...], suspended: tuple[SuspendedCode, ...]) -> MasterStep | None:
    """What a master without workers is in; under gevent that is on the stack of its main greenlet."""
    for frames in [thread.frames for thread in threads if thread.main] + [code.frames for code in suspended]:
        own = [place for place, frame in enumerate(frames) if frame.file.endswith(_ARBITER_FILE)]
        functions = [frames[place].function.rpartition(".")[2] for place in own]
        if _LOADING in functions and _RUNNING not in functions:
            return MasterStep.LOADING
        below = frames[own[-1] + 1 :] if own else ()
        if below and functions[-1] in _CALLS_HOOKS and _GUNICORN not in below[0].file:
            return MasterStep.HOOK
    return None
