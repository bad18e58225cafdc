"""A cell and its grade, or why it was not run; the grade in words; all outcomes in a file, to run a part again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.cells import Cell
from tests.scenarios.grading import CellGrade, Grade, Graded


@dataclass(frozen=True)
class Outcome:
    """A cell and its grade; or, without one, why it was not run."""

    cell: Cell
    grade: CellGrade | None
    why_not: str = ""
    seconds: float = 0.0
    date: str = ""
    """The day of the run (ISO 8601)."""


def read_outcomes(file: Path, cells: list[Cell]) -> dict[str, Outcome]:
    """The outcomes that were written for these cells, by name; those of cells that are no more are left out."""
    if not file.exists():
        return {}
    by_name = {cell.name: cell for cell in cells}
    written = json.loads(file.read_text(encoding="utf-8"))
    return {name: _parse(by_name[name], entry) for name, entry in written.items() if name in by_name}


def write_outcomes(file: Path, outcomes: dict[str, Outcome]) -> None:
    """Write them all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: _entry(one) for name, one in outcomes.items()}, indent=1), encoding="utf-8")


def _entry(outcome: Outcome) -> dict[str, object]:
    entry: dict[str, object] = {"why_not": outcome.why_not, "seconds": round(outcome.seconds), "date": outcome.date}
    if outcome.grade is not None:
        for report, graded in (("live", outcome.grade.live), ("log", outcome.grade.log)):
            entry[report] = {"grade": graded.grade.name, "reasons": graded.reasons}
        entry["in_time"] = outcome.grade.in_time
        entry["replay_differs_in"] = outcome.grade.replay_differs_in
    return entry


def _parse(cell: Cell, entry: dict[str, object]) -> Outcome:
    grade = None
    if "live" in entry:
        live, log = (
            Graded(Grade[entry[report]["grade"]], tuple(entry[report]["reasons"]))  # type: ignore[index]
            for report in ("live", "log")
        )
        differs = entry.get("replay_differs_in")
        grade = CellGrade(live, log, entry["in_time"], None if differs is None else tuple(differs))  # type: ignore
    return Outcome(cell, grade, str(entry["why_not"]), float(str(entry["seconds"])), str(entry["date"]))


def words_of(grade: Grade) -> str:
    """ "confidently wrong"."""
    return grade.name.lower().replace("_", " ")


def reasons_of(graded: CellGrade) -> list[str]:
    """Why it is not right in all, both reports; empty when it is."""
    reasons = []
    if graded.live.grade is not Grade.RIGHT:
        reasons.append(f"{words_of(graded.live.grade)}: {', '.join(graded.live.reasons)}")
    if graded.in_time is False:
        reasons.append("the evidence came too late")
    if graded.replay_differs_in:
        reasons.append(f"the recording's report differs in {', '.join(graded.replay_differs_in[:5])}")
    if graded.log.grade is not Grade.RIGHT:
        reasons.append(f"the log alone {words_of(graded.log.grade)}: {', '.join(graded.log.reasons)}")
    return reasons


def is_bad(graded: CellGrade) -> bool:
    """Whether something is wrong, evidence came too late, or a recording tells another story; undecided is not bad."""
    wrong = max(graded.live.grade, graded.log.grade) >= Grade.WRONG
    return wrong or graded.in_time is False or bool(graded.replay_differs_in)


def is_well(outcome: Outcome) -> bool:
    """Whether it was run and nothing of it is bad."""
    return outcome.grade is not None and not is_bad(outcome.grade)
