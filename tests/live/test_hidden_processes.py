"""/proc mounted with hidepid, an ordinary user: each command says so, with the command that changes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import as_module, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

ORDINARY_USER, OTHER_USER = 61111, 61112
"""Whose processes are those of these tests; nobody's are other tests' too, which run at the same time."""
WORDS = {1: "noaccess", 2: "invisible"}

pytestmark = [pytest.mark.live]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served")
    made.chmod(0o777)
    return made


@pytest.fixture(scope="module")
def of_root(folder: Path) -> Iterator[GunicornProcess]:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, unshare and setpriv (util-linux)")
    if subprocess.run(["unshare", "-m", "mount", "-t", "proc", "proc", "/proc"], check=False).returncode:
        pytest.skip("no mounts in a namespace here")
    with running_gunicorn(standard_environment(NEWEST), "sync_serving:application", folder=folder) as gunicorn:
        gunicorn.wait_for_workers(1)
        yield gunicorn


def become(user: int) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def hidden(option: int, *others: str, user: int = ORDINARY_USER) -> list[str]:
    mount = f'mount -t proc -o hidepid={option}{"".join("," + other for other in others)} proc /proc && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mount, "sh", *become(user), *as_module()]


@pytest.mark.parametrize("option", [1, 2])
def test_each_command_says_what_hides_the_master_and_what_changes_it(option: int, of_root: GunicornProcess) -> None:
    pid = str(of_root.pid)
    for command in (["snapshot", pid], ["watch", pid, "--for", "2s"], ["doctor", pid]):
        done = run_gtdiag(*command, command=hidden(option))
        assert (done.status, done.stdout) == (3, "")
        assert f"process {pid} exists, but /proc hides it from this user (hidepid={WORDS[option]})" in done.stderr
        assert f"hint: sudo gtdiag {command[0]} {pid} " in done.stderr
        assert "sudo mount -o remount,hidepid=0 /proc" in done.stderr
        assert len(done.stderr.splitlines()) == 2, done.stderr


@pytest.mark.parametrize("option", [1, 2])
def test_an_empty_list_is_not_said_to_be_the_whole_truth(option: int, of_root: GunicornProcess) -> None:
    listed = run_gtdiag("ps", "--format", "json", command=hidden(option))
    value = json.loads(listed.stdout)
    assert (listed.status, value["masters"]) == (0, [])
    [gap] = value["gaps"]
    assert gap["what"] == "processes" and f"hidepid={WORDS[option]}" in gap["why"]
    assert gap["hint"].startswith("sudo gtdiag ps ")
    without_pid = run_gtdiag("snapshot", command=hidden(option))
    assert without_pid.status == 2
    assert f"/proc hides the processes of other users from this user (hidepid={WORDS[option]})" in without_pid.stderr


def test_the_group_that_may_see_and_a_pid_that_is_none(of_root: GunicornProcess) -> None:
    listed = run_gtdiag("ps", "--format", "json", command=hidden(2, f"gid={ORDINARY_USER}"))
    value = json.loads(listed.stdout)
    assert of_root.pid in [master["pid"] for master in value["masters"]]
    assert [gap for gap in value["gaps"] if gap["what"] == "processes"] == []
    with subprocess.Popen(["true"]) as ended:
        pass
    done = run_gtdiag("snapshot", str(ended.pid), command=hidden(2))
    assert done.status == 3 and f"no process with pid {ended.pid}" in done.stderr


def test_own_processes_are_seen_all_the_same(of_root: GunicornProcess, tmp_path: Path) -> None:
    served = tmp_path / "own"
    served.mkdir()
    served.chmod(0o777)
    tmp_path.chmod(0o755)
    environment = standard_environment(NEWEST)
    with (
        mute_server() as server,
        running_gunicorn(
            environment,
            "sync_startup:application",
            folder=served,
            command=[*become(OTHER_USER), os.fspath(environment.gunicorn)],
            variables={"FEATURE_FLAGS_URL": f"http://{server.peer}/flags", "HOME": os.fspath(served)},
            timeout_s=2,
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(1)
        command = hidden(2, user=OTHER_USER)
        report = run_gtdiag("watch", str(gunicorn.pid), "--for", "5s", "--format", "json", command=command).report()
    calls = [incident["blocked"]["call"] for incident in report["incidents"] if incident["blocked"]]
    assert "load_feature_flags" in calls
