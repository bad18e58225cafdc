"""Results of benchmarks to the tables of the page, in Markdown: pure text from values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.growth.axes import Axis, Measure, axis_of
from benchmarks.growth.exponent import LAST, exponent_of, last_exponent_of, slope_of
from benchmarks.results import Aim, Fact, Figure, NotMeasured, Point, Ratio, Result, Run

Row = Figure | Fact | NotMeasured
REACHED, FALLS_SHORT, NOT_MEASURED = "reached", "**falls short**", "not measured"
HEAD = ("what", "measured", "beside it", "ratio", "aim", "")


def tables_of(results: Iterable[Result]) -> dict[str, list[Row]]:
    """The rows by the heading of their table, in the order in which they were measured."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for result in results:
        if isinstance(result, (Figure, Fact, NotMeasured)):
            tables[result.table].append(result)
    return dict(tables)


def points_of(results: Iterable[Result]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """The points by axis and measure."""
    points: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if isinstance(result, Point):
            points[result.axis][result.measure].append((result.x, result.value))
    return {axis: dict(measures) for axis, measures in points.items()}


def render_table(rows: Sequence[Row]) -> str:
    """A table of figures with their aims. Columns that are empty in every row are left out."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    kept = [column for column in range(len(HEAD)) if any(line[column] for line in cells[1:])]
    return markdown_table([[line[column] for column in kept] for line in cells])


def render_growth(axis: Axis, points: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The measurements of an axis by size, and below them how fast each grows."""
    measures = [measure for measure in axis.measures if points.get(measure.name)]
    sizes = sorted({x for measure in measures for x, _ in points[measure.name]})
    by_size = {measure.name: dict(points[measure.name]) for measure in measures}
    lines = [[axis.x_label, *(f"{measure.name}, {measure.unit}" for measure in measures)]]
    for size in sizes:
        values = [by_size[measure.name].get(size) for measure in measures]
        lines.append([say_number(size), *("" if value is None else say_number(value) for value in values)])
    said = [[measure.name, *_growth_cells(measure, points[measure.name])] for measure in measures]
    if axis.is_log:
        head = ["grows", "exponent, all sizes", f"the {LAST} largest sizes", "aim, of the largest", ""]
    else:
        head = ["grows", "by", "", "", ""]
    kept = [column for column in range(len(head)) if any(line[column] for line in said)]
    return (
        markdown_table(lines) + "\n\n" + markdown_table([[line[column] for column in kept] for line in [head, *said]])
    )


def render_summary(results: Sequence[Result]) -> str:
    """How many aims are reached, and which are not: nobody has to look for them in the tables."""
    outcomes = [(row.table, row.what, _cells(row)[-1]) for rows in tables_of(results).values() for row in rows]
    for key, measures in points_of(results).items():
        axis = axis_of(key)
        judged = [
            (one.name, _growth_cells(one, measures[one.name])[-1]) for one in axis.measures if one.name in measures
        ]
        outcomes += [(axis.title, f"growth of {name}", outcome) for name, outcome in judged]
    reached = sum(outcome == REACHED for *_, outcome in outcomes)
    short = [f"- {table}: {what}" for table, what, outcome in outcomes if outcome == FALLS_SHORT]
    lacking = sum(outcome == NOT_MEASURED for *_, outcome in outcomes)
    said = f"{reached} of {reached + len(short)} aims are reached"
    said += f", {lacking} {'row was' if lacking == 1 else 'rows were'} not measured" if lacking else ""
    return "\n".join([f"{said}. These fall short:\n", *short]) if short else f"{said}."


def render_circumstances(runs: Sequence[Run]) -> str:
    """Machine and versions as they were at the latest run, and when each part ran."""
    latest = max(runs, key=lambda run: run.date)
    facts = {"date": latest.date, **latest.machine, **latest.versions}
    parts = [["part", "date", "load when it began", "took", "otherwise"]]
    for run in runs:
        then = {**run.machine, **run.versions}
        other = "; ".join(f"{name} {value}" for name, value in then.items() if facts.get(name) != value)
        parts.append([run.part, run.date, f"{run.load:.1f}", say_duration(run.seconds), other])
    if not any(line[-1] for line in parts[1:]):
        parts = [line[:-1] for line in parts]
    return markdown_table([[*facts], [*facts.values()]]) + "\n\n" + markdown_table(parts)


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """The first line is the head."""
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in ruled)


def say_number(value: float) -> str:
    """Three figures that count; large numbers whole."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if "e" in text else text


def say_value(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{say_number(value)} {unit}".rstrip()


def say_duration(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def say_ratio(ratio: Ratio | None) -> str:
    """The median, and how far the pairs were apart."""
    if ratio is None:
        return ""
    interval = f"{ratio.interval} " if ratio.interval else ""
    pairs = f"{ratio.pairs} pair{'s' if ratio.pairs != 1 else ''}"
    digits = 3 if ratio.interval else 2
    return f"{ratio.middle:.{digits}f} ({interval}{ratio.low:.{digits}f} to {ratio.high:.{digits}f}, {pairs})"


def judge(figure: Figure) -> str:
    """Whether the aim is reached; nothing where there is no aim, and said where it could not be measured."""
    aim = figure.aim
    if aim is None:
        return ""
    if aim.of == "value":
        return REACHED if aim.is_reached(figure.value) else FALLS_SHORT
    if figure.ratio is None:
        return NOT_MEASURED
    if aim.of == "no worse":
        best = figure.ratio.low if aim.at_most is not None else figure.ratio.high
        return REACHED if aim.is_reached(best) else FALLS_SHORT
    return REACHED if aim.is_reached(figure.ratio.middle) else FALLS_SHORT


def _cells(row: Row) -> tuple[str, ...]:
    if isinstance(row, NotMeasured):
        why = row.why or f"`{row.program}` is not installed (Debian: `apt-get install {row.package}`)"
        return row.what, why, "", "", "", NOT_MEASURED
    if isinstance(row, Fact):
        return row.what, "yes" if row.holds else "no", "", "", "yes", REACHED if row.holds else FALLS_SHORT
    beside = row.beside
    if beside and row.beside_value is not None:
        beside += f": {say_value(row.beside_value, row.unit)}"
    return (
        row.what,
        say_value(row.value, row.unit),
        beside,
        say_ratio(row.ratio),
        _say_aim(row.aim, row.unit),
        judge(row),
    )


def _say_aim(aim: Aim | None, unit: str) -> str:
    if aim is None:
        return ""
    if aim.of == "no worse":
        return "no worse"
    if aim.of == "ratio":
        unit = "times"
    words = []
    if aim.at_most is not None:
        words.append(f"at most {say_value(aim.at_most, unit)}")
    if aim.at_least is not None:
        words.append(f"at least {say_value(aim.at_least, unit)}")
    return ", ".join(words)


def _growth_cells(measure: Measure, points: Sequence[tuple[float, float]]) -> tuple[str, str, str, str]:
    if measure.by_the_unit:
        slope = slope_of(points)
        return "" if slope is None else f"{slope:+.3f} {measure.by_the_unit}", "", "", ""
    overall, last = exponent_of(points), last_exponent_of(points)
    if overall is None or last is None:
        return "one size only", "", "", ""
    aim = outcome = ""
    if measure.most_exponent is not None:
        aim = f"at most {measure.most_exponent:g}"
        # As precise as the number that the reader sees.
        outcome = REACHED if round(last, 2) <= measure.most_exponent else FALLS_SHORT
    return f"{overall:.2f}", f"{last:.2f}", aim, outcome
