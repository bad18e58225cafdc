"""examples/github-action: valid for GitHub's own schemas, and its steps run as the runner runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environments import REPOSITORY

FOLDER = REPOSITORY / "examples" / "github-action"
ACTION: dict[str, Any] = yaml.safe_load((FOLDER / "action.yml").read_text())
LOG = REPOSITORY / "fixtures" / "logs" / "sync-23.0.0-timeout-urllib" / "log.txt"


@pytest.mark.parametrize(("name", "schema"), [("action.yml", "github-actions"), ("workflow.yml", "github-workflows")])
def test_the_schemas_of_github(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(FOLDER / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_gives_inputs_that_there_are_and_uses_outputs_that_there_are() -> None:
    text = (FOLDER / "workflow.yml").read_text()
    (step,) = [s for s in yaml.safe_load(text)["jobs"]["integration"]["steps"] if s.get("id") == "gtdiag"]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert set(re.findall(r"steps\.gtdiag\.outputs\.(\w+)", text)) <= set(ACTION["outputs"])


def test_no_input_is_pasted_into_a_script() -> None:
    assert not [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step["run"]]


class Runner:
    """What the runner does with the steps of a composite action; an installed gtdiag stands for `pip install`."""

    def __init__(self, folder: Path) -> None:
        self.temporary, self.output, self.summary = folder / "temp", folder / "output", folder / "summary"
        binaries = self.temporary / "gtdiag" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "gtdiag").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gtdiag "$@"\n')
        (binaries / "gtdiag").chmod(0o755)
        self.output.touch()

    def run(self, step: dict[str, Any], folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
        given = {name: default for name, one in ACTION["inputs"].items() if (default := one.get("default")) is not None}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        variables = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)
            for name, value in step["env"].items()
        }
        variables |= {"RUNNER_TEMP": str(self.temporary), "GITHUB_OUTPUT": str(self.output), "GITHUB_ACTIONS": "true"}
        variables |= {"GITHUB_STEP_SUMMARY": str(self.summary), "PYTHONPATH": os.fspath(REPOSITORY)}
        script = self.temporary / "script.sh"
        script.write_text(step["run"])
        # https://docs.github.com/actions: what `shell: bash` runs
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        environment = {**os.environ, **variables}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "a log; touch hacked.log").write_bytes(LOG.read_bytes())
    return folder


LOOK = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "analyze")


def test_incidents_fail_the_step_with_annotations_a_summary_and_a_page(tmp_path: Path, checkout: Path) -> None:
    runner = Runner(tmp_path)
    done = runner.run(LOOK, checkout, logs="a log; touch hacked.log\n\n")
    assert done.returncode == 1, done.stderr
    assert "::error file=" in done.stdout and "read_upstream" in done.stdout
    assert "read_upstream" in runner.summary.read_text()
    outputs = runner.outputs()
    assert outputs["found"] == "true"
    assert json.loads(Path(outputs["json"]).read_text())["incidents"]
    assert Path(outputs["html"]).read_text().startswith("<!")
    assert [path.name for path in checkout.iterdir()] == ["a log; touch hacked.log"]


@pytest.mark.parametrize(
    ("inputs", "status", "found"),
    [({"fail_on": "oom_kill"}, 0, "false"), ({"fail_on": "none", "timeout": "30"}, 0, "false")],
)
def test_what_does_not_count_does_not_fail(
    inputs: dict[str, str], status: int, found: str, tmp_path: Path, checkout: Path
) -> None:
    runner = Runner(tmp_path)
    done = runner.run(LOOK, checkout, logs="*.log", **inputs)
    assert (done.returncode, runner.outputs().get("found")) == (status, found), done.stderr


def test_a_missing_log_is_one_clear_line(tmp_path: Path, checkout: Path) -> None:
    done = Runner(tmp_path).run(LOOK, checkout, logs="gunicorn.log")
    assert (done.returncode, "no such file: gunicorn.log" in done.stderr) == (3, True), done.stderr
    assert "Traceback" not in done.stderr
