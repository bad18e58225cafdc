"""A redacted recording tells the same story: same incidents, patterns, categories and calls, without the values."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.environments import REPOSITORY
from tests.live.gtdiag_command import Done, run_gtdiag

RECORDING = REPOSITORY / "fixtures" / "recordings" / "oldest" / "recording.jsonl.gz"
PLANTED = {
    "127.0.0.1:": "10.77.8.9:",
    "web-1": "acme-web-17",
    "/srv/shop": "/home/alice/shop",
    "/var/log/shop": "/var/log/acme-secret-project",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording as it would be in a company."""
    text = gzip.decompress(RECORDING.read_bytes()).decode()
    for before, after in PLANTED.items():
        assert before in text
        text = text.replace(before, after)
    path = tmp_path_factory.mktemp("planted") / "incident.jsonl"
    path.write_text(text)
    return path


def report_of(recording: Path) -> dict[str, Any]:
    return run_gtdiag("analyze", str(recording), "--format", "json", "--rules", "none").report()


def redact(recording: Path, output: Path, *options: str) -> Done:
    done = run_gtdiag("redact", str(recording), "-o", str(output), *options)
    assert done.status == 0, done.stderr
    assert output.stat().st_mode & 0o777 == 0o600
    return done


def structure(report: dict[str, Any], *, names: bool) -> Any:
    """What the verdict rests on, without what was replaced."""
    incidents = [
        (
            incident["kind"],
            incident["pid"],
            incident["phase"],
            incident["killed_by"],
            incident["at"],
            incident["blocked"]["category"],
            incident["blocked"]["library"],
            incident["blocked"]["library_call"],
            incident["blocked"]["confidence"],
            incident["blocked"]["rule"],
            incident["blocked"]["call"] if names else None,
            len(incident["blocked"]["path"]),
            [(frame["line"], frame["owner"]) for frame in incident["blocked"]["stack"]],
            incident["blocked"]["waiting_on"]["peer"].rpartition(":")[2],
        )
        for incident in report["incidents"]
    ]
    patterns = [(pattern["kind"], pattern["pids"], pattern["confidence"]) for pattern in report["patterns"]]
    remedies = [remedy["id"] for remedy in report["verdict"]["remedies"]]
    return incidents, patterns, remedies, report["verdict"]["confidence"], [gap["what"] for gap in report["gaps"]]


@pytest.mark.parametrize("options", [(), ("--hide-names",)], ids=["names-stay", "names-hidden"])
def test_the_same_story_without_the_values(options: tuple[str, ...], planted: Path, tmp_path: Path) -> None:
    copy = tmp_path / "for-vendor.jsonl.gz"
    done = redact(planted, copy, *options)
    assert f"gtdiag analyze {copy}" in done.stderr
    text = gzip.decompress(copy.read_bytes()).decode()
    hidden = ["verify_database_migrations", "startup_contention", "shop"] if options else []
    for value in ["10.77.8.9", "acme", "alice", *hidden]:
        assert value not in text, value
    before, after = report_of(planted), report_of(copy)
    assert structure(after, names=not options) == structure(before, names=not options)
    calls = {incident["blocked"]["call"] for incident in after["incidents"]}
    assert calls == {"verify_database_migrations"} or (options and len(calls) == 1)


def test_a_window_has_its_own_incidents_only_and_knows_the_workers(planted: Path, tmp_path: Path) -> None:
    copy = tmp_path / "part.jsonl"
    redact(planted, copy, "--since", "2026-11-24T00:29:15Z", "--until", "2026-11-24T00:29:18Z")
    whole, part = report_of(planted), report_of(copy)
    inside = [one for one in structure(whole, names=True)[0] if one[4].startswith("2026-11-24T00:29:17")]
    assert len(inside) == 2
    assert [one[:6] + one[10:11] for one in structure(part, names=True)[0]] == [one[:6] + one[10:11] for one in inside]
    booted = {worker["pid"]: worker["booted_at"] for worker in whole["workers"]}
    assert all(worker["booted_at"] == booted[worker["pid"]] for worker in part["workers"])
    assert part["gunicorn"]["timeout_s"] == 3.0
    assert not [gap for gap in part["gaps"] if gap["what"] == "recording"], "the window has its end"


def test_a_copy_of_a_copy_is_read_and_reading_it_changes_nothing(planted: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    redact(planted, first)
    redact(first, second)
    assert [json.loads(line) for line in first.read_text().splitlines()] == [
        json.loads(line) for line in second.read_text().splitlines()
    ]


def test_what_cannot_be_done_is_said_in_a_line(planted: Path, tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("[2026-01-01 00:00:00 +0000] [1] [INFO] Starting gunicorn 27.0.1\n")
    output = tmp_path / "out.jsonl"
    for status, words, arguments in [
        (3, "is not a recording", [str(log), "-o", str(output)]),
        (3, "no such file", [str(tmp_path / "none"), "-o", str(output)]),
        (2, "would replace the recording itself", [str(planted), "-o", str(planted)]),
        (2, "nothing was recorded between", [str(planted), "-o", str(output), "--since", "2030-01-01T00:00:00Z"]),
        (2, "needs a name", [str(planted)]),
        (3, "cannot write", [str(planted), "-o", str(tmp_path / "no" / "folder.jsonl")]),
    ]:
        done = run_gtdiag("redact", *arguments)
        assert (done.status, words in done.stderr) == (status, True), done.stderr
        assert "Traceback" not in done.stderr
        assert not output.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gunicorn.log"]
