"""Runs cells side by side, prints the matrix, writes docs/accuracy.md: `python -m tests.scenarios.matrix --help`."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from tests.environments import REPOSITORY
from tests.scenarios.accuracy_page import render_page
from tests.scenarios.causes import all_cells
from tests.scenarios.cell_environments import NotRunError
from tests.scenarios.cells import Cell
from tests.scenarios.grading import CellGrade, Grade, Graded, grade
from tests.scenarios.outcomes import Outcome, is_bad, is_well, read_outcomes, reasons_of, words_of, write_outcomes
from tests.scenarios.run_cell import run_cell
from tests.scenarios.servers import ServerMissingError, stop_shared_servers

DOCUMENT = REPOSITORY / "docs" / "accuracy.md"
OUTCOMES = REPOSITORY / ".cache" / "scenarios.json"
"""The last outcome of every cell: a part that is run again changes its lines of the document."""


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
        return Outcome(cell, CellGrade(failed, failed, None), date=_today())
    return Outcome(cell, grade(observed), seconds=observed.seconds, date=_today())


def _today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def _line(outcome: Outcome) -> str:
    graded = outcome.grade
    if graded is None:
        return f"{'not run':17} {outcome.cell.name}: {outcome.why_not}"
    text = f"{words_of(graded.live.grade):17} {outcome.cell.name}  {outcome.seconds:.0f} s"
    return "\n".join([text, *(f"    {reason}" for reason in reasons_of(graded))])


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
    parser.add_argument("--again", action="store_true", help="only the cells that were never run, or not well")
    options = parser.parse_args(arguments)
    everything = all_cells()
    cells = [cell for cell in everything if all(text in cell.name for text in options.k)]
    if options.fast:
        cells = [cell for cell in cells if cell.fast]
    known = read_outcomes(OUTCOMES, everything)
    if options.again:
        cells = [cell for cell in cells if cell.name not in known or not is_well(known[cell.name])]
    if options.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    started = time.monotonic()
    outcomes = run_matrix(cells, options.jobs, options.keep)
    grades = [outcome.grade for outcome in outcomes if outcome.grade is not None]
    counts = {one: sum(graded.live.grade is one for graded in grades) for one in Grade}
    seconds = time.monotonic() - started
    print(", ".join(f"{count} {words_of(one)}" for one, count in counts.items()), end="")
    print(f", {len(outcomes) - len(grades)} not run, in {seconds:.0f} s")
    known |= {outcome.cell.name: outcome for outcome in outcomes}
    write_outcomes(OUTCOMES, known)
    if missing := len(everything) - len(known):
        print(f"{DOCUMENT.name} is not written: {missing} cells have never been run")
    else:
        DOCUMENT.write_text(render_page([known[cell.name] for cell in everything]), encoding="utf-8")
        print(f"written: {DOCUMENT}")
    return 1 if any(is_bad(graded) for graded in grades) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
