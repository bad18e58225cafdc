"""The parts of `make bench`: which benchmark runs with which sizes, in the order of the page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.results import Run

HERE = Path(__file__).resolve().parent
TEN_GB_NEEDS_GB = 12
"""The log of 10 GB, the one of 1 GB that it is measured beside, and some room."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of `make bench`, with results of its own. `on_request`: only where it is named, or with --ten-gb."""

    name: str
    script: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    on_request: bool = False

    def command(self, *, quick: bool) -> list[str]:
        """The script and its arguments, to be run by a Python."""
        return [str(HERE / self.script), *(self.quick if quick else self.full)]


PARTS = (
    Part("start", "bench_start.py", quick=("--rounds", "3")),
    Part("large-logs", "bench_large_logs.py", ("1000", "--rounds", "5"), ("30", "--rounds", "2")),
    Part("ten-gb", "bench_ten_gb.py", (), ("0.3",), on_request=True),
    Part("dense-logs", "bench_dense_logs.py", (), ("--megabytes", "5", "--large-megabytes", "20", "--rounds", "2")),
    Part("reading", "bench_analyze.py", ("200",), ("10",)),
    Part("fleet", "bench_fleet.py", ("200",), ("10",)),
    Part("watch", "bench_watch.py", ("20",), ("5",)),
    Part("command", "bench_command.py", ("30", "32"), ("10", "3", "--pairs", "1")),
    Part("served", "bench_served.py", ("14", "5"), ("2", "1")),
    Part("interpreter", "bench_interpreter.py"),
    Part("lines", "bench_growth.py", ("lines",), ("lines", "--quick")),
    Part("incidents", "bench_growth.py", ("incidents",), ("incidents", "--quick")),
    Part("workers", "bench_growth.py", ("workers",), ("workers", "--quick")),
    Part("tasks", "bench_growth.py", ("tasks",), ("tasks", "--quick")),
    Part("depth", "bench_growth.py", ("depth",), ("depth", "--quick")),
    Part("hours", "bench_hours.py", ("8", "32"), ("2", "4")),
    Part("minutes", "bench_growth.py", ("minutes",), ("minutes", "--quick")),
)


def all_parts() -> tuple[Part, ...]:
    """Those above; and every other benchmarks/bench_*.py, run without arguments, so that none is forgotten."""
    named = {part.script for part in PARTS}
    others = sorted(path.name for path in HERE.glob("bench_*.py") if path.name not in named)
    found = (Part(name.removeprefix("bench_").removesuffix(".py").replace("_", "-"), name) for name in others)
    return (*PARTS, *found)


def choose_parts(only: Sequence[str], *, ten_gb: bool) -> list[Part]:
    """The parts whose names are given, or all but those on request. Raises ValueError for a name that is none."""
    parts = all_parts()
    if unknown := [name for name in only if name not in {part.name for part in parts}]:
        raise ValueError(f"no benchmark {', '.join(unknown)}: {', '.join(part.name for part in parts)}")
    return [part for part in parts if (part.name in only if only else ten_gb or not part.on_request)]


def has_room_for_ten_gb() -> bool:
    """Whether the folder for temporary files can hold it."""
    return shutil.disk_usage(tempfile.gettempdir()).free / 1e9 > TEN_GB_NEEDS_GB


Measured = TypeVar("Measured", bound=Sequence[Any])


def sort_by_part(parts: Sequence[tuple[Run, Measured]]) -> list[tuple[Run, Measured]]:
    """In the order of the page; results of a part that there is no more are left out."""
    order = {part.name: place for place, part in enumerate(all_parts())}
    known = [one for one in parts if one[0].part in order]
    return sorted(known, key=lambda one: order[one[0].part])
