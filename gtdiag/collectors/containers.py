"""Processes to the container they are in: its id, its engine, and what the engine's command line is called."""

from __future__ import annotations

import os
import re
from pathlib import Path

CONTAINER_ID = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:$|/)", re.MULTILINE)
"""In a path of /proc/PID/cgroup: docker, containerd, CRI-O and podman name a container's cgroup by its id."""
SHORT_ID = 12
"""Characters of an id that docker and podman show, and take."""

KUBERNETES, DOCKER, PODMAN = "kubernetes", "docker", "podman"
POD_MARKS = re.compile(r"kubepods|kubelet")
_OWN_MARKS = ((Path("/run/.containerenv"), PODMAN), (Path("/.dockerenv"), DOCKER))
"""Files that the engines put into each container."""
ENGINE_VARIABLE = "container"
"""Set by podman in each of its containers."""
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO (linux/proc_ns.h)."""


def read_container_id(pid: int) -> str | None:
    """The first characters of the id of the container that a process is in; None where its cgroup names none."""
    match = CONTAINER_ID.search(_read(f"/proc/{pid}/cgroup"))
    return match[1][:SHORT_ID] if match else None


def find_engine(pid: int) -> str | None:
    """Whose container a process is in, by its cgroup or by where gtdiag itself runs; None for none that is known."""
    cgroup = _read(f"/proc/{pid}/cgroup")
    if POD_MARKS.search(cgroup):
        return KUBERNETES
    own = find_own_engine()
    if own is not None:
        return own
    if CONTAINER_ID.search(cgroup):
        return PODMAN if "libpod" in cgroup else DOCKER
    return None


def find_own_engine() -> str | None:
    """Whose container gtdiag runs in."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:  # set in every container of a pod
        return KUBERNETES
    if is_in_initial_pid_namespace():  # a virtual machine that was made of an image keeps the marks
        return None
    if os.environ.get(ENGINE_VARIABLE) == PODMAN:  # its file is missing from a read-only root
        return PODMAN
    return next((engine for file, engine in _OWN_MARKS if file.exists()), None)


def is_in_initial_pid_namespace() -> bool:
    """Whether gtdiag's pids are those of the machine: the ones in the kernel's own log."""
    try:
        return os.readlink("/proc/self/ns/pid") == INITIAL_PID_NAMESPACE  # noqa: PTH115
    except OSError:
        return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
