"""What is known of out-of-memory kills to the lines that prove, or rule out, that a worker's end was one."""

from __future__ import annotations

from datetime import timedelta

from gtdiag.analysis.lives import WorkerLife
from gtdiag.analysis.observation import Observation
from gtdiag.analysis.wording import seconds_in_words
from gtdiag.model.report import KernelOomRecord, KilledBy


def count_was_read_after(observation: Observation, life: WorkerLife) -> bool:
    """Whether the count of out-of-memory kills was read after a worker's end: only then does it rule them out."""
    read_at, gone_at = observation.oom_kill_seen_at, life.gone_at
    if gone_at is None and life.death is not None and life.death.at is not None:
        gone_at = life.death.at + timedelta(seconds=1)  # a log's stamp is cut to the second
    return observation.oom_kill_known and read_at is not None and gone_at is not None and read_at >= gone_at


def kill_evidence(
    life: WorkerLife, observation: Observation, killed_by: KilledBy, record: KernelOomRecord | None
) -> tuple[str, ...]:
    """The lines that name who ended the worker, and by what that is known; empty where no SIGKILL is in question."""
    if killed_by is KilledBy.KERNEL_OOM:
        return _proof_of_oom(observation, record)
    if life.death is None or life.death.signal != "SIGKILL":
        return ()
    lines = []
    if killed_by is KilledBy.GUNICORN and life.timed_out and life.timed_out_at and life.death.at:
        passed_s = max(0.0, (life.death.at - life.timed_out_at).total_seconds())
        lines.append(f"gunicorn's own SIGKILL follows its time-out: it came {seconds_in_words(passed_s)} after it")
    if killed_by is not KilledBy.GUNICORN or observation.oom_kill_known:
        lines.append(_about_the_count(observation, life))
    return tuple(lines)


def _proof_of_oom(observation: Observation, record: KernelOomRecord | None) -> tuple[str, ...]:
    lines = []
    if record is not None:
        wording = observation.kernel_wordings.get(record)
        what = wording or f"process {record.pid} ({record.process or 'unnamed'}) was killed for memory"
        lines.append(f"out of memory, by the kernel's log: {what}")
    if observation.oom_kill_rises:
        where = observation.oom_kill_file or "the cgroup"
        lines.append(f"out of memory: oom_kill in {where} rose when the worker ended")
    return tuple(lines)


def _about_the_count(observation: Observation, life: WorkerLife) -> str:
    where = observation.oom_kill_file or "the cgroup"
    if count_was_read_after(observation, life):
        return f"not out of memory: oom_kill in {where} did not rise with this worker's end"
    if observation.oom_kill_known:
        return f"oom_kill in {where} was not read after the end, so it rules nothing out"
    return "no count of the kernel's out-of-memory kills could be read here, and no line of its log tells of one"
