"""How many files gtdiag itself may hold open only to be cheaper: looks and the log need some, too."""

from __future__ import annotations

import resource

MOST_HELD = 256
SHARE_HELD = 4
"""A quarter of what this process may open, 1,024 on most systems."""

FEWEST = 64
"""Under such a limit none at all: a look opens some ten files at once."""


def descriptors_to_spare() -> int:
    """How many may be held open for a whole watch."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_HELD
    return 0 if soft < FEWEST else min(MOST_HELD, soft // SHARE_HELD)
