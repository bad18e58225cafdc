"""gtdiag beside another program on the same input: in turn, printed for people and added to the results."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.in_turn import measure_in_turn, ratio_of, say_ratio
from benchmarks.measured_command import Cost, run
from benchmarks.results import Aim, Figure, Ratio, add_result, say_missing


def time_alone(table: str, what: str, command: Sequence[str], rounds: int, aim: Aim | None = None) -> list[Cost]:
    """The wall clock of a command that nothing is beside."""
    costs = [run(command, keep_output=False) for _ in range(rounds)]
    _add(table, what, statistics.median(cost.took_s for cost in costs), aim=aim)
    return costs


def time_beside(
    table: str,
    what: str,
    command: Sequence[str],
    other: Sequence[str],
    rounds: int,
    *,
    aim: Aim | None = None,
    called: str = "",
    variables: Mapping[str, str] | None = None,
) -> list[Cost]:
    """The wall clock of a command and of another one in turn; alone where the other one is not installed.

    `called`: the name of the other one in the table. `variables`: of its environment.
    """
    if shutil.which(other[0]) is None:
        costs = time_alone(table, what, command, rounds)
        say_missing(table, f"{what}, beside {called or other[0]}", other[0])
        return costs
    costs = []

    def ours() -> float:
        costs.append(run(command, keep_output=False))
        return costs[-1].took_s

    def theirs() -> float:
        return run(other, keep_output=False, variables=variables).took_s

    mine, others = measure_in_turn(ours, theirs, rounds)
    middle = statistics.median(mine)
    _add(table, what, middle, aim, called or f"`{other[0]}`", statistics.median(others), ratio_of(mine, others))
    return costs


def add_peak(table: str, what: str, costs: Sequence[Cost], most_mb: float) -> None:
    """The most memory that any of the runs used."""
    peak_mb = max(cost.peak_mb for cost in costs)
    print(f"{what}, peak memory: {peak_mb:.0f} MB", flush=True)
    add_result(Figure(table, f"{what}, peak memory", peak_mb, "MB", Aim(at_most=most_mb)))


def _add(
    table: str,
    what: str,
    value_s: float,
    aim: Aim | None = None,
    beside: str = "",
    beside_value_s: float | None = None,
    ratio: Ratio | None = None,
) -> None:
    line = f"{what}: {value_s:.2f} s"
    if ratio is not None and beside_value_s is not None:
        line += f"; {beside} {beside_value_s:.2f} s, {say_ratio(ratio)}"
    print(line, flush=True)
    add_result(Figure(table, what, value_s, "s", aim, beside, beside_value_s, ratio))
