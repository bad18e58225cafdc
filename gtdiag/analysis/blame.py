"""Many looks at one worker to one blame: the call that held it, for how long, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gtdiag.analysis.look import Look
from gtdiag.model.report import Blocked, Category, Confidence, How, Owner, StackFrame
from gtdiag.rules.categories import WAITING_CATEGORIES
from gtdiag.rules.services import match_peer
from gtdiag.rules.thresholds import threshold

_MAX_CALLS = 64  # distinct calls kept for one worker; a worker that shows more is not blocked in one of them
_SHORTEST_OBSERVATION_S = 0.5
_LOWER = {Confidence.HIGH: Confidence.MEDIUM, Confidence.MEDIUM: Confidence.LOW, Confidence.LOW: Confidence.LOW}

_CallKey = tuple[tuple[str, ...], str | None, Category, str | None]


@dataclass(slots=True)
class _CallTally:
    """What the looks that saw the same call add up to."""

    look: Look
    seconds: float = 0.0
    count: int = 0
    agreed: int = 0
    disagreed: int = 0
    """Looks at which the kernel showed the wait that the stack says, and at which it showed another one."""
    objection: str | None = None


class BlameTally:
    """The looks at one worker since it was last known to go on. Memory does not grow with the number of looks."""

    def __init__(self) -> None:
        self._calls: dict[_CallKey, _CallTally] = {}
        self._first_at: datetime | None = None
        self._last: tuple[datetime, _CallKey | None] | None = None
        self._run: dict[_CallKey, int] = {}
        """The calls of the latest unbroken run of looks at one category, with the number of looks at each."""
        self._run_from: datetime | None = None
        self.looks = 0
        self._concluded: tuple[datetime | None, Blocked | None] | None = None
        """The last conclusion, which stands until the next look: of a worker that is gone, in each report to come."""

    def add(self, look: Look | None, at: datetime | None) -> None:
        """Count one look; None stands for a look that saw the worker blocked in nothing."""
        key = None if look is None else (look.path, look.call, look.category, look.library)
        if look is not None and key is not None:
            tally = self._calls.get(key)
            if tally is None:
                if len(self._calls) >= _MAX_CALLS:
                    self._drop_least()
                tally = self._calls[key] = _CallTally(look)
            tally.count += 1
            tally.look = _richer(tally.look, look)
            tally.agreed += look.kernel_agrees is True
            if look.kernel_agrees is False:
                tally.disagreed += 1
                tally.objection = look.kernel_note or tally.objection
        self.looks += 1
        self._concluded = None
        if key is None or all(seen[2] is not key[2] for seen in self._run):
            self._run, self._run_from = {}, at
        if key is not None and (key in self._run or len(self._run) < _MAX_CALLS):
            self._run[key] = self._run.get(key, 0) + 1
        if at is not None:
            self._pass_time(at, key)

    def conclude(self, end: datetime | None) -> Blocked | None:
        """The call that held the worker until `end`; None if no look saw one.

        That is the one it was in at last, when it had been in it for a while: a start-up that imports for 20 s and then
        waits for a database is ended by the wait. Otherwise the one that took most of the time looked at.
        """
        if self._concluded is None or self._concluded[0] != end:
            self._concluded = end, self._conclude(end)
        return self._concluded[1]

    def _conclude(self, end: datetime | None) -> Blocked | None:
        if not self._calls:
            return None
        seconds = {key: tally.seconds for key, tally in self._calls.items()}
        if self._last and end and end > self._last[0] and self._last[1] in seconds:
            seconds[self._last[1]] += (end - self._last[0]).total_seconds()
        observed_s = self._observed_s(end)
        if observed_s < _SHORTEST_OBSERVATION_S:
            observed_s = 0.0  # one look is a moment: it says what, not for how long
        weights = {key: seconds[key] + 0.001 * self._calls[key].count for key in seconds}
        at_last = self._run_at_last(observed_s, end)
        path, share = _dominant_path(at_last or weights)
        considered = weights if at_last is None else {key: weights[key] for key in at_last if key in weights}
        members = {key: weight for key, weight in considered.items() if key[0][: len(path)] == path}
        leading = max(members, key=lambda key: members[key])
        blocked = self._blocked_in(leading, path)
        blocked_s = sum(seconds[key] for key in members)
        samples = sum(self._calls[key].count for key in members)
        confidence = blocked.confidence
        members_weight = sum(members.values())
        category_weight = sum(w for key, w in members.items() if key[2] is blocked.category)
        if share < threshold("dominant_share") or category_weight < threshold("dominant_share") * members_weight:
            confidence = _LOWER[confidence]
        agreed = sum(self._calls[key].agreed for key in members)
        disagreed = sum(self._calls[key].disagreed for key in members)
        if disagreed > agreed:
            confidence = _LOWER[confidence]
        independent = agreed > disagreed or _peer_agrees(blocked)
        if samples < 2 and blocked.how is not How.LOG_TRACEBACK and not independent:
            confidence = _LOWER[confidence]
        return replace(
            blocked,
            seconds=round(blocked_s, 3) if observed_s else None,
            share=round(min(1.0, blocked_s / observed_s), 3) if observed_s else None,
            samples=samples,
            confidence=confidence,
            kernel_agrees=None if agreed == disagreed else agreed > disagreed,
            evidence=_evidence(self._calls[leading], disagrees=disagreed > agreed),
        )

    def other_calls(self, blocked: Blocked) -> tuple[tuple[Look, float], ...]:
        """Other calls that took at least a second of the time looked at, longest first, with their seconds."""
        others = [
            (tally.look, tally.seconds)
            for key, tally in self._calls.items()
            if key[0][: len(blocked.path)] != blocked.path and tally.seconds >= 1.0
        ]
        return tuple(sorted(others, key=lambda other: -other[1]))

    def _run_at_last(self, observed_s: float, end: datetime | None) -> dict[_CallKey, float] | None:
        """The calls of the run that the worker was in at last, by looks, if it was long enough to be the cause."""
        looks = sum(self._run.values())
        until = max(filter(None, (end, self._last[0] if self._last else None)), default=None)
        if looks < 2 or self._run_from is None or until is None or not observed_s:
            return None
        share = (until - self._run_from).total_seconds() / observed_s
        waits = all(key[2] in WAITING_CATEGORIES for key in self._run)
        if share < threshold("last_wait_share" if waits else "last_run_share"):
            return None
        return {key: float(count) for key, count in self._run.items() if key in self._calls} or None

    def in_event_loop(self) -> bool:
        """Whether most looks saw a synchronous call inside the event loop."""
        return sum(t.count for t in self._calls.values() if t.look.in_event_loop) * 2 > self.looks

    def blocking_coroutine(self) -> str | None:
        """The coroutine that most looks saw making the synchronous call inside the event loop."""
        counts: dict[str, int] = {}
        for tally in self._calls.values():
            if tally.look.in_event_loop and tally.look.coroutine is not None:
                counts[tally.look.coroutine] = counts.get(tally.look.coroutine, 0) + tally.count
        return max(counts, key=lambda name: counts[name], default=None)

    def _pass_time(self, at: datetime, key: _CallKey | None) -> None:
        if self._first_at is None:
            self._first_at = at
        if self._last is not None and at > self._last[0]:
            passed = (at - self._last[0]) / timedelta(seconds=1)
            # Between two looks that saw different calls, half the time belongs to each.
            for seen, part in ((self._last[1], 0.5), (key, 0.5)):
                if seen in self._calls:
                    self._calls[seen].seconds += passed * part
        if self._last is None or at >= self._last[0]:
            self._last = (at, key)

    def _observed_s(self, end: datetime | None) -> float:
        if self._first_at is None or self._last is None:
            return 0.0
        until = max(self._last[0], end) if end else self._last[0]
        return (until - self._first_at).total_seconds()

    def _drop_least(self) -> None:
        del self._calls[min(self._calls, key=lambda key: self._calls[key].seconds)]

    def _blocked_in(self, key: _CallKey, path: tuple[str, ...]) -> Blocked:
        look = self._calls[key].look
        deepest = path == look.path
        call_frame = None if deepest else _app_frame_at(look, len(path) - 1)
        return Blocked(
            category=look.category,
            call=look.call if deepest else (call_frame.function if call_frame else None),
            file=look.file if deepest else (call_frame.file if call_frame else None),
            line=look.line if deepest else (call_frame.line if call_frame else None),
            path=look.path if deepest else path,
            library=look.library,
            library_call=look.library_call,
            waiting_on=look.waiting_on,
            seconds=None,
            share=None,
            samples=0,
            confidence=look.confidence,
            how=look.how,
            stack=look.stack,
            rule=look.rule,
        )


def _evidence(tally: _CallTally, *, disagrees: bool) -> tuple[str, ...]:
    """The kernel's side of the wait, in words; where it speaks against the stack, that is said."""
    if disagrees:
        return (f"this speaks against it: {tally.objection}",) if tally.objection else ()
    return (tally.look.kernel_note,) if tally.look.kernel_note else ()


def _dominant_path(weights: dict[_CallKey, float]) -> tuple[tuple[str, ...], float]:
    """The longest application path that holds the dominant share of the time, and that share; else the heaviest one."""
    total = sum(weights.values())
    by_prefix: dict[tuple[str, ...], float] = {}
    for key, weight in weights.items():
        for length in range(1, len(key[0]) + 1):
            prefix = key[0][:length]
            by_prefix[prefix] = by_prefix.get(prefix, 0.0) + weight
    dominant = [prefix for prefix, weight in by_prefix.items() if weight >= threshold("dominant_share") * total]
    if dominant:
        path = max(dominant, key=len)
        return path, by_prefix[path] / total
    heaviest = max(weights, key=lambda key: weights[key])
    return heaviest[0], weights[heaviest] / total


def _app_frame_at(look: Look, index: int) -> StackFrame | None:
    app = [frame for frame in look.stack if frame.owner is Owner.APP]
    return app[index] if 0 <= index < len(app) else None


def _richer(old: Look, new: Look) -> Look:
    """The later look, unless only the earlier one knew the peer."""
    knew_peer = old.waiting_on is not None and old.waiting_on.peer is not None
    knows_peer = new.waiting_on is not None and new.waiting_on.peer is not None
    return replace(new, waiting_on=old.waiting_on) if knew_peer and not knows_peer else new


def _peer_agrees(blocked: Blocked) -> bool:
    """Whether the socket's peer says the same category as the stack: two independent witnesses."""
    waiting = blocked.waiting_on
    service = match_peer(waiting.peer, waiting.process_name) if waiting else None
    return service is not None and service.category is blocked.category
