"""Runs cells side by side, prints the matrix, writes docs/accuracy.md: `python -m tests.scenarios.matrix --help`."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.causes import all_cells
from tests.scenarios.cell_environments import NotRunError
from tests.scenarios.cells import Cell
from tests.scenarios.grading import CellGrade, Grade, Graded, grade
from tests.scenarios.run_cell import run_cell
from tests.scenarios.servers import ServerMissingError, stop_shared_servers

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"


@dataclass(frozen=True)
class Outcome:
    """A cell and its grade; or, without one, why it was not run."""

    cell: Cell
    grade: CellGrade | None
    why_not: str = ""
    seconds: float = 0.0


class Places:
    """So many workers may run at a time; a cell with more has all places for itself.

    Four workers that import FastAPI at once are busy, and a machine that is overrun measures something else.
    """

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, workers: int) -> Iterator[None]:
        """Wait for places for this many workers, and hold them."""
        wanted = min(workers, self._count)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


def run_matrix(cells: list[Cell], side_by_side: int, keep: Path | None) -> list[Outcome]:
    """Run them all and print each as it ends; the outcomes are in the order of the cells."""
    printing = threading.Lock()
    places = Places(side_by_side)

    def run(cell: Cell) -> Outcome:
        with places.taken(cell.workers):
            outcome = _run_one(cell, keep)
        with printing:
            print(_line(outcome), flush=True)
        return outcome

    try:
        with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
            return list(pool.map(run, cells))
    finally:
        stop_shared_servers()


def _run_one(cell: Cell, keep: Path | None) -> Outcome:
    try:
        observed = run_cell(cell, None if keep is None else keep / cell.name)
    except (NotRunError, ServerMissingError) as reason:
        return Outcome(cell, None, str(reason))
    except Exception as error:
        # One cell that cannot be run must not end the matrix; it counts as wrong, and the run fails.
        print(f"{cell.name}: {str(error)[-2000:] or repr(error)}", file=sys.stderr)
        failed = Graded(Grade.WRONG, (f"the run failed: {str(error).splitlines()[0] if str(error) else error!r}",))
        return Outcome(cell, CellGrade(failed, failed, None))
    return Outcome(cell, grade(observed), seconds=observed.seconds)


def _line(outcome: Outcome) -> str:
    graded = outcome.grade
    if graded is None:
        return f"{'not run':17} {outcome.cell.name}: {outcome.why_not}"
    in_time = {None: "", True: "  in time", False: "  TOO LATE"}[graded.in_time]
    text = (
        f"{graded.live.grade.name.lower().replace('_', ' '):17} {outcome.cell.name}{in_time}  {outcome.seconds:.0f} s"
    )
    lines = [text, *(f"    {reason}" for reason in graded.live.reasons)]
    if graded.log.grade is not Grade.RIGHT:
        lines += [f"    log {graded.log.grade.name.lower()}: {reason}" for reason in graded.log.reasons]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Exit with 1 when a cell is wrong, or evidence came too late."""
    parser = argparse.ArgumentParser(prog="make scenarios", description=__doc__)
    parser.add_argument(
        "-k", metavar="TEXT", action="append", default=[], help="cells whose name has all of these texts"
    )
    parser.add_argument("--fast", action="store_true", help="the part that the test run covers")
    parser.add_argument("--list", action="store_true", help="print the cells' names and run nothing")
    parser.add_argument("--jobs", type=int, default=5, help="cells side by side (default: 5; they mostly wait)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs, recordings and reports here")
    options = parser.parse_args(arguments)
    cells = [cell for cell in all_cells() if all(text in cell.name for text in options.k)]
    if options.fast:
        cells = [cell for cell in cells if cell.fast]
    if options.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    started = time.monotonic()
    outcomes = run_matrix(cells, options.jobs, options.keep)
    grades = [outcome.grade for outcome in outcomes if outcome.grade is not None]
    counts = {one: sum(graded.live.grade is one for graded in grades) for one in Grade}
    print(", ".join(f"{count} {one.name.lower().replace('_', ' ')}" for one, count in counts.items()), end="")
    print(f", {len(outcomes) - len(grades)} not run, in {time.monotonic() - started:.0f} s")
    bad = [
        graded
        for graded in grades
        if max(graded.live.grade, graded.log.grade) >= Grade.WRONG or graded.in_time is False
    ]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
