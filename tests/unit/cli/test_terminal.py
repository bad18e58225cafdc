from __future__ import annotations

import io

import pytest

from gtdiag.cli.terminal import FILE_WIDTH, is_ascii_only, page_of, wants_colour


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wants_colour(Terminal())
    assert not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_colour(Terminal()), "an empty NO_COLOR counts as unset"
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [("utf-8", False), ("UTF8", False), ("ascii", True), ("latin-1", True)],
)
def test_what_the_stream_can_show(encoding: str, ascii_only: bool) -> None:
    assert is_ascii_only(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is ascii_only


def test_width(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_of(io.StringIO()).width == FILE_WIDTH
    monkeypatch.setenv("COLUMNS", "72")
    assert page_of(io.StringIO()).width == 72
    assert page_of(Terminal()).width == 72
    monkeypatch.setenv("COLUMNS", "wide")
    assert page_of(io.StringIO()).width == FILE_WIDTH


def test_a_closed_or_missing_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not wants_colour(stream)
    assert not page_of(None).colour
