"""Where the engines keep a container's log: their folders, made as they make them, under another root."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gtdiag.collectors.container_logs import ContainerLog, find_container_log

ID = "0a1b2c3d4e5f" * 5 + "0a1b"
UID = "3f1c1c1e-7b7a-4c7e-9d70-0a1b2c3d4e5f"

DOCKER = [
    f"0::/system.slice/docker-{ID}.scope\n",
    f"12:pids:/docker/{ID}\n11:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n",
    f"0::/docker/{ID}\n",
    f"0::/../docker-{ID}.scope\n",
]
KUBERNETES = [
    (
        f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/"
        f"cri-containerd-{ID}.scope\n"
    ),
    f"11:memory:/kubepods/besteffort/pod{UID}/{ID}\n",
    f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope\n",
]


def make(path: Path, text: str = "a line\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("cgroup", DOCKER)
def test_docker(tmp_path: Path, cgroup: str) -> None:
    log = make(tmp_path / f"var/lib/docker/containers/{ID}/{ID}-json.log")
    assert find_container_log(cgroup, tmp_path) == ContainerLog(ID, log)


def test_docker_with_another_data_root(tmp_path: Path) -> None:
    make(tmp_path / "etc/docker/daemon.json", json.dumps({"data-root": "/data/docker"}))
    log = make(tmp_path / f"data/docker/containers/{ID}/{ID}-json.log")
    assert find_container_log(DOCKER[0], tmp_path) == ContainerLog(ID, log)


def test_docker_of_the_snap_and_nerdctl(tmp_path: Path) -> None:
    log = make(tmp_path / f"var/lib/nerdctl/1935db59/containers/default/{ID}/{ID}-json.log")
    assert find_container_log(DOCKER[0], tmp_path) == ContainerLog(ID, log)
    log = make(tmp_path / f"var/snap/docker/common/var-lib-docker/containers/{ID}/{ID}-json.log")
    assert find_container_log(DOCKER[0], tmp_path) == ContainerLog(ID, log)


@pytest.mark.parametrize(
    ("driver", "journal", "why"),
    [
        ("journald", (f"CONTAINER_ID_FULL={ID}",), ""),
        ("local", (), "docker's driver local"),
        ("awslogs", (), "docker's driver awslogs"),
        ("json-file", (), "no log file of container 0a1b2c3d4e5f was found"),
    ],
)
def test_docker_with_another_driver(tmp_path: Path, driver: str, journal: tuple[str, ...], why: str) -> None:
    folder = tmp_path / f"var/lib/docker/containers/{ID}"
    make(folder / "hostconfig.json", json.dumps({"LogConfig": {"Type": driver, "Config": {}}}))
    found = find_container_log(DOCKER[0], tmp_path)
    assert found is not None
    assert (found.path, found.journal) == (None, journal)
    assert why in found.why


def test_no_docker_folder_at_all(tmp_path: Path) -> None:
    assert find_container_log(DOCKER[0], tmp_path) == ContainerLog(
        ID, why="no log file of container 0a1b2c3d4e5f was found"
    )


@pytest.mark.parametrize("cgroup", KUBERNETES)
def test_kubernetes_by_the_link_that_ends_in_the_id(tmp_path: Path, cgroup: str) -> None:
    pod = tmp_path / f"var/log/pods/shop_web-7d9f-x2x_{UID}"
    make(pod / "app/0.log")
    log = make(pod / "app/1.log")
    make(pod / "sidecar/0.log")
    link = tmp_path / f"var/log/containers/web-7d9f-x2x_shop_app-{ID}.log"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/var/log/pods/shop_web-7d9f-x2x_{UID}/app/1.log")
    assert find_container_log(cgroup, tmp_path) == ContainerLog(ID, log)


def test_kubernetes_by_the_pod_when_it_has_one_container(tmp_path: Path) -> None:
    pod = tmp_path / f"var/log/pods/shop_web-7d9f-x2x_{UID}"
    make(pod / "app/2.log")
    log = make(pod / "app/10.log")
    make(pod / "app/10.log.20261122-101500")
    assert find_container_log(KUBERNETES[0], tmp_path) == ContainerLog(ID, log)


def test_kubernetes_with_two_containers_and_no_link_is_not_guessed(tmp_path: Path) -> None:
    pod = tmp_path / f"var/log/pods/shop_web-7d9f-x2x_{UID}"
    make(pod / "app/0.log")
    make(pod / "sidecar/0.log")
    found = find_container_log(KUBERNETES[0], tmp_path)
    assert found is not None and found.path is None
    assert "cannot be told" in found.why and "app" in found.why and "sidecar" in found.why


def test_kubernetes_on_docker_leads_through_two_links(tmp_path: Path) -> None:
    log = make(tmp_path / f"var/lib/docker/containers/{ID}/{ID}-json.log")
    inner = tmp_path / f"var/log/pods/shop_web_{UID}/app/0.log"
    inner.parent.mkdir(parents=True)
    inner.symlink_to(log)
    link = tmp_path / f"var/log/containers/web_shop_app-{ID}.log"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/var/log/pods/shop_web_{UID}/app/0.log")
    found = find_container_log(KUBERNETES[0], tmp_path)
    assert found == ContainerLog(ID, inner)
    assert inner.samefile(log)


def test_podman(tmp_path: Path) -> None:
    cgroup = f"0::/machine.slice/libpod-{ID}.scope/container\n"
    assert find_container_log(cgroup, tmp_path) == ContainerLog(ID, journal=(f"CONTAINER_ID_FULL={ID}",))
    log = make(tmp_path / f"var/lib/containers/storage/overlay-containers/{ID}/userdata/ctr.log")
    assert find_container_log(cgroup, tmp_path) == ContainerLog(ID, log)


def test_podman_without_root(tmp_path: Path) -> None:
    import pwd

    user = pwd.getpwuid(os.getuid())
    cgroup = f"0::/user.slice/user-{user.pw_uid}.slice/user@{user.pw_uid}.service/user.slice/libpod-{ID}.scope\n"
    home = tmp_path / user.pw_dir.strip("/")
    log = make(home / f".local/share/containers/storage/overlay-containers/{ID}/userdata/ctr.log")
    assert find_container_log(cgroup, tmp_path) == ContainerLog(ID, log)


@pytest.mark.parametrize("cgroup", ["0::/\n", "0::/system.slice/web.service\n", "", "0::/user.slice/session-1.scope\n"])
def test_no_container(tmp_path: Path, cgroup: str) -> None:
    assert find_container_log(cgroup, tmp_path) is None


def test_a_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    make(tmp_path / f"var/lib/docker/containers/{ID}/{ID}-json.log")
    closed, user = tmp_path / "var/lib/docker", os.geteuid()
    closed.chmod(0)
    try:
        if user == 0:
            os.seteuid(65534)  # root may enter every folder
        found = find_container_log(DOCKER[0], tmp_path)
    finally:
        os.seteuid(user)
        closed.chmod(0o755)
    assert found is not None and found.path is None
    assert "may not be read" in found.why
