"""Sockets, kernel function and CPU of a worker that nobody may look into, to a look of lower confidence.

It names a category and a peer, and no function: that is what is left without the right to ptrace.
"""

from __future__ import annotations

from gtdiag.analysis.kernel_side import find_wait, join_wait, kind_of_wait
from gtdiag.analysis.look import CATEGORY_BY_KERNEL_WAIT, Look, LookEvidence
from gtdiag.model.report import Category, Confidence, How, WaitingOn
from gtdiag.model.stacks import KernelWait
from gtdiag.rules.services import match_peer
from gtdiag.rules.thresholds import threshold


def read_kernel_alone(evidence: LookEvidence) -> Look | None:
    """The call that the kernel's side alone shows.

    None for a worker that may just be idle, or of which the kernel says nothing.
    """
    wait = find_wait(evidence.waits, None)
    kind = kind_of_wait(wait, evidence.kernel_function)
    at_work = evidence.in_startup or evidence.stale
    if wait is not None and wait.state == "R":
        if not at_work or (evidence.cpu_percent or 0.0) < threshold("busy_cpu_percent"):
            return None
        return _without_stack(Category.CPU, WaitingOn("cpu"), How.KERNEL, Confidence.LOW, "cpu.running")
    if kind in ("socket", "poll", None):
        if kind != "socket" and not at_work:
            return None
        return _peer_alone(evidence, wait, direct=kind == "socket")
    category = CATEGORY_BY_KERNEL_WAIT.get(kind, Category.UNKNOWN)
    if kind == "lock" and not at_work:
        return None
    joined = join_wait(kind, category, wait, evidence.kernel)
    sure = Confidence.MEDIUM if kind in ("sleep", "child", "file_lock") else Confidence.LOW
    return _without_stack(category, joined.waiting_on, How.KERNEL, sure, f"kernel.{kind}", joined.note)


def _peer_alone(evidence: LookEvidence, wait: KernelWait | None, *, direct: bool) -> Look | None:
    """The peer that the worker's sockets show it to wait for; only one in trouble, or the only one, is named."""
    joined = join_wait("socket", Category.UNKNOWN, wait, evidence.kernel)
    waiting = joined.waiting_on
    if waiting.peer is None or not joined.sure or not (direct or waiting.condition):
        return None
    service = match_peer(waiting.peer, waiting.process_name)
    return _without_stack(
        service.category if service else Category.NETWORK,
        waiting,
        How.SOCKET,
        Confidence.MEDIUM if waiting.condition and service else Confidence.LOW,
        f"port.{service.name}" if service else "kernel.socket",
        joined.note,
    )


def _without_stack(
    category: Category, waiting: WaitingOn, how: How, sure: Confidence, rule: str, note: str | None = None
) -> Look:
    return Look(
        category=category,
        call=None,
        file=None,
        line=None,
        path=(),
        library=None,
        library_call=None,
        waiting_on=waiting,
        how=how,
        stack=(),
        rule=rule,
        confidence=sure,
        kernel_note=note,
    )
