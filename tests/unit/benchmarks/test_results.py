from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import circumstances, parts
from benchmarks.growth.exponent import exponent_of, last_exponent_of, slope_of
from benchmarks.growth.measuring import add_points
from benchmarks.in_turn import measure_in_turn, ratio_of
from benchmarks.results import (
    DEBIAN_PACKAGES,
    FILE_VARIABLE,
    Aim,
    Fact,
    Figure,
    NotMeasured,
    Point,
    Ratio,
    Result,
    Run,
    add_result,
    from_line,
    read_results,
    say_missing,
    to_line,
)

RESULTS: tuple[Result, ...] = (
    Run("lines", "2026-01-05", {"cores": "2"}, {"Python": "3.11.7"}, 0.4, 61.2),
    Figure("logs", "1 GB", 2.23, "s", Aim(at_most=1.5, of="ratio"), "`rg -c`", 1.64, Ratio(1.36, 1.3, 1.44, 5)),
    Figure("logs", "1 GB", 2.23, "s"),
    Fact("fleet", "the same report", True),
    NotMeasured("logs", "1 GB", "rg", "ripgrep"),
    Point("lines", 1e6, "CPU", 0.7),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_each_result_is_one_line_and_comes_back(result: Result) -> None:
    line = to_line(result)
    assert line.count("\n") == 1 and from_line(line) == result


def test_a_benchmark_run_by_hand_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    add_result(RESULTS[1])


def test_a_missing_program_is_said_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "results.jsonl"))
    say_missing("logs", "plain", "rg")
    assert "rg is not installed (Debian: apt-get install ripgrep)" in capsys.readouterr().out
    [line] = (tmp_path / "results.jsonl").read_text().splitlines()
    assert from_line(line) == NotMeasured("logs", "plain", "rg", "ripgrep")


def test_results_without_their_circumstances_are_no_results(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text(to_line(RESULTS[0]) + to_line(RESULTS[5]))
    (tmp_path / "other.jsonl").write_text(to_line(RESULTS[5]))
    (tmp_path / "empty.jsonl").write_text("")
    assert read_results(tmp_path) == [(RESULTS[0], [RESULTS[5]])]


def test_a_measure_that_the_axis_has_not_is_refused() -> None:
    with pytest.raises(KeyError):
        add_points("lines", 1, {"colour": 1.0})


def test_two_take_turns_and_neither_is_always_first() -> None:
    order = ""

    def ours() -> float:
        nonlocal order
        order += "A"
        return 3.0

    def theirs() -> float:
        nonlocal order
        order += "B"
        return 2.0

    assert measure_in_turn(ours, theirs, 4) == ([3.0] * 4, [2.0] * 4)
    assert order == "BAABBAAB"


def test_the_ratio_is_of_pairs_not_of_medians() -> None:
    assert ratio_of([1, 4, 9], [1, 2, 3]) == Ratio(2, 1, 3, 3)


@pytest.mark.parametrize(("power", "exponent"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_the_exponent(power: int, exponent: float) -> None:
    assert exponent_of([(x, 7.0 * x**power) for x in (1, 10, 100)]) == pytest.approx(exponent)


def test_the_last_exponent_does_not_see_what_a_start_costs() -> None:
    points = [(10.0**n, 1000 + 10.0**n) for n in range(8)]
    assert exponent_of(points) == pytest.approx(0.56, abs=0.05)
    assert last_exponent_of(points) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (1, 2)], [(1, 0), (2, 0)]])
def test_nothing_to_fit(points: list[tuple[float, float]]) -> None:
    assert exponent_of(points) is None


def test_the_slope() -> None:
    assert slope_of([(0, 30), (10, 35)]) == pytest.approx(0.5)
    assert slope_of([(1, 30)]) is None


def test_every_benchmark_is_run() -> None:
    scripts = {path.name for path in parts.HERE.glob("bench_*.py")}
    assert {part.script for part in parts.all_parts()} == scripts
    assert len({part.name for part in parts.all_parts()}) == len(parts.all_parts())


def test_parts_are_chosen_by_name() -> None:
    assert [part.name for part in parts.choose_parts(["tasks", "lines"], ten_gb=False)] == ["lines", "tasks"]
    with pytest.raises(ValueError, match="no benchmark lies: start, "):
        parts.choose_parts(["lies"], ten_gb=False)


def test_what_is_large_runs_on_request_only() -> None:
    names = {part.name for part in parts.choose_parts([], ten_gb=False)}
    assert "ten-gb" not in names and "lines" in names
    assert {part.name for part in parts.choose_parts([], ten_gb=True)} == names | {"ten-gb"}


def test_a_program_that_is_not_there_is_said_in_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circumstances.shutil, "which", lambda program: None)
    versions = circumstances.describe_versions()
    assert versions["ripgrep"] == versions["lnav"] == versions["goaccess"] == "not installed"
    assert set(DEBIAN_PACKAGES.values()) - {"gzip"} <= set(versions)
