"""How fast something grows, as one number: the slope of a straight line through its points on log-log paper."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchmarks.growth.axes import Measure

Points = Sequence[tuple[float, float]]

LAST = 3
"""So many of the largest sizes show how it goes on."""


def exponent_of(points: Points) -> float | None:
    """k of y ~ x^k: 0 constant, 1 linear, 2 quadratic. None where there is nothing to fit."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope


def last_exponent_of(points: Points) -> float | None:
    """The same of the largest sizes only, where the start of a process has no share any more."""
    return exponent_of(sorted(points)[-LAST:])


def slope_of(points: Points) -> float | None:
    """Units of y for each unit of x, on plain paper."""
    if len({x for x, _ in points}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def say_growth(measure: Measure, points: Points) -> str:
    """The growth of a measure in words."""
    if measure.by_the_unit:
        slope = slope_of(points)
        return "" if slope is None else f"{slope:+.3f} {measure.by_the_unit}"
    overall, last = exponent_of(points), last_exponent_of(points)
    if overall is None or last is None:
        return "one size only"
    return f"exponent {overall:.2f}, of the {LAST} largest sizes {last:.2f}"
