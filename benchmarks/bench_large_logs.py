"""The whole command on a large log, in turn with `rg -c`, `zcat` and `zstdcat` where they are installed.

Usage: python benchmarks/bench_large_logs.py [MEGABYTES] [--incidents N] [--rounds N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.large_logs import write_mixed_log
from gtdiag.parsing.relevance import COARSE_LITERALS

ANALYZE = (sys.executable, "-m", "gtdiag", "analyze", "--exit-zero")


def run(command: list[str]) -> tuple[float, int]:
    """Seconds and peak memory (bytes) of one command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss * 1024


def compare(what: str, path: Path, beside: list[str] | None, rounds: int) -> None:
    ours, theirs, peak = [], [], 0
    for _ in range(rounds):
        if beside is not None:
            theirs.append(run(beside)[0])
        seconds, memory = run([*ANALYZE, str(path)])
        ours.append(seconds)
        peak = max(peak, memory)
    line = f"{what:<8} {statistics.median(ours):6.2f} s, peak {peak / 1e6:.0f} MB"
    if beside is not None:
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        line += f"; {beside[0]} {statistics.median(theirs):.2f} s, ratio {statistics.median(ratios):.2f}"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", type=int, nargs="?", default=1000)
    parser.add_argument("--incidents", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        log, literals = Path(folder) / "mixed.log", Path(folder) / "literals"
        literals.write_bytes(b"\n".join(COARSE_LITERALS) + b"\n")
        # In a process of its own: a command begins with the peak memory of the one that starts it.
        size_bytes = arguments.megabytes * 1_000_000
        writer = multiprocessing.Process(target=write_mixed_log, args=(log, size_bytes, arguments.incidents))
        writer.start()
        writer.join()
        has_rg = shutil.which("rg") is not None
        compare("plain", log, ["rg", "-c", "-F", "-f", str(literals), str(log)] if has_rg else None, arguments.rounds)
        for suffix, packer, reader in ((".gz", ["gzip", "-k"], "zcat"), (".zst", ["zstd", "-q", "-k"], "zstdcat")):
            if shutil.which(packer[0]) is not None:
                subprocess.run([*packer, str(log)], check=True)
                compare(suffix, Path(f"{log}{suffix}"), [reader, f"{log}{suffix}"], arguments.rounds)


if __name__ == "__main__":
    main()
