"""Writes what was measured into docs/benchmarks.md, between its markers, and the plots beside it.

python -m benchmarks.write_page [--results FOLDER] [--page FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.axes import AXES
from benchmarks.growth.plots import draw_axis
from benchmarks.page_tables import (
    points_of,
    render_circumstances,
    render_growth,
    render_summary,
    render_table,
    tables_of,
)
from benchmarks.parts import sort_by_part
from benchmarks.results import FOLDER, Result, Run, read_results

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"


def write_page(results: Path = FOLDER, page: Path = PAGE) -> None:
    """Read every part's results and write the page; plots go to a folder beside it, named as the page is."""
    parts = sort_by_part(read_results(results))
    if not parts:
        sys.exit(f"no results in {results}: run make bench")
    points = points_of(result for _, measured in parts for result in measured)
    plots = page.with_suffix("")
    plots.mkdir(parents=True, exist_ok=True)
    for axis in AXES:
        if points.get(axis.key):
            (plots / f"{axis.key}.svg").write_text(draw_axis(axis, points[axis.key]), encoding="utf-8")
    text = render_generated(parts, plots.name)
    page.write_text(put_between_markers(page.read_text(encoding="utf-8"), text), encoding="utf-8")


def render_generated(parts: Sequence[tuple[Run, Sequence[Result]]], plots: str) -> str:
    """All that stands between the markers."""
    results = [result for _, measured in parts for result in measured]
    sections = []
    if any(run.sizes != "full" for run, _ in parts):
        sections.append("**Small sizes, to try the benchmarks out: not the figures of a whole run.**")
    sections += [render_summary(results), render_circumstances([run for run, _ in parts])]
    for heading, rows in tables_of(results).items():
        sections += [f"### {heading}", render_table(rows)]
    points = points_of(results)
    for axis in AXES:
        if points.get(axis.key):
            title = axis.title.replace("`", "")
            sections += [f"### {axis.title}", f"![{title}]({plots}/{axis.key}.svg)"]
            sections.append(render_growth(axis, points[axis.key]))
    return "\n\n".join(sections)


def put_between_markers(document: str, text: str) -> str:
    """The document with another generated part. Raises ValueError where it has no markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    write_page(arguments.results, arguments.page)
    print(f"wrote {arguments.page}")


if __name__ == "__main__":
    main()
