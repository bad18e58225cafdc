"""Inputs that nobody meant to write, by the million, for every parser and every reader of memory.

What may come out is a value, or an error that the function documents; never another exception, more than a few seconds
or more than a gigabyte. An input that does anything else is kept under `tests/faults/found/`, and the unit tests read
it again from then on.

Usage: python -m tests.faults.fuzz [--inputs N] [--target NAME ...] [--seed N] [--guided [--minutes M]] [--list]
`--guided` lets atheris (libFuzzer) choose the inputs by the code they reach; without it they are random mutations.
`--minutes` gives each target so long, however many inputs that are; the corpus stays in $GTDIAG_CORPUS.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.faults.mutations import mutate

FOUND = Path(__file__).parent / "found"
LONGEST_S = 5.0
"""For one input of a few kilobytes; the slowest honest ones take some ten milliseconds."""
MOST_BYTES = 2_500_000_000
"""Address space of the process, the interpreter and what it imports included."""


class TooSlowError(Exception):
    """An input took longer than `LONGEST_S`."""


@dataclass(slots=True)
class Outcome:
    """How one target came through."""

    target: str
    inputs: int = 0
    took_s: float = 0.0
    found: int = 0
    slowest_s: float = 0.0

    def line(self) -> str:
        """One row of the table."""
        slowest = f"{self.slowest_s * 1000:>8.1f} ms"
        return f"{self.target:14} {self.inputs:>10,} {self.found:>6} {self.took_s:>8.0f} s {slowest}"


def fuzz(name: str, inputs: int, seed: int) -> Outcome:
    """Give a target so many mutated inputs; what goes wrong is kept and counted."""
    from tests.faults.fuzz_targets import opened_target

    outcome = Outcome(name)
    rng = random.Random(f"{name}-{seed}")
    began_s = time.monotonic()
    with opened_target(name) as target, _limits():
        for _ in range(inputs):
            data = mutate(target.seeds, target.words, rng)
            started_s = time.perf_counter()
            try:
                target.read(data)
            except Exception as error:
                _keep(name, data, error)
                outcome.found += 1
            outcome.slowest_s = max(outcome.slowest_s, time.perf_counter() - started_s)
            outcome.inputs += 1
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    outcome.took_s = time.monotonic() - began_s
    return outcome


def _keep(name: str, data: bytes, error: Exception) -> None:
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]).write_bytes(data)
    print(f"{name}: {type(error).__name__}: {error} ({len(data)} bytes)", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """A time for each input and a size for all of them."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TooSlowError(f"more than {LONGEST_S:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, hard))
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def fuzz_guided(name: str, inputs: int, minutes: float, seed: int) -> NoReturn:
    """The same with atheris, in this process, which it ends: libFuzzer exits by itself, 77 for a crash."""
    import atheris  # type: ignore[import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["gtdiag"]):
        from tests.faults.fuzz_targets import opened_target
    stack = contextlib.ExitStack()
    target = stack.enter_context(opened_target(name))
    corpus = Path(os.environ.get("GTDIAG_CORPUS", "/tmp")) / f"gtdiag-corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds[:500]):
        (corpus / f"seed-{number}").write_bytes(data[:4096])
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    limit = f"-max_total_time={minutes * 60:.0f}" if minutes else f"-atheris_runs={inputs}"
    arguments = [sys.argv[0], str(corpus), limit, f"-seed={seed + 1}", "-max_len=4096"]
    arguments += [
        f"-timeout={LONGEST_S:g}",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, target.read)
    atheris.Fuzz()
    raise AssertionError("libFuzzer ends the process")


def main(arguments: Sequence[str] | None = None) -> int:
    """Every target, or those that were asked for, each in a process of its own; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="of all targets together")
    parser.add_argument("--target", action="append", metavar="NAME", help="this one only (again for more)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="let atheris choose the inputs (pip install atheris)")
    parser.add_argument("--minutes", type=float, default=0, help="with --guided: for each target, instead of --inputs")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="list the targets")
    given = parser.parse_args(arguments)
    if given.alone and given.guided:
        fuzz_guided(
            given.target[0], given.inputs, given.minutes, given.seed
        )  # nothing of gtdiag may be imported before
    from tests.faults.fuzz_targets import TARGETS

    names = given.target or [*TARGETS]
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if given.list:
        print("\n".join(f"{name:14} {TARGETS[name].what}" for name in names))
        return 0
    if given.alone:
        outcome = fuzz(names[0], given.inputs, given.seed)
        print(outcome.line(), flush=True)
        return min(outcome.found, 1)
    shares = sum(TARGETS[name].share for name in names)
    failed = 0
    print(f"{'target':14} {'inputs':>10} {'found':>6} {'took':>10} {'slowest':>11}", flush=True)
    for name in names:
        command = [sys.executable, "-m", "tests.faults.fuzz", "--alone", "--target", name, "--seed", str(given.seed)]
        command += [
            "--inputs",
            str(given.inputs * TARGETS[name].share // shares),
            *(["--guided", "--minutes", str(given.minutes)] if given.guided else []),
        ]
        failed += subprocess.run(command, check=False).returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
