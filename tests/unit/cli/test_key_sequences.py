from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.cli.key_sequences import KeyDecoder


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOF", ["up", "end"]),
        (b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~", ["page_up", "page_down", "home", "end"]),
        (b"\r\n\t\x7f\x08", ["enter", "enter", "tab", "backspace", "backspace"]),
        (b"\x1b[1;5A", []),  # Ctrl-Up: no key of ours, and no letters either
        (b"\x1b[<64;10;5M", []),  # a mouse
        (b"\x1b[200~x\x1b[201~", ["x"]),  # pasted
        ("é".encode(), ["é"]),
        (b"\xff\xfe", []),
        (b"\x00\x01", []),
        (b"\x1bq", ["escape", "q"]),
    ],
)
def test_keys(data: bytes, keys: list[str]) -> None:
    assert KeyDecoder().feed(data) == keys


def test_a_key_that_comes_in_pieces() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.feed(b"[") == []
    assert decoder.feed(b"A") == ["up"]
    assert not decoder.waiting


def test_escape_alone() -> None:
    decoder = KeyDecoder()
    decoder.feed(b"\x1b")
    assert decoder.flush() == ["escape"]
    assert decoder.flush() == []


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_any_bytes_in_any_pieces(pieces: list[bytes]) -> None:
    decoder = KeyDecoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key.isprintable()
    decoder.flush()
    assert not decoder.waiting
