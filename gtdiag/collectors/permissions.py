"""Why a process's memory may not be read here, and the command that would change it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gtdiag.collectors.containers import KUBERNETES, find_own_engine

CAP_SYS_PTRACE = 19
"""Its bit in the capability masks of /proc/PID/status (capabilities(7))."""
FILE_CAPABILITIES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: either opens files that belong to other users."""
YAMA_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
WITH_CAPABILITY = (
    "docker run --cap-add=SYS_PTRACE ... (Kubernetes: securityContext.capabilities.add: [SYS_PTRACE]), or run gtdiag "
    "on the host"
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The reason in words, and a command or setting to paste."""

    why: str
    hint: str


def explain_ptrace_denial(pid: int, master_pid: int | None = None) -> Obstacle:
    """Say what keeps this user from reading the memory of `pid` (ptrace(2), "Ptrace access mode checking")."""
    own_user, own_capable = os.geteuid(), _has_ptrace_capability()
    owner = read_user(pid)
    rerun = say_rerun(master_pid or pid, owner=None if own_user == 0 else owner)
    if own_capable and owner not in (None, own_user) and not _has_capability(*FILE_CAPABILITIES):
        return Obstacle(
            why=f"the process belongs to user {owner}, gtdiag runs as user {own_user}, and CAP_SYS_PTRACE alone does "
            "not open another user's files in /proc",
            hint=f"run it as user {owner} or as root, or with CAP_DAC_READ_SEARCH too",
        )
    if own_capable:
        return Obstacle(
            why="the kernel refuses it although this user has CAP_SYS_PTRACE (a seccomp profile, another user "
            "namespace, or an undumpable process)",
            hint="run it on the host instead of in the container: sudo gtdiag ps",
        )
    if own_user == 0:
        return Obstacle(
            why="this is root without CAP_SYS_PTRACE, as in a container",
            hint=rerun if find_own_engine() else WITH_CAPABILITY,
        )
    if owner is not None and owner != own_user:
        return Obstacle(why=f"the process belongs to user {owner}, gtdiag runs as user {own_user}", hint=rerun)
    group, own_group = read_group(pid), os.getegid()
    if group is not None and group != own_group:
        return Obstacle(
            why=f"the process belongs to group {group}, gtdiag runs as group {own_group}; both must be the same",
            hint=f"setpriv --regid={group} gtdiag ...   (docker: --user {owner}:{group}; Kubernetes: "
            f"securityContext.runAsUser: {owner}, runAsGroup: {group})",
        )
    scope = read_yama_scope()
    if scope:
        return Obstacle(
            why=f"Yama allows only parents to do that (kernel.yama.ptrace_scope is {scope})",
            hint=f"{rerun}    # or, on the host, until the next boot: sudo sysctl kernel.yama.ptrace_scope=0",
        )
    if is_dumpable(pid) is False:
        why = "it is not dumpable (it changed its user after its start, or asked for that with prctl)"
    elif is_more_capable(pid):
        why = "it has capabilities that gtdiag lacks"
    else:
        why = "it changed its user after its start, is not dumpable, or is kept from others by a security module"
    return Obstacle(why=f"the kernel protects it: {why}", hint=rerun)


def say_rerun(pid: int, verb: str = "watch", *, owner: int | None = None) -> str:
    """The command that may do it: in a container there is no sudo, and a restart would lose what is to be seen.

    `owner`: the user of the process, where running as that user would do.
    """
    engine = find_own_engine()
    if engine == KUBERNETES:
        user = "" if owner is None else f", or securityContext.runAsUser: {owner}"
        return (
            f"kubectl debug -it POD --image IMAGE --target CONTAINER --profile=general -- gtdiag {verb}   (a container "
            f"that has SYS_PTRACE; for good: securityContext.capabilities.add: [SYS_PTRACE]{user})"
        )
    if engine is not None:
        return (
            f"{engine} exec --privileged --user 0 CONTAINER gtdiag {verb} {pid}   (for good: {engine} run "
            "--cap-add=SYS_PTRACE ...), or run gtdiag on the host"
        )
    return f"sudo gtdiag {verb} {pid}"


def read_yama_scope() -> int | None:
    """kernel.yama.ptrace_scope; None where the kernel has no Yama."""
    try:
        return int(YAMA_SCOPE.read_text())
    except (OSError, ValueError):
        return None


def read_user(pid: int) -> int | None:
    """The effective user id of a process, None where it cannot be read."""
    users = (_status_field(str(pid), "Uid:") or "").split()
    return int(users[1]) if len(users) > 1 else None


def read_group(pid: int) -> int | None:
    """The effective group id of a process, None where it cannot be read."""
    groups = (_status_field(str(pid), "Gid:") or "").split()
    return int(groups[1]) if len(groups) > 1 else None


def is_dumpable(pid: int) -> bool | None:
    """The files of a process that is not dumpable belong to root (proc(5)); where it runs as root, nothing shows."""
    user = read_user(pid)
    if not user:
        return None
    try:
        return os.stat(f"/proc/{pid}/environ").st_uid == user  # noqa: PTH116
    except OSError:
        return None


def is_more_capable(pid: int) -> bool | None:
    """Without CAP_SYS_PTRACE the kernel wants the caller's capabilities to cover the other's (ptrace(2))."""
    theirs, mine = _status_field(str(pid), "CapPrm:"), _status_field("self", "CapPrm:")
    if theirs is None or mine is None:
        return None
    return bool(int(theirs, 16) & ~int(mine, 16))


def _has_ptrace_capability() -> bool:
    return _has_capability(CAP_SYS_PTRACE)


def _has_capability(*bits: int) -> bool:
    mask = _status_field("self", "CapEff:")
    return mask is not None and any(int(mask.split()[0], 16) >> bit & 1 for bit in bits)


def _status_field(pid: str, name: str) -> str | None:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return line[len(name) :]
    except OSError:
        pass
    return None
