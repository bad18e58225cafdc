"""Fifty kinds of secret in a saved log: not one of them in any format of the report, unless it is asked for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from gtdiag.cli.main import cli
from gtdiag.renderers.redaction import redact_text
from tests.fleet_logs import FIXTURES, START, restamp
from tests.secret_samples import SAMPLES, SecretSample, leaked

_LAST_WORDS = "No module named 'settings_that_do_not_exist'"
_CASE = "gthread-27.0.1-boot-failure"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which each boot fails with an exception whose words have another secret in them."""
    path = tmp_path_factory.mktemp("secrets") / "gunicorn.log"
    text = (FIXTURES / _CASE / "log.txt").read_text(encoding="utf-8")
    assert _LAST_WORDS in text
    path.write_text(
        "".join(
            restamp(text, START + timedelta(minutes=number), 1000 + 10 * number).replace(_LAST_WORDS, sample.text)
            for number, sample in enumerate(SAMPLES)
        ),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_each_kind_is_masked_once_and_for_all(sample: SecretSample) -> None:
    masked = redact_text(sample.text)
    assert sample.secret not in masked
    assert "***" in masked
    assert redact_text(masked) == masked


@pytest.mark.parametrize(
    "words",
    [
        "token expired", "max_tokens=100", "the key of the map: 7", "monkey=banana", "cookie jar",
        "postgresql://app@db:5432/x", "/srv/tasks/sk-lib/app.py:41", "worker 7 --timeout 30", "import secrets",
        "ModuleNotFoundError: No module named 'passlib'", "#section", "user@host", "http://host/a@b",
    ],
)  # fmt: skip
def test_what_only_looks_like_one_stays(words: str) -> None:
    assert redact_text(words) == words


@pytest.mark.parametrize("name", ["text", "json", "markdown", "html", "junit", "github"])
def test_no_format_shows_one(log: Path, name: str) -> None:
    done = CliRunner().invoke(cli, ["analyze", "--exit-zero", "--format", name, str(log)])
    assert done.exit_code == 0, done.output
    assert leaked(done.output) == []
    assert "***" in done.output.replace("\\", ""), "masked, not left out"


def test_no_redact_shows_them(log: Path) -> None:
    """Else the test above could not fail."""
    done = CliRunner().invoke(cli, ["analyze", "--exit-zero", "--no-redact", "--format", "json", str(log)])
    assert len(leaked(done.output)) == len(SAMPLES)


def test_no_table_holds_one(log: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = CliRunner().invoke(
        cli, ["analyze", "--exit-zero", "--format", "parquet", "-o", str(tmp_path / "out"), str(log)]
    )
    assert done.exit_code == 0, done.output
    for table in ("events", "incidents"):
        held = repr(parquet.read_table(tmp_path / "out" / f"{table}.parquet").to_pylist())
        assert leaked(held) == []
        assert "***" in held
