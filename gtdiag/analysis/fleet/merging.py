"""Partial analyses to one: any grouping and any order give the same value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gtdiag import __version__
from gtdiag.analysis.fleet.causes import order_of_key, order_of_time
from gtdiag.model.partial import CauseKey, Example, Partial, SourcePart

MAX_EXAMPLES_OF_A_CAUSE = 20
"""Incidents kept whole for each cause; the others are counted. First one of each source, then a second, and so on."""


def merge_partials(partials: Iterable[Partial]) -> Partial:
    """All that the partials hold, each source once, the sources in the order of their keys.

    A source that is in several of them must be the same in each; it is taken once.
    """
    parts: dict[str, SourcePart] = {}
    examples: dict[CauseKey, dict[tuple[Any, ...], Example]] = {}
    for partial in partials:
        for part in partial.parts:
            parts.setdefault(part.key, part)
        for example in partial.examples:
            examples.setdefault(example.cause, {})[order_of_example(example)] = example
    kept = [
        example
        for cause in sorted(examples, key=order_of_key)
        for _, example in sorted(examples[cause].items(), key=lambda item: item[0])[:MAX_EXAMPLES_OF_A_CAUSE]
    ]
    return Partial(__version__, tuple(parts[key] for key in sorted(parts)), tuple(kept))


def order_of_example(example: Example) -> tuple[Any, ...]:
    """Which examples of a cause are kept first: of many sources rather than of one, the early ones."""
    return (example.rank, order_of_time(example.incident.at), example.source)
