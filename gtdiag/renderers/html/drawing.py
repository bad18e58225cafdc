"""A time-line to SVG: lanes, marks and a time axis, all on one scale of per cents of the width.

Everything is placed in per cents, so the drawing fits a phone with its text unscaled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gtdiag.model.report import Phase, Report
from gtdiag.renderers import phrases
from gtdiag.renderers.html.anchors import worker_anchor
from gtdiag.renderers.html.markup import Markup, element
from gtdiag.renderers.html.time_lanes import Bar, Lane, Mark, MarkKind, TimeLine
from gtdiag.renderers.report_words import covers_several_days

LANE_PX = 32
BAR_PX = 22
EDGE_PX = 4
LOOSE_MARKS_PX = 24
AXIS_PX = 20
MAX_TICKS = 6

LABEL_FROM_PERCENT = 9.0
"""A narrower bar has no room for its pid, on a phone."""

CALL_FROM_PERCENT = 24.0
"""A narrower bar has no room for the call either."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

MARK_WORDS = {
    MarkKind.TIMEOUT: "time-out",
    MarkKind.HUNG: "over the time-out without a heartbeat",
    MarkKind.KILLED: "killed or crashed",
    MarkKind.FAILED: "failed",
    MarkKind.ENDED: "ended",
    MarkKind.RESOLVED: "went on by itself",
}

_LOOKS = {Phase.STARTUP: "startup", Phase.SERVING: "serving", Phase.EXITED: "alive", None: "alive"}

_SHAPES = {
    MarkKind.TIMEOUT: "M-5,-15 L5,-15 L0,-6 Z",
    MarkKind.HUNG: "M-5,-15 L5,-15 L-5,-6 L5,-6 Z",
    MarkKind.KILLED: "M-5,-5 L5,5 M5,-5 L-5,5",
    MarkKind.FAILED: "M0,-7 L7,0 L0,7 L-7,0 Z",
    MarkKind.ENDED: "M-4,-4 H4 V4 H-4 Z",
    MarkKind.RESOLVED: "M-5,0 L-1,5 L6,-5",
}


@dataclass(frozen=True, slots=True)
class LinkTargets:
    """What a drawing may lead to: the anchors of incidents by place in the report, the workers that have a row."""

    groups: Mapping[int, str]
    rows: Collection[int]


def draw_lanes(time_line: TimeLine, report: Report, targets: LinkTargets) -> Markup:
    """Return the lanes as one SVG element."""
    top = LOOSE_MARKS_PX if time_line.loose_marks else 0
    height = top + LANE_PX * len(time_line.lanes) + AXIS_PX
    return element(
        "svg",
        _definitions(),
        _draw_axis(time_line, report, height),
        [_draw_mark(mark, time_line, LOOSE_MARKS_PX / 2, report, targets) for mark in time_line.loose_marks],
        [
            _draw_lane(lane, time_line, top + LANE_PX * number, report, targets)
            for number, lane in enumerate(time_line.lanes)
        ],
        class_="lanes",
        height=height,
        role="group",
        aria_label=f"time-line of {phrases.say_count(sum(len(lane.bars) for lane in time_line.lanes), 'worker')}",
    )


def draw_legend(kinds: Collection[MarkKind]) -> Markup:
    """Return what the colours and the marks mean; of the marks, those that are drawn."""
    colours = (("startup", "start-up"), ("serving", "serving"), ("alive", "phase not known"), ("blocked", "blocked"))
    swatches = [
        element(
            "li",
            element("svg", element("rect", class_=name, width="100%", height="100%"), class_="swatch"),
            words,
        )
        for name, words in colours
    ]
    marks = [
        element(
            "li",
            element("svg", element("use", href=f"#mark-{kind.value}", x="50%", y="50%"), class_="swatch mark"),
            MARK_WORDS[kind],
        )
        for kind in MarkKind
        if kind in kinds
    ]
    return element("ul", swatches, marks, class_="legend", aria_label="what the colours and marks mean")


def _definitions() -> Markup:
    hatch = element(
        "pattern",
        element("path", d="M0,8 L8,0 M-2,2 L2,-2 M6,10 L10,6", class_="hatching"),
        id="hatch",
        width=8,
        height=8,
        patternUnits="userSpaceOnUse",
    )
    symbols = [element("path", d=shape, id=f"mark-{kind.value}", class_=kind.value) for kind, shape in _SHAPES.items()]
    return element("defs", hatch, symbols)


def _draw_axis(time_line: TimeLine, report: Report, height: int) -> list[Markup]:
    ticks, step_s = _ticks(time_line)
    drawn = []
    for number, tick in enumerate(ticks):
        x = _percent(time_line.share_of(tick))
        text = _say_tick(tick, step_s, covers_several_days(report))
        drawn.append(
            element(
                "g",
                element("line", x1=x, x2=x, y1=0, y2=height - AXIS_PX + 4, class_="grid"),
                element("text", text, x=x, y=height - 4, class_="tick"),
                class_="odd" if number % 2 else None,
            )
        )
    return drawn


def _ticks(time_line: TimeLine) -> tuple[list[datetime], int]:
    """Round moments of the report's own clock, at most MAX_TICKS, none where its label would leave the drawing."""
    whole_s = (time_line.end - time_line.start).total_seconds()
    step_s = next((step for step in _STEPS_S if whole_s / step <= MAX_TICKS), 0)
    if not step_s:
        step_s = 86400 * (int(whole_s / 86400 / MAX_TICKS) + 1)
    midnight = time_line.start.replace(hour=0, minute=0, second=0, microsecond=0)
    number = int((time_line.start - midnight).total_seconds() // step_s)
    ticks = []
    tick = midnight + timedelta(seconds=number * step_s)
    while tick <= time_line.end:
        if 0.04 <= (tick - time_line.start).total_seconds() / whole_s <= 0.96:
            ticks.append(tick)
        tick += timedelta(seconds=step_s)
    return ticks, step_s


def _say_tick(tick: datetime, step_s: int, several_days: bool) -> str:
    if step_s >= 86400:
        return f"{tick:%m-%d}"
    clock = f"{tick:%H:%M:%S}" if step_s < 60 else f"{tick:%H:%M}"
    return f"{tick:%m-%d} {clock}" if several_days and step_s >= 3600 else clock


def _draw_lane(lane: Lane, time_line: TimeLine, top: float, report: Report, targets: LinkTargets) -> Markup:
    middle = top + LANE_PX / 2
    return element(
        "g",
        element("line", x1="0%", x2="100%", y1=middle, y2=middle, class_="rail"),
        [_draw_bar(bar, time_line, top + (LANE_PX - BAR_PX) / 2, targets) for bar in lane.bars],
        [_draw_mark(mark, time_line, middle, report, targets) for bar in lane.bars for mark in bar.marks],
        class_="lane",
    )


def _draw_bar(bar: Bar, time_line: TimeLine, y: float, targets: LinkTargets) -> Markup:
    left, right = time_line.share_of(bar.start), time_line.share_of(bar.end)
    width = max((right - left) * 100, 0.15)
    says = say_life(bar)
    inner = element(
        "svg",
        element("title", says),
        _segments(bar),
        element("line", x1=1, x2=1, y1=0, y2="100%", class_="boot") if not bar.began_before else None,
        _label(bar, width),
        x=_percent(left),
        y=y,
        width=f"{width:.3f}%",
        height=BAR_PX,
        class_="bar",
    )
    return element(
        "a",
        inner,
        href=f"#{worker_anchor(bar.index)}" if bar.index in targets.rows else None,
        aria_label=says,
        data_from=_offset_ms(bar.start, time_line),
        data_to=_offset_ms(bar.end, time_line),
        data_ready=None if bar.serving_from is None else _offset_ms(bar.serving_from, time_line),
        data_blocked=None if bar.blocked_from is None else _offset_ms(bar.blocked_from, time_line),
        data_free=None if bar.blocked_to is None else _offset_ms(bar.blocked_to, time_line),
        data_pid=bar.worker.pid,
        data_phase=phrases.PHASES[bar.phase] if bar.phase is not None else "alive",
        data_index=bar.index,
        data_call=None if bar.blocked is None else phrases.say_call_name(bar.blocked)[:120],
    )


def _segments(bar: Bar) -> list[Markup]:
    whole_s = (bar.end - bar.start).total_seconds()

    def part(start: datetime, end: datetime, name: str, *, y: int = 0) -> list[Markup]:
        if whole_s <= 0:
            return [element("rect", x="0%", width="100%", y=y, height=BAR_PX - y, class_=name)]
        x, width = (start - bar.start).total_seconds() / whole_s, (end - start).total_seconds() / whole_s
        return [
            element("rect", x=_percent(x), width=_percent(width), y=y, height=BAR_PX - y, class_=name),
        ]

    drawn: list[Markup] = []
    if bar.serving_from is not None:
        drawn += part(bar.start, bar.serving_from, "startup") + part(bar.start, bar.serving_from, "hatch")
        drawn += part(bar.serving_from, bar.end, "serving")
    else:
        drawn += part(bar.start, bar.end, _LOOKS[bar.phase])
        drawn += part(bar.start, bar.end, "hatch") if bar.phase is Phase.STARTUP else []
    if bar.blocked_from is not None and bar.blocked_to is not None:
        drawn += part(bar.blocked_from, bar.blocked_to, "blocked")
        drawn += part(bar.blocked_from, bar.blocked_to, "edge", y=BAR_PX - EDGE_PX)
    return drawn


def _label(bar: Bar, width_percent: float) -> Markup | None:
    if width_percent < LABEL_FROM_PERCENT:
        return None
    text = str(bar.worker.pid)
    if bar.blocked is not None and width_percent >= CALL_FROM_PERCENT:
        text += f" · {phrases.say_call_name(bar.blocked)[:80]}"
    return element("text", text, x=6, y=BAR_PX / 2 + 4)


def _draw_mark(mark: Mark, time_line: TimeLine, y: float, report: Report, targets: LinkTargets) -> Markup:
    summary = MARK_WORDS[mark.kind] if mark.incident is None else report.incidents[mark.incident].summary
    says = f"{phrases.say_time(mark.at)} {MARK_WORDS[mark.kind] + ': ' if mark.incident is not None else ''}{summary}"
    shape = element(
        "use", element("title", says), href=f"#mark-{mark.kind.value}", x=_percent(time_line.share_of(mark.at)), y=y
    )
    anchor = None if mark.incident is None else targets.groups.get(mark.incident)
    return shape if anchor is None else element("a", shape, href=f"#{anchor}", aria_label=says)


def say_life(bar: Bar) -> str:
    """Return a worker's life in a sentence: "pid 7: booted 15:06:03, time-out 15:06:33; blocked in ..."."""
    worker = bar.worker
    parts = []
    if worker.booted_at is not None:
        parts.append(f"booted {phrases.say_time(worker.booted_at)}")
    if worker.ready_at is not None:
        parts.append(f"ready {phrases.say_time(worker.ready_at)}")
    if worker.ended_at is not None:
        parts.append(f"{phrases.say_end(worker)} {phrases.say_time(worker.ended_at)}")
    text = f"pid {worker.pid}: {', '.join(parts) or phrases.say_end(worker)}"
    if bar.blocked is not None:
        text += f"; blocked in {phrases.say_call(bar.blocked)}"
        if bar.blocked.seconds:
            text += f" for {phrases.say_seconds(bar.blocked.seconds)}"
    return text


def _offset_ms(at: datetime, time_line: TimeLine) -> int:
    return round((at - time_line.start).total_seconds() * 1000)


def _percent(share: float) -> str:
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"
