"""What the looks at one worker saw of its requests to the requests it was handling when it was last looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.report import Request
from gtdiag.model.requests import RequestInFlight


@dataclass(frozen=True, slots=True)
class _Followed:
    request: RequestInFlight
    first_at: datetime | None
    first_age_s: float | None
    seconds: float | None


class RequestTally:
    """The requests of the last look; a request known from the looks before is as old as those looks show."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}
        self.last_at: datetime | None = None

    def add(self, requests: tuple[RequestInFlight, ...], at: datetime | None) -> None:
        """Take the requests of one look; those that are no longer among them have been answered."""
        self._followed = {request.key: self._follow(request, at) for request in requests}
        self.last_at = at

    def clear(self) -> None:
        """The worker went on: what it was handling is not known any more."""
        self._followed = {}

    def requests(self) -> tuple[Request, ...]:
        """The requests, the longest first."""
        ordered = sorted(self._followed.values(), key=lambda followed: -(followed.seconds or 0.0))
        return tuple(_as_reported(followed) for followed in ordered)

    def leading(self) -> Request | None:
        """The request that the main thread was running, since that holds all others; else the longest one."""
        followed = list(self._followed.values())
        candidates = [one for one in followed if one.request.on_main_thread] or followed
        longest = max(candidates, key=lambda one: one.seconds or 0.0, default=None)
        return None if longest is None else _as_reported(longest)

    def _follow(self, request: RequestInFlight, at: datetime | None) -> _Followed:
        before = self._followed.get(request.key)
        first_at = before.first_at if before is not None else at
        first_age_s = before.first_age_s if before is not None else request.age_s
        known = [] if request.age_s is None else [request.age_s]
        if before is not None and first_at is not None and at is not None:
            known.append((at - first_at).total_seconds() + (first_age_s or 0.0))
        return _Followed(request, first_at, first_age_s, round(max(known), 3) if known else None)


def _as_reported(followed: _Followed) -> Request:
    request = followed.request
    path = request.path
    if path is not None and request.query:
        path = f"{path}?{request.query}"
    return Request(
        method=request.method,
        path=path,
        seconds=followed.seconds,
        client=request.client,
        request_id=request.request_id,
    )
