"""The whole command on a large log, in turn with `rg -c`, `zcat` and `zstdcat` where they are installed.

Usage: python benchmarks/bench_large_logs.py [MEGABYTES] [--incidents N] [--rounds N]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.beside import add_peak, time_alone, time_beside
from benchmarks.large_logs import in_own_process, write_mixed_log
from benchmarks.measured_command import GTDIAG
from benchmarks.results import Aim, say_missing
from gtdiag.parsing.relevance import COARSE_LITERALS

SEARCH_AIM = Aim(at_most=1.5, of="ratio")
PACKED_AIM = Aim(at_most=1.3, of="ratio")
MOST_MB = 150
ANALYZE = ("analyze", "--exit-zero")
WITHOUT_FAST = (
    "import sys; sys.modules.update(dict.fromkeys(('ahocorasick_rs', 'isal', 'zstandard'))); "
    "from gtdiag.cli.main import main; main()"
)
"""As it is installed without the extra gtdiag[fast]."""
PACKED = ((".gz", ("gzip", "-k"), "zcat"), (".zst", ("zstd", "-q", "-k"), "zstdcat"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", type=int, nargs="?", default=1000)
    parser.add_argument("--incidents", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    table = f"`analyze` of {arguments.megabytes:,} MB of access and error log, {arguments.incidents:,} time-outs"
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        log, literals = Path(folder) / "mixed.log", Path(folder) / "literals"
        literals.write_bytes(b"\n".join(COARSE_LITERALS) + b"\n")
        in_own_process(write_mixed_log, log, arguments.megabytes * 1_000_000, arguments.incidents)
        ours = [GTDIAG, *ANALYZE, str(log)]
        search = ["rg", "-c", "-F", "-f", str(literals), str(log)]
        called = "`rg -c` of the same literals"
        costs = time_beside(table, "plain", ours, search, rounds, aim=SEARCH_AIM, called=called)
        add_peak(table, "plain", costs, MOST_MB)
        plainly = [sys.executable, "-c", WITHOUT_FAST, *ANALYZE]
        time_alone(table, "plain, without `gtdiag[fast]`", [*plainly, str(log)], 1)
        for suffix, packer, reader in PACKED:
            if shutil.which(packer[0]) is None:
                say_missing(table, f"`{suffix}`", packer[0])
                continue
            subprocess.run([*packer, str(log)], check=True)
            packed = f"{log}{suffix}"
            ours = [GTDIAG, *ANALYZE, packed]
            costs = time_beside(table, f"`{suffix}`", ours, [reader, packed], rounds, aim=PACKED_AIM)
            add_peak(table, f"`{suffix}`", costs, MOST_MB)
            if suffix == ".gz":
                time_alone(table, "`.gz`, without `gtdiag[fast]`", [*plainly, packed], 1)


if __name__ == "__main__":
    main()
