"""`make bench`: runs the benchmarks one after the other, keeps their results, and writes docs/benchmarks.md.

    python -m benchmarks.run [--only PART,...] [--quick] [--ten-gb] [--no-write]

Results are kept in .cache/bench/, one file for each part: a part that is run again replaces its own. With --quick they,
and the page, go to .cache/bench/quick/ and leave docs/ alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.circumstances import describe_run
from benchmarks.parts import Part, all_parts, choose_parts, has_room_for_ten_gb
from benchmarks.results import FILE_VARIABLE, FOLDER, to_line
from benchmarks.write_page import PAGE, write_page

QUICK_VARIABLE = "GTDIAG_BENCH_QUICK"
"""Set with --quick, for benchmarks that no line of parts.py gives smaller sizes."""


def run_part(part: Part, folder: Path, *, quick: bool) -> bool:
    """Run one part; its results replace those it had if it ends well."""
    run = describe_run(part.name, "quick" if quick else "full")
    unfinished = folder / f"{part.name}.unfinished"
    unfinished.write_text("", encoding="utf-8")
    variables = {**os.environ, FILE_VARIABLE: str(unfinished), **({QUICK_VARIABLE: "1"} if quick else {})}
    began_s = time.monotonic()
    ended = subprocess.run([sys.executable, *part.command(quick=quick)], env=variables, check=False)
    run = replace(run, seconds=round(time.monotonic() - began_s, 1))
    lines = unfinished.read_text(encoding="utf-8")
    unfinished.unlink()
    if ended.returncode == 0:
        finished = folder / f"{part.name}.jsonl"
        written = finished.with_suffix(".new")
        written.write_text(to_line(run) + lines, encoding="utf-8")
        written.replace(finished)
    return ended.returncode == 0


def main() -> int:
    names = ", ".join(part.name for part in all_parts())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART,...", default="", help=names)
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out; docs/ stays as it is")
    parser.add_argument("--ten-gb", action="store_true", help="the log of 10 GB as well (about two minutes more)")
    parser.add_argument("--no-write", action="store_true", help="keep the results, and leave the page as it is")
    arguments = parser.parse_args()
    try:
        parts = choose_parts([name for name in arguments.only.split(",") if name], ten_gb=arguments.ten_gb)
    except ValueError as error:
        parser.error(str(error))
    if any(part.on_request for part in parts) and not arguments.quick and not has_room_for_ten_gb():
        parser.error("no room for a log of 10 GB in the folder for temporary files (TMPDIR names another)")
    folder = FOLDER / "quick" if arguments.quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for part in parts:
        print(f"== {part.name}", flush=True)
        if not run_part(part, folder, quick=arguments.quick):
            failed.append(part.name)
            print(f"{part.name} failed: its results stay as they were", file=sys.stderr, flush=True)
    if not arguments.no_write:
        page = PAGE
        if arguments.quick:
            page = folder / PAGE.name
            page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
        write_page(folder, page)
        print(f"wrote {page}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
