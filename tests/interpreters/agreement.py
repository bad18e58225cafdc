"""Runs random programs under one interpreter and compares what gtdiag reads with the program's own account."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gtdiag.interpreter import open_interpreter
from tests.unit.interpreter.target_process import TargetProcess

PROGRAM = Path(__file__).parent / "random_tree.py"


@dataclass
class Agreement:
    """Cases (trees) compared, the tasks in them, and what disagrees: the task, the program's account, gtdiag's."""

    cases: int = 0
    tasks: int = 0
    frames: int = 0
    disagreements: list[str] = field(default_factory=list)

    def add(self, other: Agreement) -> None:
        self.cases += other.cases
        self.tasks += other.tasks
        self.frames += other.frames
        self.disagreements += other.disagreements


def compare(python: str, loop: str, seed: int, cases: int, packages: Path | None) -> Agreement:
    """One process with that many random trees in it."""
    where = f"{python} {loop} seed {seed}"
    with TargetProcess(python, PROGRAM, str(seed), str(cases), loop, packages=packages) as target:
        told = target.told()
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_suspended()
    result = Agreement(cases=cases, tasks=len(told))
    seen = {code.name: code for code in reading.suspended}
    if reading.problems or reading.truncated or set(seen) != set(told):
        result.disagreements.append(f"{where}: {reading.problems}, missing or extra {set(seen) ^ set(told)}")
    for name, truth in told.items():
        code = seen.get(name)
        if code is None:
            continue
        frames = [[frame.function, frame.file, frame.line] for frame in code.frames]
        through = [task for task in code.through if not task.startswith("(")]
        result.frames += len(frames)
        if frames != truth["frames"] or through != truth["through"] or not code.complete or code.running:
            result.disagreements.append(
                f"{where}, {name}:\n  says {truth['frames']} through {truth['through']}\n"
                f"  read {frames} through {through} awaits {code.awaits} complete {code.complete}"
            )
    return result
