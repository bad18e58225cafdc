"""The workers' memory to SVG, below the time-line and on its scale of time: one line for each life that is drawn."""

from __future__ import annotations

from gtdiag.model.report import Report
from gtdiag.renderers import phrases
from gtdiag.renderers.html.markup import Markup, element
from gtdiag.renderers.html.time_lanes import Bar, TimeLine

HEIGHT_PX = 72
TOP_PX = 16
"""Room for the words of the scale."""

WIDTH = 1000
"""Units of the drawing across; it is stretched to the page, its lines are not."""

LIMIT_SHOWN_UP_TO = 3.0
"""A limit that is higher than so many times the most memory would press the lines flat: it is said, not drawn."""


def draw_memory(time_line: TimeLine, report: Report) -> Markup | None:
    """Return the lines as one SVG element; None where no worker's memory was sampled more than once."""
    bars = [bar for lane in time_line.lanes for bar in lane.bars if len(bar.worker.memory_points) > 1]
    if not bars:
        return None
    most = max(point.rss_bytes for bar in bars for point in bar.worker.memory_points)
    limit = _limit_of(report)
    drawn_limit = limit if limit is not None and limit <= LIMIT_SHOWN_UP_TO * most else None
    top_bytes = max(most, drawn_limit or 0) or 1
    words = f"resident memory, up to {phrases.say_bytes(most)}"
    if limit is not None:
        words += f"; the limit of the cgroup is {phrases.say_bytes(limit)}"
    return element(
        "svg",
        element("text", words, x=0, y=TOP_PX - 5, class_="scale"),
        element(
            "svg",
            [_draw_line(bar, time_line, top_bytes) for bar in bars],
            _draw_limit(drawn_limit, top_bytes),
            y=TOP_PX,
            width="100%",
            height=HEIGHT_PX - TOP_PX,
            viewBox=f"0 0 {WIDTH} {HEIGHT_PX - TOP_PX}",
            preserveAspectRatio="none",
        ),
        element("line", x1="0%", x2="100%", y1=HEIGHT_PX - 0.5, y2=HEIGHT_PX - 0.5, class_="grid"),
        class_="memory",
        height=HEIGHT_PX,
        role="img",
        aria_label=f"{words}, of {phrases.say_count(len(bars), 'worker')}",
    )


def _draw_line(bar: Bar, time_line: TimeLine, top_bytes: int) -> Markup:
    points = bar.worker.memory_points
    shown = " ".join(
        f"{time_line.share_of(point.at) * WIDTH:.1f},{_height_of(point.rss_bytes, top_bytes):.1f}" for point in points
    )
    data = " ".join(
        f"{round((point.at - time_line.start).total_seconds() * 1000)},{point.rss_bytes}" for point in points
    )
    first, last = points[0].rss_bytes, points[-1].rss_bytes
    says = f"pid {bar.worker.pid}: {phrases.say_bytes(first)}"
    says += f" to {phrases.say_bytes(last)}" if last != first else ""
    return element(
        "polyline", element("title", says), points=shown, class_="line", data_index=bar.index, data_points=data
    )


def _draw_limit(limit_bytes: int | None, top_bytes: int) -> Markup | None:
    if limit_bytes is None:
        return None
    y = _height_of(limit_bytes, top_bytes)
    return element("line", x1=0, x2=WIDTH, y1=y, y2=y, class_="line limit")


def _height_of(rss_bytes: int, top_bytes: int) -> float:
    return round((1 - rss_bytes / top_bytes) * (HEIGHT_PX - TOP_PX - 4) + 2, 1)


def _limit_of(report: Report) -> int | None:
    return next(
        (one.memory.limit_bytes for one in report.incidents if one.memory is not None and one.memory.limit_bytes), None
    )
