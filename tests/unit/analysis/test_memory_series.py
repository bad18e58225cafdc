"""A worker's memory over time stays small however long it is watched, and keeps its first, its latest and its shape."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from gtdiag.analysis.memory_series import MOST_POINTS, MemorySeries
from gtdiag.model.report import MemoryPoint

START = datetime(2026, 11, 24, tzinfo=timezone.utc)


def series_of(sizes: list[int]) -> tuple[MemoryPoint, ...]:
    series = MemorySeries()
    for number, rss_bytes in enumerate(sizes):
        series.add(START + timedelta(seconds=number), rss_bytes)
    return series.points()


def test_nothing_sampled_is_nothing() -> None:
    assert series_of([]) == ()


def test_what_does_not_change_is_two_points() -> None:
    assert [point.rss_bytes for point in series_of([7] * 1000)] == [7, 7]


def test_a_step_keeps_its_edges() -> None:
    assert [point.rss_bytes for point in series_of([1, 1, 1, 5, 5, 5])] == [1, 1, 5, 5]


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=2000))
def test_the_line_is_bounded_in_order_and_made_of_samples(sizes: list[int]) -> None:
    points = series_of(sizes)
    assert len(points) <= MOST_POINTS + 1
    assert [point.at for point in points] == sorted(point.at for point in points)
    assert points[0] == MemoryPoint(START, sizes[0])
    assert points[-1] == MemoryPoint(START + timedelta(seconds=len(sizes) - 1), sizes[-1])
    assert all(sizes[round((point.at - START).total_seconds())] == point.rss_bytes for point in points)
