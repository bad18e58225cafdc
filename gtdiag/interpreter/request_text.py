"""Raw words of a request (target, query, headers) to what may be kept of them: secrets end here, at the source."""

from __future__ import annotations

import re

MASK = "***"
_MAX_PARAMETERS = 64
_LONGEST_ID = 128
_PATH_PARAMETER = re.compile(r"(;[^=;/]{0,200}=)[^;/]*")
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,30}://[^/?#]*")
_TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")

REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id", "request-id", "traceparent", "x-amzn-trace-id")
"""Headers that name a request, the one that counts first; no other header's value is ever read."""


def split_target(target: str) -> tuple[str, str | None]:
    """A request target to its path and its query (None without a `?`); scheme, user, password and host are dropped."""
    authority = _AUTHORITY.match(target)
    path, mark, query = target[authority.end() if authority else 0 :].partition("?")
    return path, query if mark else None


def mask_query(query: str) -> str:
    """A query string with its names and no values; what has no name is masked whole."""
    parts = re.split("[&;]", query, maxsplit=_MAX_PARAMETERS)
    masked = []
    for part in parts[:_MAX_PARAMETERS]:
        name, equals, _ = part.partition("=")
        masked.append(f"{name}={MASK}" if equals else MASK if part else "")
    return "&".join(masked)


def mask_path(path: str) -> str:
    """A path without the values of its parameters (`;jsessionid=...`)."""
    return _PATH_PARAMETER.sub(rf"\1{MASK}", path) if ";" in path else path


def parse_request_id(header: str, value: str) -> str | None:
    """The id in a header's value; None where it is not printable, or far too long for an id."""
    value = value.strip()
    if header == "traceparent":
        match = _TRACE_ID.match(value)
        return match.group(1) if match else None
    return value if value and len(value) <= _LONGEST_ID and value.isascii() and value.isprintable() else None
