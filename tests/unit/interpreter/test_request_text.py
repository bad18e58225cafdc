"""What may be kept of a request's target and headers: names, and never a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.interpreter.request_text import mask_path, mask_query, parse_request_id, split_target


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/a/b", ("/a/b", None)),
        ("/a?", ("/a", "")),
        ("/a?x=1?y", ("/a", "x=1?y")),
        ("//a?b", ("//a", "b")),
        ("http://user:secret@host:80/a?b=c", ("/a", "b=c")),
        ("https://host", ("", None)),
        ("*", ("*", None)),
        ("/to?url=http://user:secret@host/", ("/to", "url=http://user:secret@host/")),
    ],
)
def test_targets(target: str, parts: tuple[str, str | None]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("", ""),
        ("page=2", "page=***"),
        ("page=2&token=a=b;key=c", "page=***&token=***&key=***"),
        ("secret", "***"),
        ("&&a=", "&&a=***"),
    ],
)
def test_queries(query: str, masked: str) -> None:
    assert mask_query(query) == masked


@given(st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=100))
def test_no_value_is_left(names: list[str]) -> None:
    assert "SECRET" not in mask_query("&".join(f"{name}=SECRET" for name in [*names, "last"]))


def test_path_parameters() -> None:
    assert mask_path("/a;jsessionid=SECRET/b;v=1") == "/a;jsessionid=***/b;v=***"
    assert mask_path("/a;b") == "/a;b"


@pytest.mark.parametrize(
    ("header", "value", "request_id"),
    [
        ("x-request-id", " abc-1 ", "abc-1"),
        ("x-request-id", "", None),
        ("x-request-id", "a\x1b[2J", None),
        ("x-request-id", "a" * 200, None),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("traceparent", "nonsense", None),
    ],
)
def test_request_ids(header: str, value: str, request_id: str | None) -> None:
    assert parse_request_id(header, value) == request_id
