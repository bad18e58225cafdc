"""Where workers were seen, added up: the samples behind a report as stacks with their weights.

Kept only where it is asked for: the report itself needs one stack for each blame.
"""

from __future__ import annotations

from dataclasses import dataclass

from gtdiag.model.report import Phase
from gtdiag.model.stacks import Frame


@dataclass(frozen=True, slots=True)
class ProfiledStack:
    """One stack that was seen of one worker in one phase.

    `phase` is None where a log does not tell. `strand`: what had the stack: "main thread", a thread's name, "tasks",
    "greenlets", "traceback in the log". `frames`: outermost first. `looks`: how many looks saw it; `seconds`: for how
    long it was there, as the times between those looks tell (each gives half of itself to the look before and to the
    look after it); 0 where there was one look only.
    """

    phase: Phase | None
    strand: str
    frames: tuple[Frame, ...]
    looks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerProfile:
    """The stacks of one life of a worker, or (`ordinal` None) of a master that loaded the application.

    In the order in which they were first seen, those of the start-up first. `left_out`: how many sightings of further
    stacks there was no room for.
    """

    pid: int | None
    ordinal: int | None
    stacks: tuple[ProfiledStack, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class StackProfile:
    """The profiles of all workers whose stacks were seen, in the order of their first look."""

    workers: tuple[WorkerProfile, ...] = ()
