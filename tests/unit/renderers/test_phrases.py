from __future__ import annotations

import enum

import pytest

from gtdiag.model import report as model
from gtdiag.renderers import phrases
from gtdiag.renderers.phrases import say_bytes, say_installed_file, say_library, say_numbers, say_seconds
from tests.unit.renderers.sample_reports import blocked_in_database


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (27.44, "27.4 s"),
        (99.94, "99.9 s"),
        (99.96, "1 min 40 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7259, "2 h 1 min"),
        (3 * 86400 + 7200, "3 d 2 h"),
        (-2, "-2.0 s"),
        (None, "?"),
    ],
)
def test_seconds(seconds: float | None, words: str) -> None:
    assert say_seconds(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 KiB"), (2048, "2 KiB"), (100 << 20, "100.0 MiB"), (3 << 29, "1.5 GiB"), (-2048, "-2 KiB"), (None, "?")],
)
def test_bytes(size: int | None, words: str) -> None:
    assert say_bytes(size) == words


def test_numbers() -> None:
    assert say_numbers([7, 8]) == "7, 8"
    assert say_numbers(range(20), limit=2) == "0, 1 and 18 more"


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/v/lib/python3.11/site-packages/asyncpg/connection.py", "asyncpg/connection.py"),
        ("/usr/lib/python3/dist-packages/psycopg2/__init__.py", "psycopg2/__init__.py"),
        ("/usr/lib/python3.11/asyncio/tasks.py", "asyncio/tasks.py"),
        ("/srv/app/main.py", "/srv/app/main.py"),
    ],
)
def test_files_of_libraries(file: str, shown: str) -> None:
    assert say_installed_file(file) == shown


def test_a_library_is_named_once() -> None:
    blocked = blocked_in_database()
    assert say_library(blocked) == "asyncpg.connect"


WORDS = {
    model.IncidentKind: phrases.INCIDENT_TITLES,
    model.PatternKind: phrases.PATTERN_TITLES,
    model.Phase: phrases.PHASES,
    model.KilledBy: phrases.KILLED_BY,
    model.WorkerEnd: phrases.ENDS,
    model.How: phrases.HOW_SEEN,
    model.Confidence: phrases.CONFIDENCES,
}


@pytest.mark.parametrize("enumeration", WORDS)
def test_every_member_has_words(enumeration: type[enum.Enum]) -> None:
    assert set(WORDS[enumeration]) - {None} == set(enumeration)  # type: ignore[index]
    assert set(phrases.IN_PHASE) == set(model.Phase)
