"""A container's id, as a process's cgroup names it, to the file its engine writes the log to, or to why there is none.

Where the engines keep them: docker `DATA/containers/ID/ID-json.log` (DATA: `data-root` of daemon.json), the kubelet
`/var/log/pods/NAMESPACE_POD_UID/CONTAINER/RESTART.log` with links in `/var/log/containers` that end in the id, podman
`overlay-containers/ID/userdata/ctr.log`, nerdctl `/var/lib/nerdctl/*/containers/*/ID/ID-json.log`.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_SYSTEM = Path("/")
CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:$|/)", re.MULTILINE)
_POD_UID = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})")
_USER = re.compile(r"/user-(\d+)\.slice/")
_DOCKER_DATA = ("var/lib/docker", "var/snap/docker/common/var-lib-docker")
_PODMAN_DATA = "containers/storage/overlay-containers"
_FILE_DRIVERS = frozenset({"json-file", "k8s-file"})


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """Where a container's log is: a file; or the journal, by what its entries are matched with; or neither, and why.

    `container`: its id.
    """

    container: str
    path: Path | None = None
    journal: tuple[str, ...] = ()
    why: str = ""


def find_container_log(cgroup: str, root: Path = FILE_SYSTEM) -> ContainerLog | None:
    """The log of the container that a cgroup belongs to (the text of /proc/PID/cgroup); None where it is of none.

    `root`: what the engines' folders are looked for in.
    """
    match = CONTAINER.search(cgroup)
    if match is None:
        return None
    container = match[1]
    try:
        return _find(container, cgroup, root)
    except PermissionError as error:
        return ContainerLog(
            container,
            why=f"the log of container {container[:12]} is in a folder that may not be read ({error.filename})",
        )
    except OSError as error:
        return ContainerLog(
            container, why=f"the log of container {container[:12]} cannot be looked for: {error.strerror}"
        )


def _find(container: str, cgroup: str, root: Path) -> ContainerLog:
    if (pod := _POD_UID.search(cgroup)) is not None:
        return _find_in_pod(container, pod[1].replace("_", "-"), root)
    candidates = _podman_files(container, cgroup, root) if "libpod" in cgroup else _docker_files(container, root)
    for path in candidates:
        if _is_file(path):
            return _readable(container, path)
    return _without_a_file(container, cgroup, root)


def _readable(container: str, path: Path) -> ContainerLog:
    if os.access(path, os.R_OK):
        return ContainerLog(container, path)
    return ContainerLog(container, why=f"the container's log {path} may not be read by this user")


def _find_in_pod(container: str, uid: str, root: Path) -> ContainerLog:
    for link in _listed(root / "var/log/containers", f"*-{container}.log"):
        # Its own file, so that a rotation, which makes that one anew, is followed.
        target = Path(os.readlink(link)) if link.is_symlink() else link  # noqa: PTH115
        path = root / target.relative_to("/") if target.is_absolute() and link.is_symlink() else target
        return _readable(container, path if _is_file(path) else link)
    folders = [
        folder
        for pod in _listed(root / "var/log/pods", f"*_{uid}")
        for folder in sorted(pod.iterdir())
        if any(file.stem.isdigit() for file in folder.glob("*.log"))
    ]
    if len(folders) == 1:
        newest = max((f for f in folders[0].glob("*.log") if f.stem.isdigit()), key=lambda file: int(file.stem))
        return _readable(container, newest)
    if folders:
        named = ", ".join(str(folder) for folder in folders)
        return ContainerLog(container, why=f"which of the pod's containers is meant cannot be told: {named}")
    return ContainerLog(container, why=f"no log of container {container[:12]} in {root / 'var/log/pods'}")


def _docker_files(container: str, root: Path) -> Iterator[Path]:
    for data in (_docker_data_root(root), *_DOCKER_DATA):
        if data:
            yield root / data / "containers" / container / f"{container}-json.log"
    yield from _listed(root / "var/lib/nerdctl", f"*/containers/*/{container}/{container}-json.log")


def _docker_data_root(root: Path) -> str:
    value = _read_json(root / "etc/docker/daemon.json").get("data-root")
    return value.strip("/") if isinstance(value, str) else ""


def _podman_files(container: str, cgroup: str, root: Path) -> Iterator[Path]:
    own = f"{container}/userdata/ctr.log"
    yield root / "var/lib" / _PODMAN_DATA / own
    user = _USER.search(cgroup)
    home = _home_of(int(user[1])) if user is not None else ""
    if home:
        yield root / home.strip("/") / ".local/share" / _PODMAN_DATA / own


def _home_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


def _without_a_file(container: str, cgroup: str, root: Path) -> ContainerLog:
    if "libpod" in cgroup:
        # podman's usual driver; it names the entries by the whole id.
        return ContainerLog(container, journal=(f"CONTAINER_ID_FULL={container}",))
    settings = next(
        (s for data in _DOCKER_DATA if (s := _read_json(root / data / "containers" / container / "hostconfig.json"))),
        {},
    )
    configured = settings.get("LogConfig")
    driver = configured.get("Type") if isinstance(configured, dict) else None
    if driver == "journald":
        return ContainerLog(container, journal=(f"CONTAINER_ID_FULL={container}",))
    if isinstance(driver, str) and driver not in _FILE_DRIVERS:
        return ContainerLog(
            container, why=f"container {container[:12]} logs with docker's driver {driver}, not to a text file"
        )
    return ContainerLog(container, why=f"no log file of container {container[:12]} was found")


def _is_file(path: Path) -> bool:
    """Whether there is such a file. Raises PermissionError where its folder does not tell."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _listed(folder: Path, pattern: str) -> list[Path]:
    """The matches, sorted; empty where there is no such folder. Raises PermissionError, which a glob does not."""
    try:
        os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(folder.glob(pattern))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
