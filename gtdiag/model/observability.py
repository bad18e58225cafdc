"""What gtdiag found out about its own chances here (facts), and what follows from them (checks)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that was tried. `why` it did not work, and what would change that (`hint`)."""

    ok: bool
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """gtdiag's own process. `capabilities`: names of the effective ones that matter, as in capabilities(7).

    `seccomp`: 0 none, 1 strict, 2 a filter (proc(5)). `vm_read`: process_vm_readv of itself, which only a filter
    refuses. `host_users`: whether this is the host's own user namespace.
    """

    user_id: int
    capabilities: frozenset[str] | None
    seccomp: int | None
    vm_read: Attempt
    host_users: bool | None


@dataclass(frozen=True, slots=True)
class CgroupFacts:
    """The memory cgroup that was found, of gunicorn's master or, without one, of gtdiag itself."""

    version: int
    limit_bytes: int | None
    oom_kill: int | None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What concerns every process of the host.

    `hidepid`: the option of the /proc mount, "off" where there is none. `yama_scope` is None where the kernel has no
    Yama, `cgroup` where no memory cgroup can be seen.
    """

    hidepid: str | None
    yama_scope: int | None
    py_spy_path: str | None
    py_spy: Attempt
    py_spy_version: str | None
    journal: Attempt
    kernel_log: Attempt
    cgroup: CgroupFacts | None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process of gunicorn's, and what may be read of it. `memory`: /proc/PID/mem; `vm_read`: process_vm_readv.
    `system_calls`: /proc/PID/syscall.

    `dumpable` (prctl(2), PR_SET_DUMPABLE) is None where the kernel does not show it: for processes of root.
    `more_capable`: it holds a capability that gtdiag lacks.
    """

    pid: int
    user_id: int | None
    dumpable: bool | None
    more_capable: bool | None
    descriptors: Attempt
    memory: Attempt
    vm_read: Attempt
    system_calls: Attempt


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """Where the master runs, seen from gtdiag: True the same namespace, False another one, None not to be seen.

    `inner_pid`: the pid that the master knows itself by. `clock_offset_s`: its monotonic clock minus gtdiag's.
    `root`: following /proc/PID/root; `sockets`: reading /proc/PID/net/tcp;
    `traffic`: asking the kernel's socket diagnostics in its network namespace.
    """

    same_pids: bool | None
    inner_pid: int | None
    clock_offset_s: float | None
    same_mounts: bool | None
    root: Attempt
    same_network: bool | None
    sockets: Attempt
    traffic: Attempt


@dataclass(frozen=True, slots=True)
class LogFacts:
    """The master's error log. `followed`: it can be opened; `guessed`: it is only taken for the log, `why` says it."""

    shown: str
    followed: bool
    why: str = ""
    hint: str = ""

    @property
    def guessed(self) -> bool:
        """Whether another file could be the real one."""
        return self.followed and bool(self.why)


@dataclass(frozen=True, slots=True)
class MasterFacts:
    """A gunicorn master with its workers.

    `is_gunicorn` is None where this user cannot tell. `python_known`: the layout of that version is known, None where
    the version is not. `interpreter` and `stacks` (py-spy) are None where reading them was not tried.
    `settings_from`: "memory", "control_socket", "command_line", "environment", "configuration_file" or "default";
    `settings_doubt`: why they may be wrong. `control_socket`: whether it answered, None where the version has none.
    `heartbeats`: of how many workers the heartbeat file can be read.
    """

    process: ProcessFacts
    is_gunicorn: bool | None
    place: PlaceFacts
    log: LogFacts
    version: str | None
    worker_class: str | None
    timeout_s: float | None
    settings_from: str | None
    settings_doubt: str
    settings_hint: str
    python: str | None
    python_known: bool | None
    interpreter: Attempt | None
    stacks: Attempt | None
    control_socket: bool | None
    workers: tuple[ProcessFacts, ...]
    heartbeats: int


@dataclass(frozen=True, slots=True)
class ObservabilityFacts:
    """All facts. `master` is None where only the host was looked at."""

    own: OwnFacts
    host: HostFacts
    master: MasterFacts | None


class CheckStatus(str, enum.Enum):
    """What a check found."""

    OK = "ok"
    LIMITED = "limited"
    """It can be observed in part, or with doubts."""
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Whether it can be observed could not be found out."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that decides what can be observed. `about`: "gtdiag", "host", "master" or "workers".

    `matters`: without it gtdiag cannot do its main job. `cost` and `hint` are empty where the status is ok.
    """

    id: str
    about: str
    title: str
    status: CheckStatus
    matters: bool
    found: str
    cost: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What can and cannot be observed here. `complete`: every check that matters is ok.

    `first_step`: what would change most of what is lacking; empty where nothing is.
    """

    pid: int | None
    version: str | None
    workers: int | None
    summary: str
    first_step: str
    complete: bool
    checks: tuple[Check, ...]
