"""Workers that wait for what only another thread could give, and have none, to the fork that left it behind."""

from __future__ import annotations

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, name_call
from gtdiag.model.report import Category, Confidence, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold

_BETWEEN_PROCESSES = ("multiprocessing", "filelock", "fcntl", "portalocker", "fasteners", "billiard")


def match_fork_inherited_lock(group: MasterGroup) -> list[Pattern]:
    """With `--preload`: a lock that a thread of the master held at the fork stays locked in the worker for ever.

    That the worker has one thread, and that this waits for a lock inside the process, is seen. That the lock came
    through the fork is concluded: the same thread may also have taken it twice.
    """
    if group.master is None or not group.master.preload:
        return []
    stuck = [j for j in group.judgements if _waits_for_nobody(j)]
    if not stuck:
        return []
    calls = {name_call(j.blocked) for j in stuck if j.blocked is not None}
    call = min(calls)
    return [
        Pattern(
            kind=PatternKind.FORK_INHERITED_LOCK,
            summary=f"{call} waits in {count_of(len(stuck), 'worker')} for a lock, and no other thread is there that "
            "could release it: probably a thread of the master held it at the fork (preload)",
            confidence=Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in stuck),
            master_pid=group.master_pid,
            category=Category.LOCK,
            call=call if len(calls) == 1 else None,
            of_workers=group.workers_at_once(),
            evidence=tuple(
                f"worker {j.life.pid} has one thread, and that waits in {_wait_of(j)}; the application was loaded "
                "before the fork (preload)"
                for j in stuck[:4]
            ),
        )
    ]


def _waits_for_nobody(judgement: Judgement) -> bool:
    blocked, life = judgement.blocked, judgement.life
    if blocked is None or blocked.category is not Category.LOCK or judgement.resolved_at is not None:
        return False
    if blocked.library in _BETWEEN_PROCESSES or life.thread_count != 1:
        return False
    if blocked.waiting_on is not None and blocked.waiting_on.kind == "file_lock":
        return False
    if judgement.kind is not None:
        return True
    return not life.ended and (blocked.seconds or 0.0) >= threshold("contention_seconds")


def _wait_of(judgement: Judgement) -> str:
    blocked = judgement.blocked
    assert blocked is not None
    return ".".join(part for part in (blocked.library, blocked.library_call) if part) or name_call(blocked)
