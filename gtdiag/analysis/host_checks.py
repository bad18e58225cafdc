"""Facts of gtdiag's own process and of the host to judgements; what was tried on a real process decides."""

from __future__ import annotations

from gtdiag.analysis.check_judgement import Judgement, limited, missing, ok, unknown
from gtdiag.model.observability import MasterFacts, ObservabilityFacts

PTRACE = "SYS_PTRACE"
NO_SECCOMP, SECCOMP_FILTER = 0, 2
YAMA_ANY, YAMA_PARENTS, YAMA_ADMIN_ONLY, YAMA_NOBODY = 0, 1, 2, 3
"""kernel.yama.ptrace_scope (the kernel's documentation, LSM/Yama)."""
MIB = 1024 * 1024


def judge_user(facts: ObservabilityFacts) -> Judgement:
    """Whether gtdiag runs as root or as the user of the processes."""
    own = facts.own.user_id
    name = "root" if own == 0 else f"user {own}"
    if facts.own.host_users is False:
        name += " of a user namespace"
    master = facts.master
    if master is None or master.process.user_id is None:
        return ok(name) if own == 0 else limited(f"{name}: processes of other users cannot be looked into")
    theirs = master.process.user_id
    if own == theirs:
        return ok(f"{name}, as the master")
    if own == 0 or _memory_is_readable(master):
        return ok(f"{name}; the master runs as user {theirs}")
    return missing(f"{name}; the master runs as user {theirs}")


def judge_capabilities(facts: ObservabilityFacts) -> Judgement:
    """Whether gtdiag has what lifts the kernel's other rules."""
    capabilities = facts.own.capabilities
    if capabilities is None:
        return unknown("/proc/self/status shows none")
    held = ", ".join(sorted(capabilities))
    if PTRACE in capabilities:
        return ok(held)
    said = f"no {PTRACE}" + (f", only {held}" if held else "")
    hint = ""
    if facts.own.user_id == 0:
        hint = (
            "docker run --cap-add SYS_PTRACE ...   (Kubernetes: securityContext.capabilities.add: [SYS_PTRACE]), "
            "or run gtdiag on the host"
        )
    if facts.master is None:
        return limited(said, hint)
    if _memory_is_readable(facts.master):
        return ok(f"{said}; it is not needed for this master")
    return missing(said, hint)


def judge_seccomp(facts: ObservabilityFacts) -> Judgement:
    """Whether a filter refuses the system call that py-spy reads with, on gtdiag itself."""
    mode, vm_read = facts.own.seccomp, facts.own.vm_read
    if not vm_read.ok:
        return limited(f"process_vm_readv is refused even for gtdiag itself: {vm_read.why}")
    if mode is None:
        return ok("not shown by this kernel; process_vm_readv works")
    return ok("no filter" if mode == NO_SECCOMP else "a filter, which lets process_vm_readv pass")


def judge_yama(facts: ObservabilityFacts) -> Judgement:
    """Whether Yama stands in the way."""
    scope = facts.host.yama_scope
    if scope is None:
        return ok("not in this kernel")
    said = f"kernel.yama.ptrace_scope is {scope}"
    if scope == YAMA_ANY:
        return ok(said)
    if scope >= YAMA_NOBODY:
        return missing(f"{said}: no process may look into another one", "only a reboot with another setting changes it")
    if PTRACE in (facts.own.capabilities or ()):
        return ok(f"{said}, which {PTRACE} lifts")
    if facts.master is not None and _memory_is_readable(facts.master):
        return ok(f"{said}, which the workers have waived")
    whom = "only parents may look into a process" if scope == YAMA_PARENTS else f"only {PTRACE} may"
    return missing(f"{said}: {whom}")


def judge_hidepid(facts: ObservabilityFacts) -> Judgement:
    """Whether /proc hides processes of other users."""
    option = facts.host.hidepid
    if option is None:
        return unknown("the mount table could not be read")
    if option == "off":
        return ok("off")
    if facts.master is not None:
        return ok(f"{option}; this master is visible")
    if PTRACE in (facts.own.capabilities or ()):
        return ok(f"{option}, which {PTRACE} lifts")
    return limited(f"{option}: processes of other users are hidden")


def judge_py_spy(facts: ObservabilityFacts) -> Judgement:
    """Whether py-spy is there and runs."""
    host = facts.host
    if host.py_spy.ok:
        return ok(f"{host.py_spy_version}, {host.py_spy_path}")
    return missing(host.py_spy.why)


def judge_journal(facts: ObservabilityFacts) -> Judgement:
    """Whether the journal may be read."""
    return ok("readable") if facts.host.journal.ok else missing(facts.host.journal.why, facts.host.journal.hint)


def judge_kernel_log(facts: ObservabilityFacts) -> Judgement:
    """Whether the kernel's messages may be read."""
    return ok("readable") if facts.host.kernel_log.ok else missing(facts.host.kernel_log.why)


def judge_cgroup(facts: ObservabilityFacts) -> Judgement:
    """Whether limit and kills of the memory cgroup are readable."""
    cgroup = facts.host.cgroup
    whose = "gtdiag's" if facts.master is None else "the master's"
    if cgroup is None:
        return missing(f"{whose} memory cgroup has no files that can be seen from here")
    limit = "no limit" if cgroup.limit_bytes is None else f"limit {cgroup.limit_bytes // MIB} MiB"
    said = f"version {cgroup.version}, {limit}"
    if cgroup.oom_kill is None:
        return limited(f"{said}; the count of out-of-memory kills cannot be read")
    return ok(f"{said}, {cgroup.oom_kill} out-of-memory kills so far")


def _memory_is_readable(master: MasterFacts) -> bool:
    """Of the workers, or of the master while it has none."""
    processes = master.workers or (master.process,)
    return all(process.memory.ok for process in processes)
