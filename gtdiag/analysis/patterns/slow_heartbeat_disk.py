"""Workers that stand in the write of their own heartbeat file to the slow disk that it is on."""

from __future__ import annotations

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of
from gtdiag.model.report import Category, Confidence, IncidentKind, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold

_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def match_slow_heartbeat_disk(group: MasterGroup) -> list[Pattern]:
    """Workers without a heartbeat because the heartbeat itself does not get written."""
    filesystem = group.master.heartbeat_filesystem if group.master is not None else None
    writing = [j for j in group.judgements if _stands_in_write(j)]
    if not writing or filesystem in _IN_MEMORY:
        return []
    where = f" ({filesystem})" if filesystem else ""
    in_disk_sleep = [j for j in writing if j.life.disk_sleeps]
    sure = all(j.life.looks_in_heartbeat >= 2 for j in writing) and len(in_disk_sleep) == len(writing)
    return [
        Pattern(
            kind=PatternKind.SLOW_HEARTBEAT_DISK,
            summary=f"{count_of(len(writing), 'worker')} hung in writing the heartbeat file: the disk that it is "
            f"on{where} does not answer; the application is not to blame",
            confidence=Confidence.HIGH if sure and filesystem else Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in writing),
            master_pid=group.master_pid,
            category=Category.FILESYSTEM,
            evidence=tuple(
                f"worker {j.life.pid}: {count_of(j.life.looks_in_heartbeat, 'look')} in a row saw it in notify()"
                + (", asleep for a disk (state D)" if j.life.disk_sleeps else "")
                for j in writing[:4]
            ),
        )
    ]


def _stands_in_write(judgement: Judgement) -> bool:
    life = judgement.life
    if life.looks_in_heartbeat == 0 or judgement.resolved_at is not None:
        return False
    if judgement.kind is IncidentKind.WORKER_TIMEOUT:
        return True
    # A look may meet a healthy worker in the instant of its beat; two in a row without a beat between them do not.
    stale_s = life.heartbeat_age_s or 0.0
    return (
        judgement.kind is None and not life.ended and life.looks_in_heartbeat >= 2 and stale_s >= threshold("notify_s")
    )
