"""Whose container a process is in, by what /proc and the engines' own marks say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtdiag.collectors import containers, permissions
from gtdiag.collectors.log_location import find_log
from tests.unit.collectors.test_log_location import process

ID = "4f0c1f27a5d4f5b2f8a1c09bb21a4d8e7d3c1a90b6f24e35c7d8e9fa0b1c2d3e"


@pytest.fixture
def cgroup(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What /proc/PID/cgroup says: the list's only entry, which a test may replace. gtdiag runs in no container."""
    text = ["0::/user.slice\n"]
    monkeypatch.setattr(containers, "_read", lambda _path: text[0])
    monkeypatch.setattr(containers, "_OWN_MARKS", ())
    for name in ("KUBERNETES_SERVICE_HOST", "container"):
        monkeypatch.delenv(name, raising=False)
    return text


@pytest.mark.parametrize(
    ("path", "engine"),
    [
        (f"/docker/{ID}", "docker"),
        (f"/system.slice/docker-{ID}.scope", "docker"),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman"),
        (f"/kubepods/burstable/pod1234/{ID}", "kubernetes"),
        (f"/kubepods.slice/kubepods-pod12.slice/cri-containerd-{ID}.scope", "kubernetes"),
        (f"/../cri-containerd-{ID}.scope", "docker"),
    ],
)
def test_the_engines_cgroups(cgroup: list[str], path: str, engine: str) -> None:
    cgroup[0] = f"0::{path}\n"
    assert containers.read_container_id(1) == ID[:12]
    assert containers.find_engine(1) == engine


def test_no_container(cgroup: list[str]) -> None:
    cgroup[0] = "0::/system.slice/gunicorn.service\n"
    assert (containers.read_container_id(1), containers.find_engine(1)) == (None, None)


def test_in_a_pod_the_cgroup_says_nothing_and_the_environment_does(
    cgroup: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroup[0] = "0::/\n"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert containers.find_engine(1) == containers.find_own_engine() == "kubernetes"


def test_the_marks_of_docker_and_podman(tmp_path: Path, cgroup: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cgroup[0] = "0::/\n"
    mark = tmp_path / ".dockerenv"
    monkeypatch.setattr(containers, "_OWN_MARKS", ((mark, "docker"),))
    monkeypatch.setattr(containers, "is_in_initial_pid_namespace", lambda: False)
    assert containers.find_own_engine() is None
    mark.touch()
    assert containers.find_engine(1) == "docker"
    monkeypatch.setattr(containers, "is_in_initial_pid_namespace", lambda: True)
    assert containers.find_engine(1) is None, "a machine made of an image"


def test_the_command_that_brings_the_log_fits_the_place(cgroup: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    with process(stdout=subprocess.PIPE, stderr=subprocess.PIPE) as pid:
        cgroup[0] = f"0::/docker/{ID}\n"
        on_the_host = find_log(pid, "-").hint
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        in_a_sidecar = find_log(pid, "-").hint
    assert on_the_host == f"docker logs -f --since 10m {ID[:12]} 2>&1 | gtdiag watch {pid} --log -"
    assert in_a_sidecar.startswith("kubectl logs -f POD -c CONTAINER | kubectl exec -i POD")


@pytest.mark.parametrize(
    ("engine", "command"),
    [
        ("kubernetes", "kubectl debug -it POD --image IMAGE --target CONTAINER --profile=general"),
        ("docker", "docker exec --privileged --user 0 CONTAINER gtdiag watch 41 "),
        (None, "sudo gtdiag watch 41"),
    ],
)
def test_what_to_do_where_memory_may_not_be_read(
    monkeypatch: pytest.MonkeyPatch, engine: str | None, command: str
) -> None:
    monkeypatch.setattr(permissions, "find_own_engine", lambda: engine)
    monkeypatch.setattr(permissions, "_has_ptrace_capability", lambda: False)
    monkeypatch.setattr(permissions, "read_user", lambda _pid: 33)
    monkeypatch.setattr(permissions.os, "geteuid", lambda: 1000)
    obstacle = permissions.explain_ptrace_denial(42, 41)
    assert obstacle.why == "the process belongs to user 33, gtdiag runs as user 1000"
    assert command in obstacle.hint
    assert ("sudo" in obstacle.hint) == (engine is None)


def test_the_same_user_in_another_group_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "find_own_engine", lambda: "kubernetes")
    monkeypatch.setattr(permissions, "_has_ptrace_capability", lambda: False)
    monkeypatch.setattr(permissions, "read_user", lambda _pid: 10001)
    monkeypatch.setattr(permissions, "read_group", lambda _pid: 10001)
    monkeypatch.setattr(permissions.os, "geteuid", lambda: 10001)
    monkeypatch.setattr(permissions.os, "getegid", lambda: 0)
    obstacle = permissions.explain_ptrace_denial(42, 41)
    assert "belongs to group 10001, gtdiag runs as group 0" in obstacle.why
    assert "runAsUser: 10001, runAsGroup: 10001" in obstacle.hint
