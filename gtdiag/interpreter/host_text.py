"""A DSN, URL or host as a program holds it, to the host and port in it. Nothing else of it leaves this module."""

from __future__ import annotations

import ipaddress
import re

_LONGEST = 2048
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#]*@)?([^/?#@,]+)(?P<rest>.*)", re.DOTALL)
"""Scheme, user and password (left out), then host and port up to the path or the next host."""
_KEYWORD = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)")
"""libpq's keyword/value connection strings (PostgreSQL, section "Connection Strings")."""
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")


def parse_host(text: str | None, *, bare: bool = False) -> tuple[str, int | None] | None:
    """The host's name and the port where one is given; None where there is no name (an address is none).

    `bare`: the whole text is a host, perhaps with a port.
    """
    if not text or len(text) > _LONGEST:
        return None
    if (url := _URL.match(text)) is not None:
        # An @ further on: a password that holds a slash, perhaps. What looks like the host may be a part of it.
        return None if "@" in url["rest"] else _host_and_port(url[1])
    words = _parse_keywords(text)
    if "host" in words:
        named = _host_and_port(words["host"])
        return None if named is None else (named[0], named[1] or _port(words.get("port", "")))
    return _host_and_port(text) if bare else None


def _parse_keywords(text: str) -> dict[str, str]:
    """Every keyword and value; empty where the text is not made of them alone."""
    words: dict[str, str] = {}
    at = 0
    while (word := _KEYWORD.match(text, at)) is not None:
        words[word[1]] = word[2].strip("'")
        at = word.end()
    return words if not text[at:].strip() else {}


def _host_and_port(text: str) -> tuple[str, int | None] | None:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5:
        host, port = text, ""
    if not _HOST.fullmatch(host) or _is_address(host):
        return None
    return host.rstrip(".").lower(), _port(port)


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 5 and 0 < int(text) < 1 << 16 else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
