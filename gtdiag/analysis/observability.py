"""Facts of what may be read here to a diagnosis: one check for each thing that decides what gtdiag can observe."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gtdiag.analysis import host_checks, master_checks
from gtdiag.analysis.check_judgement import Judgement
from gtdiag.model.observability import Check, CheckStatus, Diagnosis, MasterFacts, ObservabilityFacts
from gtdiag.rules.checks import CheckText, read_check_texts

HOST_JUDGES: Mapping[str, Callable[[ObservabilityFacts], Judgement]] = {
    "user": host_checks.judge_user,
    "capabilities": host_checks.judge_capabilities,
    "seccomp": host_checks.judge_seccomp,
    "yama": host_checks.judge_yama,
    "hidepid": host_checks.judge_hidepid,
    "py_spy": host_checks.judge_py_spy,
    "journal": host_checks.judge_journal,
    "kernel_log": host_checks.judge_kernel_log,
    "cgroup": host_checks.judge_cgroup,
}
"""A new check is one function, one line here or below, and one table in rules/checks.toml."""

MASTER_JUDGES: Mapping[str, Callable[[MasterFacts], Judgement | None]] = {
    "gunicorn": master_checks.judge_gunicorn,
    "worker_memory": master_checks.judge_worker_memory,
    "vm_read": master_checks.judge_vm_read,
    "system_calls": master_checks.judge_system_calls,
    "traffic": master_checks.judge_traffic,
    "heartbeat": master_checks.judge_heartbeat,
    "dumpable": master_checks.judge_dumpable,
    "interpreter": master_checks.judge_interpreter,
    "stacks": master_checks.judge_stacks,
    "master_memory": master_checks.judge_master_memory,
    "settings": master_checks.judge_settings,
    "control_socket": master_checks.judge_control_socket,
    "log": master_checks.judge_log,
    "pid_namespace": master_checks.judge_pid_namespace,
    "time_namespace": master_checks.judge_time_namespace,
    "mount_namespace": master_checks.judge_mount_namespace,
    "network": master_checks.judge_network,
}

NO_PID = "PID"
"""Stands in a command to paste where no master is known."""


def diagnose(facts: ObservabilityFacts) -> Diagnosis:
    """Judge the facts: every check that applies, and one sentence over all."""
    checks = []
    for text in read_check_texts():
        judgement = _judge(text.id, facts)
        if judgement is not None:
            checks.append(_check(text, judgement, facts))
    master = facts.master
    return Diagnosis(
        pid=None if master is None else master.process.pid,
        version=None if master is None else master.version,
        workers=None if master is None else len(master.workers),
        summary=_summarise(checks, master),
        first_step=_first_step(checks),
        complete=not _lacking(checks),
        checks=tuple(checks),
    )


def _judge(name: str, facts: ObservabilityFacts) -> Judgement | None:
    if name in HOST_JUDGES:
        return HOST_JUDGES[name](facts)
    return None if facts.master is None else MASTER_JUDGES[name](facts.master)


def _check(text: CheckText, judgement: Judgement, facts: ObservabilityFacts) -> Check:
    fine = judgement.status is CheckStatus.OK
    pid = NO_PID if facts.master is None else str(facts.master.process.pid)
    return Check(
        id=text.id,
        about=text.about,
        title=text.title,
        status=judgement.status,
        matters=text.matters,
        found=judgement.found,
        cost="" if fine else text.cost,
        hint="" if fine else (judgement.hint or text.hint).replace("{pid}", pid),
    )


def _lacking(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.matters and check.status is not CheckStatus.OK]


def _first_step(checks: list[Check]) -> str:
    """The hint that most of the checks that matter have, of the others where those are ok; the first of equals."""
    hints = [check.hint for check in _lacking(checks) or checks if check.hint]
    return max(dict.fromkeys(hints), key=hints.count, default="")


def _summarise(checks: list[Check], master: MasterFacts | None) -> str:
    lacking = _lacking(checks)
    others = sum(check.status is not CheckStatus.OK for check in checks) - len(lacking)
    lesser = (
        f"; {others} lesser things are limited" if others > 1 else "; one lesser thing is limited" if others else ""
    )
    if master is None:
        said = "No gunicorn master was looked at, only gtdiag and this host"
        return f"{said}{lesser or '; nothing stands in the way'}."
    whom = f"master {master.process.pid}"
    if not lacking:
        return f"Everything that matters of {whom} can be observed{lesser}."
    names = ", ".join(f"{check.title} ({check.status.value})" for check in lacking)
    return f"Not everything that matters of {whom} can be observed: {names}{lesser}."
