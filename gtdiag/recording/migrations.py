"""Lines of a recording of an older schema to lines of today's, one step from each version to the next.

A change that an older gtdiag would misread (a field renamed, removed or with another meaning, another unit) raises
`SCHEMA_VERSION` by one and adds the step from the version before to `MIGRATIONS`, with a recording of that version kept
in `fixtures/recordings`. New event classes and new fields with a default need neither: what an older recording does
not have takes its default, and a field that is no more is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Line = dict[str, Any]
Migration = Callable[[Line], "Line | None"]
"""Turns the header or an event of one version into that of the next; None: it is left out."""

SCHEMA_FAMILY = "gtdiag.recording"
SCHEMA_VERSION = 1
RECORDING_SCHEMA = f"{SCHEMA_FAMILY}/{SCHEMA_VERSION}"

MIGRATIONS: Mapping[int, Migration] = {}
"""By the version they start from: 1 is the step from gtdiag.recording/1 to /2. There has been one version so far."""


def parse_schema(schema: object) -> int | None:
    """The version that a header's "schema" names; None where it is not a recording's."""
    family, _, version = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    known = family == SCHEMA_FAMILY and version.isascii() and version.isdecimal() and 0 < len(version) <= 6
    return int(version) if known else None


def migrate(
    line: Line, version: int, target: int = SCHEMA_VERSION, steps: Mapping[int, Migration] = MIGRATIONS
) -> Line | None:
    """A line of `version` as one of `target`; None where a step leaves it out."""
    migrated: Line | None = line
    for step in range(version, target):
        if migrated is None:
            return None
        migrated = steps[step](migrated)
    return migrated
