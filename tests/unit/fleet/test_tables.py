"""The tables are opened by a program that they are for: the questions of docs/fleet.md have the answers shown there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from gtdiag.cli.main import run
from tests.fleet_logs import make_fleet

PAGE = Path(__file__).resolve().parents[3] / "docs" / "fleet.md"
QUESTION = re.compile(r"```sql\n(.*?);\n```\n\n((?:\|[^\n]*\n)+)", re.DOTALL)


def rows(table: str) -> list[list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def test_the_questions_of_the_page_have_the_answers_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_fleet(tmp_path / "logs", 60, 20_000)
    monkeypatch.chdir(tmp_path)
    assert run(["analyze", "logs", "--format", "parquet", "-o", "out"]) == 1
    questions = QUESTION.findall(PAGE.read_text(encoding="utf-8"))
    assert len(questions) == 3
    for question, shown in questions:
        answer = duckdb.sql(question)
        found = [
            list(answer.columns),
            *(["" if cell is None else str(cell) for cell in row] for row in answer.fetchall()),
        ]
        assert found == rows(shown)
