"""A health endpoint, asked again and again while a watch runs, to events: status, latency, or why there was no answer.

The only place where gtdiag talks to the watched server, and only where the user gave the URL.
"""

from __future__ import annotations

import base64
import http.client
import threading
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult, unquote, urlsplit

from gtdiag import __version__
from gtdiag.collectors.clock import Clock
from gtdiag.errors import UsageError
from gtdiag.model.events import HealthSample
from gtdiag.model.identity import Origin

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 2.0
"""For each step (connect, send, status line): a health check that takes longer is of no use to a load balancer."""

MAX_REASON = 200


class HealthProbe:
    """Asks in a thread of its own, a new connection each time, so that any of the workers may answer.

    Raises UsageError, when created, for what is no http or https URL.
    """

    def __init__(
        self, url: str, clock: Clock, *, every_s: float = PROBE_EVERY_S, timeout_s: float = PROBE_TIMEOUT_S
    ) -> None:
        self._parts = _parse(url)
        self.shown_url = show_url(self._parts)
        self._clock = clock
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._samples: SimpleQueue[HealthSample] = SimpleQueue()
        self._stopping = threading.Event()
        self._answered: bool | None = None
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a probe that is under way is not waited for."""
        self._stopping.set()

    def poll(self) -> list[HealthSample]:
        """The answers since the last call."""
        samples = []
        while True:
            try:
                samples.append(self._samples.get_nowait())
            except Empty:
                return samples

    def _run(self) -> None:
        while not self._stopping.is_set():
            began_s = self._clock.monotonic()
            self._samples.put(self._ask())
            self._stopping.wait(max(0.05, self._every_s - (self._clock.monotonic() - began_s)))

    def _ask(self) -> HealthSample:
        at, began_s = self._clock.now(), self._clock.monotonic()
        status, error = None, ""
        try:
            status = self._request()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            error = (str(problem) or type(problem).__name__)[:MAX_REASON]
        answered = status is not None and status < 400
        changed, self._answered = answered != self._answered, answered
        return HealthSample(
            origin=Origin("health"),
            at=at,
            resolution_s=0.01,
            url=self.shown_url,
            status=status,
            latency_s=round(self._clock.monotonic() - began_s, 4),
            error=error,
            changed=changed,
        )

    def _request(self) -> int:
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_s)
        headers = {"User-Agent": f"gtdiag/{__version__}", "Connection": "close"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        try:
            connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


def show_url(parts: SplitResult) -> str:
    """The URL without user, password and the values of its query."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path or '/'}" + ("?***" if parts.query else "")


def _parse(url: str) -> SplitResult:
    hint = "write it like http://127.0.0.1:8000/healthz"
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UsageError(f"--health: {error}", hint=hint) from None
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or not printable:
        raise UsageError("--health wants an http or https URL", hint=hint)
    return parts
