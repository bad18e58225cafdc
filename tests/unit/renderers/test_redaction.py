from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.model.report import Remedy, Request
from gtdiag.renderers.redaction import redact_report, redact_text
from tests.unit.renderers import sample_reports


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/login?token=abc&next=/home", "/login?token=***&next=***"),
        ("GET /a?b=c HTTP/1.1", "GET /a?b=*** HTTP/1.1"),
        ("/a?flag&b=1;c=2", "/a?***&b=***;c=***"),
        ("/a?b", "/a?***"),
        ("is it a or b?b", "is it a or b?b"),
        ("https://host/p?key=v#top", "https://host/p?key=***#top"),
        ("postgresql://app:s3cret@db:5432/x", "postgresql://app:***@db:5432/x"),
        ("postgresql+asyncpg://app:p@ss@db/x", "postgresql+asyncpg://app:***@db/x"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("amqp://u:p/w@mq//", "amqp://u:***@mq//"),
        ("http://host:8080/mail/a@b", "http://host:8080/mail/a@b"),
        ("http://host:8080", "http://host:8080"),
        ("mongodb://u:1234@h1:1,h2:2/", "mongodb://u:***@h1:1,h2:2/"),
        ("host=db user=app password=s3cret dbname=x", "host=db user=app password=*** dbname=x"),
        ("password='two words' x", "password=*** x"),
        ("{'api_key': 'abc'}", "{'api_key': ***}"),
        ("DB_PASSWORD=abc", "DB_PASSWORD=***"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("worker 7 timed out: why?", "worker 7 timed out: why?"),
        ("/srv/app/main.py:41", "/srv/app/main.py:41"),
        ("verify_token at auth.py:3", "verify_token at auth.py:3"),
    ],
)
def test_what_is_masked(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@given(st.text(alphabet="abcXYZ0189_-.%", min_size=5))
def test_no_query_value_survives(secret: str) -> None:
    assert secret not in redact_text(f"/p?q=1&key={secret}&z=2").replace("key", "")


def test_hostile_lines_cost_no_more_than_they_are_long() -> None:
    def seconds(count: int) -> float:
        lines = ["a://b:" * count, "?a=" * count, "a" * 6 * count, "password=" * count, "://x:y" * count]
        start = time.process_time()
        for line in lines:
            redact_text(line)
        return time.process_time() - start

    seconds(1000)
    assert seconds(40_000) < 40 * (seconds(4000) + 0.01), "ten times the length costs far more than ten times the time"


def test_a_report_is_redacted_everywhere_but_in_our_own_words() -> None:
    secret = "/p?key=hunter2"
    report = sample_reports.restart_loop()
    incident = dataclasses.replace(
        report.incidents[0], request=Request("GET", secret), evidence=(secret,), summary=secret
    )
    remedy = Remedy("GT-R03", "t", f"because of {secret}", "append ?connect_timeout=5 to the URL")
    verdict = dataclasses.replace(report.verdict, summary=secret, remedies=(remedy,))
    shown = redact_report(dataclasses.replace(report, incidents=(incident,), verdict=verdict))
    assert "hunter2" not in repr(shown)
    assert shown.verdict.remedies[0].how == remedy.how
    assert shown.workers == report.workers
