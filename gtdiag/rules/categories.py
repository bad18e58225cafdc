"""Which categories of calls wait, and which wait for a peer; the others compute."""

from __future__ import annotations

from gtdiag.model.report import Category

REMOTE_CATEGORIES = frozenset(
    {Category.DATABASE, Category.CACHE, Category.BROKER, Category.HTTP, Category.NETWORK, Category.DNS}
)
"""The call waits for somebody else's answer."""

WAITING_CATEGORIES = REMOTE_CATEGORIES | {Category.SLEEP, Category.LOCK, Category.SUBPROCESS, Category.FILESYSTEM}
"""The call waits, for a peer or for something on this machine."""
