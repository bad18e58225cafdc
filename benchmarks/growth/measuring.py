"""Measurements at one place of an axis to its points: printed for people, and added to the results."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.growth.axes import axis_of
from benchmarks.growth.exponent import say_growth
from benchmarks.measured_command import Cost
from benchmarks.results import Point, add_result

_measured: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)


def add_medians(axis: str, x: float, costs: Sequence[Cost]) -> None:
    """The points of a command that was run several times: medians, of memory the most."""
    values = {
        "wall clock": statistics.median(cost.took_s for cost in costs),
        "CPU": statistics.median(cost.cpu_s for cost in costs),
        "peak memory": max(cost.peak_mb for cost in costs),
    }
    add_points(axis, x, values)


def add_points(axis: str, x: float, values: Mapping[str, float]) -> None:
    """The values of some measures of an axis at one place. Raises KeyError for a measure that the axis has not."""
    described = axis_of(axis)
    units = {measure.name: measure.unit for measure in described.measures}
    said = ", ".join(f"{name} {value:.2f} {units[name]}" for name, value in values.items())
    print(f"{x:>12,.10g} {described.x_label}: {said}", flush=True)
    for name, value in values.items():
        add_result(Point(axis, x, name, value))
        _measured[axis, name].append((x, value))


def print_growth(axis: str) -> None:
    """How each measure of an axis has grown in what was measured by this process."""
    for measure in axis_of(axis).measures:
        points = _measured.get((axis, measure.name))
        if points:
            print(f"  {measure.name}: {say_growth(measure, points)}", flush=True)
