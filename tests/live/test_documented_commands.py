"""The commands of the pages as a new user would paste them, on a server that hangs in its start-up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documented_commands import read_commands
from tests.environments import REPOSITORY
from tests.live.hanging_start_up import hanging_start_up

pytestmark = [pytest.mark.live, pytest.mark.slow]

PAGES = ("README.md", "docs/recordings.md", "docs/formats.md", "docs/fleet.md", "docs/unattended.md")
NOT_HERE = ("kubectl", "docker", "sudo", "fixtures/", "--scheduler", "http://127.0.0.1:36751", "doctor 28210")
"""Other tests run what these need: engines, a Dask cluster, a health endpoint, a user without rights."""


def test_each_command_does_what_its_page_is_about(tmp_path: Path) -> None:
    path = os.pathsep.join([os.fspath(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    logs = tmp_path / "logs"
    logs.mkdir()
    for case in ("sync-23.0.0-timeout-urllib", "asgi-27.0.1-blocked-loop"):
        shutil.copy(REPOSITORY / "fixtures" / "logs" / case / "log.txt", logs / f"{case}.log")
    ran = []
    with hanging_start_up(tmp_path, timeout_s=4) as (gunicorn, _):
        for page in PAGES:
            for command in read_commands(page):
                line = command.line
                if any(word in line for word in NOT_HERE) or "after.jsonl" in line:
                    continue
                words = {" 1234": f" {gunicorn.pid}", "--for 2m": "--for 7s", "--since 1h": "--since 26280h"}
                words |= {"/mnt/logs": str(logs), "/var/log/gunicorn/error.log": str(gunicorn.log_path)}
                if "--until-incident" not in line and "--for" not in line:
                    words[" 1234"] += " --for 7s"  # the page's own would watch until somebody ends it
                for old, new in words.items():
                    line = line.replace(old, new)
                program = line.partition("|")[2].split()[:1]
                if program and shutil.which(program[0]) is None:
                    line = line.partition("|")[0]
                done = subprocess.run(
                    ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90
                )
                said = f"{page}: {line}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
                assert done.returncode in (0, 1), said
                assert "  hint: " not in done.stderr and "Traceback" not in done.stderr, said
                ran.append(line)
    assert len(ran) >= 14, ran
    for name in ("incident.jsonl", "incident.jsonl.gz", "incident.html", "fleet.html", "stacks.json", "out"):
        assert (tmp_path / name).exists(), f"{name} was not made"
    for name in ("for-vendor.jsonl", "for-vendor.jsonl.gz", "public.jsonl", "report.json", "report.txt"):
        assert (tmp_path / name).stat().st_size > 300, name
    assert "verify_database_migrations" in (tmp_path / "report.txt").read_text()
    assert "verify_database_migrations" not in (tmp_path / "public.jsonl").read_text()
