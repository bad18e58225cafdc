"""What is measured against what: the axes of growth, their measures with units, and how fast each may grow.

A benchmark adds `Point(axis, x, measure, value)` with the names used here; the page makes a table and a plot of it.
"""

from __future__ import annotations

from dataclasses import dataclass

LINEAR = 1.1
"""The exponent of "no faster than": 1 is linear, the rest is the noise of a machine with other work to do."""
NO_GROWTH = 0.1
"""The exponent of what may not grow at all; from one hour to 100 it would be 1.6 times."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a plot. `most_exponent`: how fast the largest sizes may grow, None where the page only says it.

    `by_the_unit`: not the exponent is said but the slope, in this unit.
    """

    name: str
    unit: str
    most_exponent: float | None = None
    by_the_unit: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """A table and a plot: `key` names the file, `x_label` the abscissa. `is_log`: both axes of the plot are."""

    key: str
    title: str
    x_label: str
    measures: tuple[Measure, ...]
    is_log: bool = True


AXES = (
    Axis(
        "lines",
        "`analyze`, by lines of the log",
        "lines of log",
        (Measure("wall clock", "s", LINEAR), Measure("CPU", "s", LINEAR), Measure("peak memory", "MB", NO_GROWTH)),
    ),
    Axis(
        "incidents",
        "`analyze`, by incidents (a log of nothing but time-outs)",
        "time-outs in the log",
        (Measure("wall clock", "s", LINEAR), Measure("CPU", "s", LINEAR), Measure("peak memory", "MB", LINEAR)),
    ),
    Axis(
        "workers",
        "`snapshot`, by workers that are stuck",
        "stuck workers",
        (
            Measure("wall clock", "s", LINEAR),
            Measure("CPU", "s", LINEAR),
            Measure("peak memory", "MB", LINEAR),
            Measure("py-spy dump of each, which names no call", "s"),
        ),
    ),
    Axis(
        "tasks",
        "One look at a worker, by its asyncio tasks",
        "asyncio tasks, three frames each",
        (Measure("await chains", "ms", LINEAR),),
    ),
    Axis(
        "depth",
        "One look at a worker, by the depth of its stack",
        "frames",
        (
            Measure("await chain of one task", "ms", LINEAR),
            Measure("stack of a thread, from its memory", "ms", LINEAR),
            Measure("stack of a thread, by py-spy", "ms", LINEAR),
        ),
    ),
    Axis(
        "hours",
        "`watch` of 32 workers, by hours watched (the host and the clock are played)",
        "hours watched",
        (
            Measure("CPU of an hour, calm", "s", NO_GROWTH),
            Measure("CPU of an hour, workers recycled", "s", NO_GROWTH),
            Measure("CPU of an hour, six time-outs besides", "s", NO_GROWTH),
            Measure("memory, calm", "MB", NO_GROWTH),
            Measure("memory, workers recycled", "MB", NO_GROWTH),
            Measure("memory, six time-outs besides", "MB", NO_GROWTH),
        ),
    ),
    Axis(
        "minutes",
        "A real `watch`, minute by minute",
        "minutes watched",
        (
            Measure("memory, healthy workers", "MB", by_the_unit="MB/min"),
            Measure("CPU, healthy workers", "% of a core", by_the_unit="%/min"),
            Measure("memory, a time-out every 10 s", "MB", by_the_unit="MB/min"),
            Measure("CPU, a time-out every 10 s", "% of a core", by_the_unit="%/min"),
        ),
        is_log=False,
    ),
)


def axis_of(key: str) -> Axis:
    """The axis of that name. Raises KeyError."""
    return {axis.key: axis for axis in AXES}[key]
