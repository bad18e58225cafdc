"""Only host and port of a DSN or URL get out: never a user, a password or a part of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.interpreter.host_text import parse_host


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("postgresql://app:opensesame@db.internal:5432/orders?sslmode=require", "db.internal", 5432),
        ("postgresql+asyncpg://app:p@ss@db.internal/orders", "db.internal", None),
        ("https://Models.Internal/v1/list?token=x", "models.internal", None),
        ("redis://:secret@cache:6379/0", "cache", 6379),
        ("amqp://guest:guest@mq//", "mq", None),
        ("mongodb://u:p@a.internal:27017,b.internal:27018/db", "a.internal", 27017),
        ("host=db.internal port=5433 user=app password='a b host=evil'", "db.internal", 5433),
        ("dbname=orders host='db.internal'", "db.internal", None),
    ],
)
def test_what_is_named(text: str, host: str, port: int | None) -> None:
    assert parse_host(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "postgresql://app:open/sesame@db.internal/orders",  # a slash in the password: what is the host?
        "postgresql://10.0.3.7:5432/orders",  # an address names nothing
        "http://[::1]:8000/",
        "postgresql:///orders",
        "password='x host=opensesame'",
        "password=\\'x host=opensesame'",
        "SELECT * FROM users WHERE host = 'opensesame' OR 1=1",
        "db.internal",  # bare words are hosts only where they are said to be
        "x" * 5000,
    ],
)
def test_what_names_nothing(text: str | None) -> None:
    assert parse_host(text) is None


def test_a_bare_host() -> None:
    assert parse_host("db.internal:5432", bare=True) == ("db.internal", 5432)
    assert parse_host("user:opensesame@db", bare=True) is None
    assert parse_host("/var/run/postgresql", bare=True) is None


SAFE = st.text("abcXYZ019._~!$&()*+;:@%-", min_size=1, max_size=12)


@given(password=SAFE)
def test_no_password_gets_out(password: str) -> None:
    for text in (f"postgresql://app:{password}@db.internal/orders", f"host=db.internal password='{password}'"):
        assert parse_host(text) in (("db.internal", None), None)
