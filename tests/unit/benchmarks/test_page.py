from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.growth.axes import AXES, LINEAR, NO_GROWTH, Axis, Measure, axis_of
from benchmarks.growth.plots import INK_ON_DARK, draw_axis
from benchmarks.page_tables import (
    FALLS_SHORT,
    REACHED,
    judge,
    render_circumstances,
    render_growth,
    render_summary,
    render_table,
    say_duration,
    say_number,
)
from benchmarks.results import Aim, Fact, Figure, NotMeasured, Point, Ratio, Run, to_line
from benchmarks.write_page import BEGIN, END, PAGE, put_between_markers, render_generated, write_page

RATIO = Ratio(1.36, 1.3, 1.44, 5)
RUN = Run("lines", "2026-01-05", {"cores": "2"}, {"Python": "3.11.7", "wrk": "not installed"}, 0.4, 61.2)


def figure(value: float = 2.23, aim: Aim | None = None, ratio: Ratio | None = None) -> Figure:
    return Figure("logs", "1 GB", value, "s", aim, "`rg -c`" if ratio else "", 1.64 if ratio else None, ratio)


def test_a_row_has_the_figure_what_is_beside_it_and_whether_the_aim_is_reached() -> None:
    row = figure(aim=Aim(at_most=1.5, of="ratio"), ratio=RATIO)
    assert render_table([row]).splitlines() == [
        "| what | measured | beside it | ratio | aim |  |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 1 GB | 2.23 s | `rg -c`: 1.64 s | 1.36 (1.30 to 1.44, 5 pairs) | at most 1.5 times | reached |",
    ]


def test_what_falls_short_says_so() -> None:
    assert render_table([figure(aim=Aim(at_most=2))]).splitlines()[-1] == (
        "| 1 GB | 2.23 s | at most 2 s | **falls short** |"
    )


def test_a_missing_program_is_named_with_its_debian_package() -> None:
    rows = [figure(), NotMeasured("logs", "1 GB, beside rg", "rg", "ripgrep")]
    text = render_table(rows).splitlines()[-1]
    assert "`rg` is not installed (Debian: `apt-get install ripgrep`)" in text
    assert text.endswith("| not measured |")


def test_a_column_that_nobody_needs_is_left_out() -> None:
    assert render_table([figure()]).splitlines()[0] == "| what | measured |"


def test_yes_and_no() -> None:
    assert render_table([Fact("fleet", "the same report", True)]).endswith("| the same report | yes | yes | reached |")
    assert FALLS_SHORT in render_table([Fact("fleet", "the same report", False)])


@pytest.mark.parametrize(
    ("aim", "value", "ratio", "said"),
    [
        (None, 1.0, None, ""),
        (Aim(at_most=1.0), 1.0, None, REACHED),
        (Aim(at_most=1.0), 1.001, None, FALLS_SHORT),
        (Aim(at_least=100), 100.0, None, REACHED),
        (Aim(at_least=100), 99.0, None, FALLS_SHORT),
        (Aim(at_most=1.36, of="ratio"), 9.9, RATIO, REACHED),
        (Aim(at_most=1.35, of="ratio"), 0.1, RATIO, FALLS_SHORT),
        (Aim(at_most=1.5, of="ratio"), 0.1, None, "not measured"),
        (Aim(at_most=1, of="no worse"), 1.0, replace(RATIO, low=0.99, high=1.01), REACHED),
        (Aim(at_most=1, of="no worse"), 1.0, replace(RATIO, low=0.8, high=0.9), REACHED),
        (Aim(at_most=1, of="no worse"), 1.0, replace(RATIO, low=1.01, high=1.05), FALLS_SHORT),
        (Aim(at_least=1, of="no worse"), 1.0, replace(RATIO, low=1.01, high=1.05), REACHED),
        (Aim(at_least=1, of="no worse"), 1.0, replace(RATIO, low=0.8, high=0.9), FALLS_SHORT),
    ],
)
def test_the_judgement(aim: Aim | None, value: float, ratio: Ratio | None, said: str) -> None:
    assert judge(figure(value, aim, ratio)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1234567.0, "1,234,567"),
        (123.4, "123"),
        (12.34, "12.3"),
        (0.04567, "0.0457"),
        (0.0, "0"),
        (0.00001, "0"),
        (-14.69, "-14.7"),
    ],
)
def test_numbers_have_three_figures_that_count(value: float, said: str) -> None:
    assert say_number(value) == said


def test_durations() -> None:
    assert (say_duration(59.6), say_duration(61.2), say_duration(7)) == ("1 min 00 s", "1 min 01 s", "7 s")


AXIS = Axis("lines", "By lines", "lines", (Measure("CPU", "s", LINEAR), Measure("memory", "MB", NO_GROWTH)))


def test_growth_has_the_sizes_and_the_exponents_with_their_aims() -> None:
    linear = [(10.0**n, 3 * 10.0**n) for n in range(1, 5)]
    text = render_growth(AXIS, {"CPU": linear, "memory": [(x, x**0.5) for x, _ in linear]})
    assert "| lines | CPU, s | memory, MB |" in text and "| 10,000 | 30,000 | 100 |" in text
    assert "| CPU | 1.00 | 1.00 | at most 1.1 | reached |" in text
    assert "| memory | 0.50 | 0.50 | at most 0.1 | **falls short** |" in text


def test_the_largest_sizes_decide() -> None:
    text = render_growth(AXIS, {"CPU": [(1, 5), (10, 5), (100, 5), (1_000, 500), (10_000, 50_000)]})
    assert text.endswith("| 2.00 | at most 1.1 | **falls short** |")


def test_a_size_that_one_measure_lacks_leaves_its_cell_empty() -> None:
    text = render_growth(AXIS, {"CPU": [(1, 5), (10, 5)], "memory": [(10, 7)]})
    assert "| 1 | 5 |  |" in text and "| memory | one size only |" in text


def test_what_should_not_grow_at_all_has_its_slope() -> None:
    axis = replace(AXIS, measures=(Measure("memory", "MB", by_the_unit="MB/min"),), is_log=False)
    text = render_growth(axis, {"memory": [(1, 30), (2, 30.5), (3, 31)]})
    assert text.endswith("| grows | by |\n| --- | --- |\n| memory | +0.500 MB/min |")


def test_a_part_that_ran_elsewhere_says_so() -> None:
    other = replace(RUN, part="served", date="2026-01-04", machine={"cores": "64"})
    text = render_circumstances([RUN, other])
    assert "| date | cores | Python | wrk |" in text and "| 2026-01-05 | 2 | 3.11.7 | not installed |" in text
    assert "| lines | 2026-01-05 | 0.4 | 1 min 01 s |  |" in text
    assert "| served | 2026-01-04 | 0.4 | 1 min 01 s | cores 64 |" in text
    assert "otherwise" not in render_circumstances([RUN])


def test_what_falls_short_stands_first() -> None:
    short, reached = figure(aim=Aim(at_most=2)), figure(aim=Aim(at_most=3))
    missing = NotMeasured("logs", "1 GB, beside rg", "rg", "ripgrep")
    quadratic = [Point("lines", x, "CPU", x * x) for x in (1.0, 10.0, 100.0)]
    assert render_summary([short, reached, figure(), missing, *quadratic]) == (
        "1 of 3 aims are reached, 1 row was not measured. These fall short:\n\n"
        "- logs: 1 GB\n- `analyze`, by lines of the log: growth of CPU"
    )
    assert render_summary([reached]) == "1 of 1 aims are reached."


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = f"# Head\n{BEGIN}\nold\n{END}\ntail\n"
    assert put_between_markers(page, "new") == f"# Head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"
    with pytest.raises(ValueError, match="the page has no"):
        put_between_markers("# Head\n", "new")


def test_small_sizes_are_said_to_be_small() -> None:
    assert "Small sizes" in render_generated([(replace(RUN, sizes="quick"), [figure()])], "benchmarks")
    assert "Small sizes" not in render_generated([(RUN, [figure()])], "benchmarks")


def test_the_page_is_written_from_the_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page, results = tmp_path / "benchmarks.md", tmp_path / "results"
    page.write_text(f"# Head\n{BEGIN}\n{END}\n")
    results.mkdir()
    points = [Point("lines", x, "CPU", x / 2) for x in (1.0, 10.0)]
    lines = [RUN, figure(aim=Aim(at_most=2), ratio=RATIO), *points]
    (results / "lines.jsonl").write_text("".join(map(to_line, lines)))
    write_page(results, page)
    text = page.read_text()
    assert "### logs" in text and "| 1 GB | 2.23 s | `rg -c`: 1.64 s |" in text
    assert "(benchmarks/lines.svg)" in text and (tmp_path / "benchmarks" / "lines.svg").is_file()


def test_a_plot_is_small_labelled_and_the_same_each_time() -> None:
    pytest.importorskip("matplotlib")
    axis = axis_of("lines")
    points = {measure.name: [(1e5, 0.4), (1e6, 0.9), (1e7, 3.0)] for measure in axis.measures}
    plot = draw_axis(axis, points)
    assert plot == draw_axis(axis, points)
    assert len(plot) < 40_000 and "Date" not in plot and "metadata" not in plot
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", plot)
    assert {"lines of log", "seconds", "MB", "wall clock", "peak memory", "linear", "1,000,000"} <= set(texts)
    assert "prefers-color-scheme: dark" in plot and INK_ON_DARK in plot


def test_the_plots_of_the_page_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"\((benchmarks/\w+\.svg)\)", text)
    assert named and all((PAGE.parent / name).is_file() for name in named)
    there = {f"benchmarks/{path.name}" for path in (PAGE.parent / "benchmarks").glob("*.svg")}
    assert there == set(named) <= {f"benchmarks/{axis.key}.svg" for axis in AXES}
