"""The stacks of a real start-up that hangs, as speedscope and flame graphs show them: watched, recorded and at once."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.live.gtdiag_command import run_gtdiag
from tests.live.hanging_start_up import hanging_start_up
from tests.speedscope_package import format_schema, release_folder
from tests.unit.renderers.speedscope_rules import check_speedscope, stacks_of

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_a_hanging_start_up_in_speedscope(tmp_path: Path) -> None:
    recording, snapshot = tmp_path / "incident.jsonl", tmp_path / "snapshot.json"
    with hanging_start_up(tmp_path) as (gunicorn, _):
        pids = gunicorn.wait_for_workers(2)
        watched = run_gtdiag(
            "watch", str(gunicorn.pid), "--for", "6s", "--record", str(recording), "--format", "speedscope"
        )
        run_gtdiag("snapshot", str(gunicorn.pid), "--format", "speedscope", "-o", str(snapshot))
    document = check_speedscope(watched.stdout)
    stacks = stacks_of(document)
    assert sorted(stacks) == sorted(f"worker {pid} (number {n})" for n, pid in enumerate(sorted(pids), start=1))
    for profile, of_worker in zip(document["profiles"], stacks.values(), strict=True):
        waits = [weight for stack, weight in of_worker if "> verify_database_migrations >" in stack]
        assert profile["unit"] == "seconds"
        assert 2.0 < sum(waits) < 7.0
        assert all(stack.startswith("start-up > ") for stack, _ in of_worker)

    again = run_gtdiag("analyze", str(recording), "--format", "speedscope")
    assert again.stdout == watched.stdout

    moment = check_speedscope(snapshot.read_text(encoding="utf-8"))
    assert {profile["unit"] for profile in moment["profiles"]} == {"none"}

    collapsed = run_gtdiag("analyze", str(recording), "--format", "collapsed")
    assert any(
        ";start-up;tasks;" in line and "verify_database_migrations" in line for line in collapsed.stdout.split("\n")
    )


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not here")
@pytest.mark.parametrize(
    ("format", "importer"), [("speedscope", "speedscope json file"), ("collapsed", "collapsed stack format")]
)
def test_speedscope_itself_imports_it(format: str, importer: str, tmp_path: Path) -> None:
    """Its page is opened on the file as its own command does, without a network; the page says what it reads it as."""
    from tests.golden.test_report_formats import LOGS, TIMEOUT

    done = run_gtdiag("analyze", str(LOGS / TIMEOUT / "log.txt"), "--format", format)
    script = tmp_path / "load.js"
    content = base64.b64encode(done.stdout.encode()).decode()
    script.write_text(f'speedscope.loadFileFromBase64("stacks", "{content}")', encoding="utf-8")
    page = f"{(release_folder() / 'index.html').as_uri()}#localProfilePath={script}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom"]
    shown = subprocess.run(["chromium", *options, page], capture_output=True, text=True, timeout=120)
    assert f"Importing as {importer}" in shown.stderr
    assert '"import: ' in shown.stderr
    assert "rror:" not in "".join(line for line in shown.stderr.splitlines() if "CONSOLE" in line)
    assert "Drag and drop a profile file" not in shown.stdout


def test_speedscopes_own_schema_accepts_it(tmp_path: Path) -> None:
    from gtdiag.renderers.speedscope import render_speedscope
    from tests.golden.test_report_formats import LOGS, TIMEOUT
    from tests.unit.renderers import sample_stacks
    from tests.unit.renderers.sample_reports import restart_loop

    schema = format_schema()
    jsonschema.validate(json.loads((LOGS / TIMEOUT / "expected.speedscope.json").read_text(encoding="utf-8")), schema)
    jsonschema.validate(json.loads(render_speedscope(restart_loop(), sample_stacks.two_workers())), schema)
