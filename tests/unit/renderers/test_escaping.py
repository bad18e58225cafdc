from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.renderers.escaping import escape_text

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
"""Surrogates too: so Python carries bytes that were not UTF-8."""


@given(ANY_TEXT, st.booleans())
def test_nothing_survives_that_a_terminal_obeys_or_hides(text: str, ascii_only: bool) -> None:
    shown = escape_text(text, ascii_only=ascii_only)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert shown.isascii() or not ascii_only
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_newlines_are_the_only_exception(text: str) -> None:
    assert escape_text(text, keep_newlines=True).replace("\n", "").isprintable()


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert escape_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b", r"a\u2028b"),
        ("\U000e0041", r"\U000e0041"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), r"\xff\xfe"),
        ("\ud800", r"\ud800"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("Müller 日本", "Müller 日本"),
        (r"C:\x1b", r"C:\x1b"),
    ],
)
def test_how_it_is_shown(text: str, shown: str) -> None:
    assert escape_text(text) == shown


def test_ascii_only() -> None:
    assert escape_text("Müller 日", ascii_only=True) == r"M\xfcller \u65e5"
