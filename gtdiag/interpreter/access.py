"""Turns a refused look at a process into the rule that refused it and the command that would change it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gtdiag.interpreter.errors import InterpreterAccessError

_CAP_SYS_PTRACE = 19
_FILE_CAPABILITIES = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: either opens files that belong to other users."""
_YAMA_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def _status_field(pid: int | str, field: str) -> list[str]:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value.split()
    return []


def _may_trace_anyone() -> bool:
    effective = _status_field("self", "CapEff")
    return bool(effective) and bool(int(effective[0], 16) >> _CAP_SYS_PTRACE & 1)


def _may_open_any_file() -> bool:
    effective = _status_field("self", "CapEff")
    return bool(effective) and bool(int(effective[0], 16) & _FILE_CAPABILITIES)


def _yama_scope() -> int:
    with suppress(OSError, ValueError):
        return int(_YAMA_SCOPE.read_text(encoding="ascii"))
    return 0


def access_error(pid: int) -> InterpreterAccessError:
    """Why this process may not be read (ptrace(2), "Ptrace access mode checking"; Yama: kernel docs, LSM/Yama)."""
    as_root = f'sudo env "PATH=$PATH" gtdiag snapshot {pid}'
    owner = _status_field(pid, "Uid")
    mine = os.geteuid()
    scope = _yama_scope()
    if scope >= 3:
        why = "this host allows no process to look into another one (kernel.yama.ptrace_scope is 3)"
        hint = "only a reboot with another setting of kernel.yama.ptrace_scope changes that"
    elif _may_trace_anyone() and owner and owner[0] != str(mine) and not _may_open_any_file():
        why = f"it runs as uid {owner[0]}, gtdiag as uid {mine}; CAP_SYS_PTRACE alone does not open its files in /proc"
        hint = f"run gtdiag as uid {owner[0]} or as root, or with CAP_DAC_READ_SEARCH too"
    elif _may_trace_anyone():
        why = "the kernel refuses it despite CAP_SYS_PTRACE (another user namespace, or a security module)"
        hint = f"run gtdiag on the host, outside of this container: {as_root}"
    elif mine == 0:
        why = "this root user lacks the capability CAP_SYS_PTRACE, as in most containers"
        hint = "docker run --cap-add SYS_PTRACE ..., or in Kubernetes securityContext.capabilities.add: [SYS_PTRACE]"
    elif owner and owner[0] != str(mine):
        why = f"it runs as uid {owner[0]}, gtdiag as uid {mine}"
        hint = as_root
    elif (group := _status_field(pid, "Gid")) and group[0] != str(os.getegid()):
        why = f"it runs as group {group[0]}, gtdiag as group {os.getegid()}; both user and group must be the same"
        hint = f"run gtdiag as {mine}:{group[0]} (docker: --user; Kubernetes: runAsUser and runAsGroup), or {as_root}"
    elif scope == 1:
        why = "kernel.yama.ptrace_scope is 1: only a parent may look into a process of the same user"
        hint = f"{as_root}   (or: sudo sysctl kernel.yama.ptrace_scope=0)"
    elif scope == 2:
        why = "kernel.yama.ptrace_scope is 2: only a process with CAP_SYS_PTRACE may look into another one"
        hint = as_root
    else:
        why = "it has changed its user or holds capabilities that this user lacks, so the kernel protects its memory"
        hint = as_root
    return InterpreterAccessError(f"the memory of process {pid} may not be read: {why}", why, hint)
