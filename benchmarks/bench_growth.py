"""How the cost grows: with lines, incidents, workers, tasks, depth of stack, and with the time watched.

    python benchmarks/bench_growth.py [AXIS...] [--quick]

Each axis prints its measurements and the exponent of their growth: 0 constant, 1 linear, 2 quadratic.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth.logs_axes import measure_incidents, measure_lines
from benchmarks.growth.look_axes import measure_depth, measure_tasks
from benchmarks.growth.measuring import print_growth
from benchmarks.growth.minutes_axis import measure_minutes
from benchmarks.growth.workers_axis import measure_workers

MEASURES = {
    "lines": measure_lines,
    "incidents": measure_incidents,
    "workers": measure_workers,
    "tasks": measure_tasks,
    "depth": measure_depth,
    "minutes": measure_minutes,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axis", nargs="*", help=f"{', '.join(MEASURES)}; all without any")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out")
    arguments = parser.parse_args()
    if unknown := set(arguments.axis) - set(MEASURES):
        parser.error(f"no axis {', '.join(sorted(unknown))}: one of {', '.join(MEASURES)}")
    for axis in arguments.axis or MEASURES:
        MEASURES[axis](quick=arguments.quick)
        print_growth(axis)


if __name__ == "__main__":
    main()
