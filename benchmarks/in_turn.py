"""Two things measured in turn, A B A B: the ratio of each pair, so that a machine that slows down slows down both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.results import Ratio


def measure_in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], pairs: int
) -> tuple[list[float], list[float]]:
    """The values of both; which one comes first alternates."""
    mine: list[float] = []
    other: list[float] = []
    for pair in range(pairs):
        order = ((mine, ours), (other, theirs)) if pair % 2 else ((other, theirs), (mine, ours))
        for values, measure in order:
            values.append(measure())
    return mine, other


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The median of the pairs' ratios, with the least and the greatest."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), len(ratios))


def say_ratio(ratio: Ratio) -> str:
    """For a person at the terminal."""
    pairs = f"{ratio.pairs} pair{'s' if ratio.pairs != 1 else ''}"
    return f"{ratio.middle:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}, {pairs})"
