"""What a benchmark has measured, as one JSON line each, for the page: figures beside their aims, points of a growth.

`make bench` names the file in GTDIAG_BENCH_RESULTS; a benchmark that is run by hand only prints.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "bench"
FILE_VARIABLE = "GTDIAG_BENCH_RESULTS"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure has to be. `of`: "value", "ratio", or "no worse": no difference, or one for the better.

    No worse than `at_most` or `at_least` 1 is a ratio whose interval reaches to that side of it.
    """

    at_most: float | None = None
    at_least: float | None = None
    of: str = "value"

    def is_reached(self, value: float) -> bool:
        """Whether a number satisfies it."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours divided by the other's: the median of pairs that ran in turn, and the least and the greatest of them.

    `interval`: what `low` and `high` are, where they are not the extremes.
    """

    middle: float
    low: float
    high: float
    pairs: int
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a table: what was measured, its aim, and what was measured beside it in the same run."""

    table: str
    what: str
    value: float
    unit: str
    aim: Aim | None = None
    beside: str = ""
    beside_value: float | None = None
    ratio: Ratio | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A row whose outcome is yes or no."""

    table: str
    what: str
    holds: bool


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A row that has no figure, and why: a program that is not here (`package`: Debian's), or another reason."""

    table: str
    what: str
    program: str = ""
    package: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of a growth: `measure` was `value` at `x` of the axis (benchmarks/growth/axes.py)."""

    axis: str
    x: float
    measure: str
    value: float


@dataclass(frozen=True, slots=True)
class Run:
    """The circumstances of one part of `make bench`; the first line of its file."""

    part: str
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    load: float
    seconds: float = 0.0
    sizes: str = "full"


Result = Figure | Fact | NotMeasured | Point | Run
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Figure, Fact, NotMeasured, Point, Run)}

DEBIAN_PACKAGES = {
    "rg": "ripgrep",
    "zstd": "zstd",
    "zstdcat": "zstd",
    "lnav": "lnav",
    "goaccess": "goaccess",
    "wrk": "wrk",
    "gzip": "gzip",
}


def add_result(result: Result) -> None:
    """Append a result to the file of the run, if there is one."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(to_line(result))


def say_missing(table: str, what: str, program: str) -> None:
    """Print, and record, that a program to compare with is not here."""
    package = DEBIAN_PACKAGES[program]
    print(f"{what}: {program} is not installed (Debian: apt-get install {package})", flush=True)
    add_result(NotMeasured(table, what, program, package))


def to_line(result: Result) -> str:
    """One JSON line."""
    return json.dumps({"kind": type(result).__name__, **asdict(result)}) + "\n"


def from_line(line: str) -> Result:
    """The result of a line. Raises ValueError, KeyError or TypeError for what no benchmark wrote."""
    data = json.loads(line)
    result = _KINDS[data.pop("kind")](**data)
    if isinstance(result, Figure):
        # What asdict took apart.
        aim, ratio = data.get("aim"), data.get("ratio")
        result = replace(result, aim=aim and Aim(**aim), ratio=ratio and Ratio(**ratio))
    return result


def read_results(folder: Path) -> list[tuple[Run, list[Result]]]:
    """The results of all parts in a folder, by the parts' file names."""
    parts = []
    for path in sorted(folder.glob("*.jsonl")):
        results = [from_line(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if results and isinstance(results[0], Run):
            parts.append((results[0], results[1:]))
    return parts
