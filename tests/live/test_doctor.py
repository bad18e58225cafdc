"""`gtdiag doctor` beside real gunicorn, where it may look and where it may not: users, capabilities, namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from gtdiag.renderers.json_report import read_schema
from tests.environments import Environment
from tests.live.gtdiag_command import (
    GTDIAG,
    Done,
    as_module,
    installation_without_py_spy,
    path_without_py_spy,
    run_gtdiag,
)
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

pytestmark = pytest.mark.live

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def diagnose(
    *arguments: str, command: Sequence[str] = GTDIAG, variables: dict[str, str] | None = None
) -> tuple[Done, dict[str, Any], dict[str, Any]]:
    """The command's end, its JSON, and the checks by id."""
    done = run_gtdiag("doctor", *arguments, "--format", "json", command=command, variables=variables)
    assert done.status in (0, 1), done.stderr
    assert done.stderr == ""
    value = json.loads(done.stdout)
    jsonschema.validate(value, json.loads(read_schema("doctor")))
    assert value["complete"] == (done.status == 0)
    for check in value["checks"]:
        assert (check["status"] == "ok") == (not check["cost"]) == (not check["hint"]), check
    return done, value, {check["id"]: check for check in value["checks"]}


def lacking(value: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["status"] for check in value["checks"] if check["matters"] and check["status"] != "ok"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def nobody() -> list[str]:
    """gtdiag as an ordinary user without any privilege."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv (util-linux) to become another user")
    command = [*AS_NOBODY, *as_module()]
    reachable = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd="/", check=False)
    if reachable.returncode != 0:
        pytest.skip(f"another user cannot run this Python: {reachable.stderr.strip().splitlines()[-1:]}")
    return command


def need_unshare(*options: str) -> list[str]:
    """The command that starts a program in namespaces of its own."""
    command = ["unshare", *options, "--fork", "--kill-child"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"this machine does not allow {' '.join(command)}")
    return command


def serving(environment: Environment, folder: Path, **options: Any) -> Any:
    application = options.pop("application", "sync_serving:application")
    return running_gunicorn(environment, application, folder=folder, workers=2, timeout_s=20, **options)


def wait_for_beats(gunicorn: GunicornProcess) -> None:
    gunicorn.wait_for_log("Booting worker", 2)
    time.sleep(1)  # the first heartbeat is sent when the application has been loaded


# --- where it may look


def test_everything_that_matters_can_be_observed(newest_environment: Environment, tmp_path: Path) -> None:
    with serving(newest_environment, tmp_path) as gunicorn:
        wait_for_beats(gunicorn)
        _, value, checks = diagnose(str(gunicorn.pid))
        text = run_gtdiag("doctor", str(gunicorn.pid))
        worker = gunicorn.worker_pids()[0]
        assert diagnose(str(worker))[1]["pid"] == gunicorn.pid, "a worker's pid leads to its master"
    assert lacking(value) == {}
    assert (value["pid"], value["version"], value["workers"]) == (gunicorn.pid, "27.0.1", 2)
    assert "logs nothing" in checks["gunicorn"]["found"]
    assert checks["worker_memory"]["found"] == "2 of 2 workers can be read"
    assert checks["heartbeat"]["found"] == "2 of 2 heartbeat files can be read"
    assert checks["log"]["found"] == os.fspath(gunicorn.log_path)
    for name in ("py_spy", "stacks", "vm_read", "system_calls", "traffic", "settings", "control_socket", "network"):
        assert checks[name]["status"] == "ok", checks[name]
    assert text.status == 0
    assert text.stdout.startswith(f"Everything that matters of master {gunicorn.pid} can be observed")
    assert "\x1b" not in text.stdout


def test_an_old_gunicorn_has_no_silent_hang_and_no_control_socket(environment_21: Environment, tmp_path: Path) -> None:
    with serving(environment_21, tmp_path) as gunicorn:
        wait_for_beats(gunicorn)
        _, value, checks = diagnose(str(gunicorn.pid))
    assert lacking(value) == {}
    assert "logs nothing" not in checks["gunicorn"]["found"]
    assert checks["control_socket"]["found"] == "not in this version of gunicorn"


def test_the_log_goes_into_a_pipe(newest_environment: Environment, tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    piped = ["sh", "-c", f'exec 3>\'{log}\'; "$0" "$@" 2>&1 | cat >&3', os.fspath(newest_environment.gunicorn)]
    with serving(
        newest_environment, tmp_path, command=piped, log="error-logfile", options=["--error-logfile", "-"]
    ) as (shell):
        shell.wait_for_log("Booting worker", 2)
        [master] = [child.pid for child in psutil.Process(shell.pid).children() if child.children()]
        _, value, checks = diagnose(str(master))
    assert lacking(value) == {"log": "missing"}
    assert "a pipe" in checks["log"]["found"]
    assert "--log -" in checks["log"]["hint"]


# --- where it may not


def test_as_another_user(environment_21: Environment, folder: Path, nobody: list[str]) -> None:
    with serving(environment_21, folder) as gunicorn:
        wait_for_beats(gunicorn)
        done, value, checks = diagnose(str(gunicorn.pid), command=nobody)
        text = run_gtdiag("doctor", str(gunicorn.pid), command=nobody)
    assert done.status == text.status == 1
    assert lacking(value)["worker_memory"] == lacking(value)["heartbeat"] == "missing"
    assert checks["user"]["status"] == "missing"
    assert f"gtdiag runs as user {NOBODY}" in checks["worker_memory"]["found"]
    assert value["first_step"] == f"sudo gtdiag watch {gunicorn.pid}"
    assert f"First: sudo gtdiag watch {gunicorn.pid}" in text.stdout


def test_as_root_without_capabilities(environment_21: Environment, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv (util-linux)")
    with serving(environment_21, tmp_path) as gunicorn:
        wait_for_beats(gunicorn)
        done, value, checks = diagnose(str(gunicorn.pid), command=[*WITHOUT_CAPABILITIES, *as_module()])
    assert done.status == 1
    assert "worker_memory" in lacking(value)
    assert checks["capabilities"]["status"] == "missing"
    assert "--cap-add SYS_PTRACE" in checks["capabilities"]["hint"]
    assert "capabilities that gtdiag lacks" in checks["dumpable"]["found"]


def test_workers_that_are_not_dumpable(environment_21: Environment, folder: Path, nobody: list[str]) -> None:
    """The same user without privileges, and the application has closed its memory."""
    command = [*AS_NOBODY, os.fspath(environment_21.gunicorn)]
    with serving(environment_21, folder, command=command, application="undumpable:application") as gunicorn:
        wait_for_beats(gunicorn)
        _, value, checks = diagnose(str(gunicorn.pid), command=nobody)
        _, as_root, _ = diagnose(str(gunicorn.pid))
        workers = gunicorn.worker_pids()
    assert lacking(value) == {"worker_memory": "missing", "heartbeat": "missing"}
    assert "it is not dumpable" in checks["worker_memory"]["found"]
    assert checks["dumpable"]["found"] == f"not dumpable: {workers[0]}, {workers[1]}"
    assert checks["user"]["status"] == checks["master_memory"]["status"] == "ok"
    assert lacking(as_root) == {}


def test_a_process_that_proc_hides(environment_21: Environment, folder: Path, nobody: list[str]) -> None:
    with serving(environment_21, folder) as gunicorn:
        gunicorn.wait_for_workers(2)
        hidden = f'mount -t proc -o hidepid=2 proc /proc && exec {" ".join(AS_NOBODY)} "$@"'
        command = [*need_unshare("--mount"), "sh", "-c", hidden, "sh", *as_module()]
        done = run_gtdiag("doctor", str(gunicorn.pid), command=command)
    assert (done.status, done.stdout) == (3, "")
    assert f"process {gunicorn.pid} exists, but /proc hides it" in done.stderr


# --- namespaces


def test_a_container_seen_from_its_host(newest_environment: Environment, folder: Path) -> None:
    unshare = need_unshare("--pid", "--mount-proc", "--net", "--time", "--monotonic", "1000")
    with serving(newest_environment, folder, command=[*unshare, os.fspath(newest_environment.gunicorn)]) as wrapper:
        wait_for_beats(wrapper)
        [master] = psutil.Process(wrapper.pid).children()
        _, value, checks = diagnose(str(master.pid))
    assert lacking(value) == {}
    assert "it knows itself as 1;" in checks["pid_namespace"]["found"]
    assert "1000 s ahead of gtdiag's" in checks["time_namespace"]["found"]
    assert "other mounts" in checks["mount_namespace"]["found"]
    assert "another network namespace" in checks["network"]["found"]


def test_without_any_master_the_host_alone_is_looked_at() -> None:
    alone = need_unshare("--pid", "--mount-proc")
    _, value, checks = diagnose(command=[*alone, *as_module()])
    assert value["pid"] is None and value["complete"]
    assert "worker_memory" not in checks
    assert checks["seccomp"]["status"] in ("ok", "limited")
    text = run_gtdiag("doctor", command=[*alone, *as_module()])
    assert text.stdout.startswith("No gunicorn master was looked at")


# --- without py-spy, and wrong pids


def test_without_py_spy(newest_environment: Environment, tmp_path: Path) -> None:
    command = installation_without_py_spy(tmp_path / "installation")
    with serving(newest_environment, tmp_path) as gunicorn:
        wait_for_beats(gunicorn)
        _, value, checks = diagnose(str(gunicorn.pid), command=command, variables={"PATH": path_without_py_spy()})
    assert lacking(value) == {}, "stacks are read from memory all the same"
    assert checks["py_spy"]["status"] == checks["stacks"]["status"] == "missing"
    assert "pip install" in checks["py_spy"]["hint"]


def test_pids_that_cannot_be_looked_at() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = run_gtdiag("doctor", str(ended.pid))
    other = run_gtdiag("doctor", str(os.getpid()))
    usage = run_gtdiag("doctor", "nonsense")
    assert (gone.status, other.status, usage.status) == (3, 3, 2)
    assert "no process with pid" in gone.stderr
    assert "not a gunicorn master or worker" in other.stderr
    assert gone.stdout == other.stdout == usage.stdout == ""
