"""A starting worker to cheap samples of what its main thread is in: read from its memory, without stopping it.

A deep look each second is too coarse to say where ten seconds of start-up went; one glimpse costs 1 to 3 ms.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from gtdiag.model.stacks import SuspendedCode, ThreadStack

SHORTEST_PAUSE_S = 0.25
PAUSE_SHARE_OF_AGE = 0.05
"""The older the start-up, the coarser: 10 s of it get some 35 glimpses, an hour some 170."""

COST_SHARE = 0.01
"""Of one core, for each starting worker."""

TICK_BUDGET_S = 0.008
"""For all starting workers at one tick (a fifth of a second) of the watch: some 5 % of a core, however many start at
once. Who is left out comes first at the next."""

PAUSE_AFTER_NOTHING_S = 2.0
"""Where nothing could be read (the interpreter is being set up, no right to read): the deep look says why."""


@dataclass(slots=True)
class GlimpseSchedule:
    """When the next glimpse of one worker is due."""

    due_s: float = 0.0
    picture: Hashable = None

    def reschedule(self, now_s: float, age_s: float, cost_s: float, *, saw_something: bool) -> None:
        """A glimpse has been taken: `age_s` since the worker's boot, `cost_s` what it took."""
        pause_s = max(SHORTEST_PAUSE_S, PAUSE_SHARE_OF_AGE * age_s, cost_s / COST_SHARE)
        if not saw_something:
            pause_s = max(pause_s, PAUSE_AFTER_NOTHING_S)
        self.due_s = now_s + pause_s

    def is_news(self, threads: tuple[ThreadStack, ...], suspended: tuple[SuspendedCode, ...]) -> bool:
        """Whether it shows other functions than the glimpse before; lines do not matter."""
        picture = (
            tuple((frame.function, frame.file) for thread in threads for frame in thread.frames),
            tuple((frame.function, frame.file) for code in suspended for frame in code.frames),
        )
        news, self.picture = picture != self.picture, picture
        return news
