"""Logs in an object store (the S3 of moto, over HTTP): the same report as of the same files on the disk."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environments import REPOSITORY
from tests.live.gtdiag_command import as_module

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")

pytestmark = pytest.mark.live
LOGS = ("sync-23.0.0-timeout-urllib", "asgi-27.0.1-blocked-loop")


@pytest.fixture
def store() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def put(store: str, name: str, data: bytes = b"") -> None:
    request = urllib.request.Request(f"{store}/{name}", data=data, method="PUT")
    request.add_header("Content-Type", "application/octet-stream")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def analyze(store: str, *inputs: str) -> subprocess.CompletedProcess[str]:
    variables = {"AWS_ENDPOINT_URL": store, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    return subprocess.run(
        [*as_module(), "analyze", *inputs, "--format", "json"],
        env={**os.environ, **variables, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((incident["kind"], incident["summary"]) for incident in report["incidents"])


def test_a_bucket_of_logs_gives_the_report_of_the_same_folder(store: str, tmp_path: Path) -> None:
    put(store, "logs")
    for number, case in enumerate(LOGS):
        data = (REPOSITORY / "fixtures" / "logs" / case / "log.txt").read_bytes()
        name, data = (
            (f"web-{number}/error.log.1.gz", gzip.compress(data)) if number else (f"web-{number}/error.log", data)
        )
        put(store, f"logs/{name}", data)
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(data)
    put(store, "logs/notes.txt.bak", b"no log")
    near, far = analyze(store, str(tmp_path)), analyze(store, "s3://logs")
    assert (near.returncode, far.returncode) == (1, 1), far.stderr
    assert facts(json.loads(far.stdout)) == facts(json.loads(near.stdout))
    one = analyze(store, "s3://logs/web-0/*.log")
    assert [kind for kind, _ in facts(json.loads(one.stdout))] == ["worker_timeout"], one.stderr


def test_what_is_not_there_and_whoever_is_not_let_in(store: str) -> None:
    put(store, "logs")
    for name in ("s3://logs/none.log", "s3://no-such-bucket/app.log"):
        done = analyze(store, name)
        assert done.returncode in (2, 3), done.stdout
        first, *_ = done.stderr.splitlines()
        assert first.startswith("gtdiag: ") and name in first, done.stderr
        assert "Traceback" not in done.stderr and "hint: " in done.stderr
