"""The points of an axis to a small SVG file, the same bytes for the same points, readable on light and dark pages."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence

from benchmarks.growth.axes import Axis, Measure

Points = Sequence[tuple[float, float]]

INK, FAINT = "#57606a", "#afb8c1"
INK_ON_DARK, FAINT_ON_DARK = "#c9d1d9", "#444c56"
COLOURS = ("#2f81f7", "#db6d28", "#3fb950", "#a371f7", "#d4a72c", "#db61a2")
"""Read well on white and on near-black alike."""
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Nobody has to tell the lines apart by colour."""
UNIT_WORDS = {"s": "seconds", "ms": "milliseconds"}

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gtdiag",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DARK_STYLE = (
    "<style>@media (prefers-color-scheme: dark) {"
    f'[style*="stroke: {INK}"]{{stroke:{INK_ON_DARK}!important}}'
    f'[style*="fill: {INK}"]{{fill:{INK_ON_DARK}!important}}'
    f'[style*="stroke: {FAINT}"]{{stroke:{FAINT_ON_DARK}!important}}'
    "}</style>"
)


def draw_axis(axis: Axis, points: Mapping[str, Points]) -> str:
    """An SVG with one panel for each unit, and in it a line for each of its measures that has points."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    measures = [measure for measure in axis.measures if points.get(measure.name)]
    panels = [list(group) for _, group in itertools.groupby(_by_unit(measures), key=lambda one: one.unit)]
    with matplotlib.rc_context(_SETTINGS):
        figure, all_plots = pyplot.subplots(
            1, len(panels), figsize=(4.6 * len(panels), 3.3), squeeze=False, layout="constrained"
        )
        marks = dict(zip((one.name for one in measures), zip(COLOURS, MARKERS, strict=True), strict=False))
        for plot, panel in zip(all_plots[0], panels, strict=True):
            for measure in panel:
                colour, marker = marks[measure.name]
                xs, ys = zip(*sorted(points[measure.name]), strict=True)
                plot.plot(xs, ys, color=colour, marker=marker, markersize=4, linewidth=1.4, label=measure.name)
            if axis.is_log:
                plot.set_xscale("log")
                plot.set_yscale("log")
                _show_whole_decades(plot, [y for measure in panel for _, y in points[measure.name]])
                _draw_linear(plot, points[panel[0].name])
            else:
                plot.set_ylim(bottom=0)
            _label(plot, axis, panel)
        written = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(written, format="svg", transparent=True, metadata=nothing)
        pyplot.close(figure)
    return _slim(written.getvalue())


def _by_unit(measures: Sequence[Measure]) -> list[Measure]:
    order = list(dict.fromkeys(measure.unit for measure in measures))
    return sorted(measures, key=lambda measure: order.index(measure.unit))


def _show_whole_decades(plot, values: Sequence[float]) -> None:
    """What hardly grows shall not fill the panel from bottom to top."""
    low, high = (math.log10(value) for value in (min(values), max(values)))
    plot.set_ylim(10 ** math.floor(low - 0.05), 10 ** math.ceil(high + 0.05))


def _draw_linear(plot, points: Points) -> None:
    """From the largest point back: twice the size, twice the cost. The slope to compare with."""
    most, at_most = max(points)
    least = max(min(points)[0], most * plot.get_ylim()[0] / at_most)
    plot.plot([least, most], [at_most * least / most, at_most], color=INK, linewidth=0.8, dashes=(3, 3), label="linear")


def _label(plot, axis: Axis, panel: Sequence[Measure]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    plot.set_xlabel(axis.x_label)
    plot.set_ylabel(UNIT_WORDS.get(panel[0].unit, panel[0].unit))
    plot.grid(visible=True, which="major")
    if axis.is_log:
        for one in (plot.xaxis, plot.yaxis):
            one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            one.set_minor_formatter(NullFormatter())
        plot.xaxis.set_minor_locator(NullLocator())
    plot.legend(frameon=False, fontsize=9)


def _slim(svg: str) -> str:
    svg = re.sub(
        r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL
    )
    svg = re.sub(r"(?m)^\s+", "", svg)
    svg = re.sub(r"font-family: [^;\"]+", "font-family: sans-serif", svg)
    # Six decimals of a point are for nobody's eyes.
    svg = re.sub(r"(\d+\.\d\d)\d+", r"\1", svg)
    return re.sub(r"(<svg [^>]*>)", lambda found: found[1] + "\n" + _DARK_STYLE, svg, count=1)
