"""Looks at workers to where they were and for how long: every stack, counted; the memory it takes is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.analysis.lives import WorkerLife
from gtdiag.analysis.master_startup import MasterStartup
from gtdiag.model.events import StartupSample
from gtdiag.model.report import Phase
from gtdiag.model.stack_profile import ProfiledStack, StackProfile, WorkerProfile
from gtdiag.model.stacks import Frame, SuspendedCode, ThreadStack
from gtdiag.rules.thresholds import threshold

MAX_STACKS_OF_A_LIFE = 2_000
MAX_STACKS = 50_000
"""Distinct stacks that are kept, of one life and of all: some 50 MB at 60 frames each. More are counted, not kept."""

_Key = tuple[Phase | None, str, tuple[Frame, ...]]

_KIND_OF_STRAND = {"task": "tasks", "greenlet": "greenlets"}


@dataclass(slots=True)
class _Weight:
    looks: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _LifeTally:
    """What the looks at one life showed. It holds the life, so that no other object can take its identity.

    `last`: each strand's stacks when it was last looked at; a strand that is not in it was not there at `whole_at`, the
    last look at all of them. `startup`: the strands of the last sample of the start-up.
    """

    life: WorkerLife | MasterStartup
    pid: int | None
    weights: dict[_Key, _Weight] = field(default_factory=dict)
    last: dict[str, tuple[datetime, tuple[_Key, ...]]] = field(default_factory=dict)
    whole_at: datetime | None = None
    startup: dict[str, tuple[_Key, ...]] = field(default_factory=dict)
    left_out: int = 0


class StackTally:
    """Adds up the stacks that looks show. Equal stacks of one look count once: what adds up is time, not tasks."""

    def __init__(self) -> None:
        self._lives: dict[int, _LifeTally] = {}
        self._frames: dict[Frame, Frame] = {}
        self._kept = 0

    def add_look(
        self,
        life: WorkerLife | MasterStartup,
        pid: int | None,
        at: datetime | None,
        threads: Iterable[ThreadStack],
        suspended: Iterable[SuspendedCode],
    ) -> None:
        """Count one look at everything. Running tasks and greenlets are left out: they are on their thread's stack."""
        tally = self._tally_of(life, pid)
        seen = self._count(tally, _stacks_of(life, threads, suspended))
        _pass_time(tally, seen, at, whole=True)

    def add_startup_sample(self, life: WorkerLife, sample: StartupSample) -> None:
        """Count one sample of a start-up, which shows the main thread and, where that waits in a loop, what waits."""
        tally = self._tally_of(life, life.pid)
        if sample.unchanged:
            seen = tally.startup
            for key in (key for keys in seen.values() for key in keys):
                tally.weights[key].looks += 1
        else:
            seen = tally.startup = self._count(tally, _stacks_of(life, sample.threads, sample.suspended))
        _pass_time(tally, seen, sample.at, whole=False)

    def add_traceback(self, life: WorkerLife, frames: tuple[Frame, ...]) -> None:
        """Count the stack that an interrupted worker logged: a moment, of which no duration is known."""
        if frames:
            self._count(self._tally_of(life, life.pid), [(None, "traceback in the log", frames)])

    def profile(self, phase_of: Callable[[WorkerLife], Phase | None]) -> StackProfile:
        """Return everything counted until now; `phase_of` judges lives of which only a traceback is known."""
        return StackProfile(tuple(_profile_of(tally, phase_of) for tally in self._lives.values()))

    def _tally_of(self, life: WorkerLife | MasterStartup, pid: int | None) -> _LifeTally:
        return self._lives.setdefault(id(life), _LifeTally(life, pid))

    def _count(self, tally: _LifeTally, stacks: Iterable[_Key]) -> dict[str, tuple[_Key, ...]]:
        """Count each distinct stack once and return those that are kept, by their strand."""
        kept: dict[str, tuple[_Key, ...]] = {}
        for key in dict.fromkeys(stacks):
            weight = tally.weights.get(key)
            if weight is None:
                if len(tally.weights) >= MAX_STACKS_OF_A_LIFE or self._kept >= MAX_STACKS:
                    tally.left_out += 1
                    continue
                self._kept += 1
                # Frames repeat from look to look and from stack to stack: one object of each is enough.
                key = (key[0], key[1], tuple(self._frames.setdefault(frame, frame) for frame in key[2]))
                weight = tally.weights[key] = _Weight()
            weight.looks += 1
            kept[key[1]] = (*kept.get(key[1], ()), key)
        return kept


def _stacks_of(
    life: WorkerLife | MasterStartup, threads: Iterable[ThreadStack], suspended: Iterable[SuspendedCode]
) -> list[_Key]:
    phase = Phase.STARTUP if life.in_startup else Phase.SERVING
    stacks: list[_Key] = [(phase, _strand(thread), thread.frames) for thread in threads if thread.frames]
    stacks += [
        (phase, _KIND_OF_STRAND.get(code.kind, code.kind), code.frames)
        for code in suspended
        if code.frames and not code.running
    ]
    return stacks


def _pass_time(tally: _LifeTally, seen: dict[str, tuple[_Key, ...]], at: datetime | None, *, whole: bool) -> None:
    """Give the time since each strand was last looked at to what it was in then and is in now, half of it to each.

    A look is complete only when the next one begins, so samples that were taken after it may have been counted before:
    their strands have passed its time already.
    """
    if at is None:
        return
    last = {} if whole else dict(tally.last)
    for strand in {**tally.last, **seen} if whole else seen:
        last_at, last_keys = tally.last.get(strand, (tally.whole_at, ()))
        keys = seen.get(strand, ())
        if last_at is not None and last_at > at:
            last[strand] = (last_at, last_keys)
            continue
        if last_at is not None:
            passed_s = min((at - last_at).total_seconds(), threshold("longest_look_gap_s"))
            for key in (*last_keys, *keys):
                tally.weights[key].seconds += passed_s / 2
        if keys:
            last[strand] = (at, keys)
    tally.last = last
    if whole:
        tally.whole_at = at


def _strand(thread: ThreadStack) -> str:
    if thread.main:
        return "main thread"
    return thread.name or "a thread without a name"


def _profile_of(tally: _LifeTally, phase_of: Callable[[WorkerLife], Phase | None]) -> WorkerProfile:
    judged = phase_of(tally.life) if isinstance(tally.life, WorkerLife) else Phase.STARTUP
    stacks = [
        ProfiledStack(phase or judged, strand, frames, weight.looks, round(weight.seconds, 6))
        for (phase, strand, frames), weight in tally.weights.items()
    ]
    stacks.sort(key=lambda stack: stack.phase is not Phase.STARTUP)
    ordinal = tally.life.ordinal if isinstance(tally.life, WorkerLife) else None
    return WorkerProfile(tally.pid, ordinal, tuple(stacks), tally.left_out)
