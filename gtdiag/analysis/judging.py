"""One worker's life to what went wrong with it: its incident, how it ended, and who ended it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.kill_evidence import count_was_read_after, kill_evidence
from gtdiag.analysis.lives import MasterLife, WorkerLife
from gtdiag.analysis.master_startup import BLIND_WATCH_S, MasterLoading, MasterStep
from gtdiag.analysis.observation import Observation
from gtdiag.analysis.wording import count_of, describe_blocked, seconds_in_words
from gtdiag.model.report import (
    Blocked,
    Confidence,
    How,
    IncidentKind,
    KernelOomRecord,
    KilledBy,
    Memory,
    Phase,
    WorkerEnd,
)
from gtdiag.rules.thresholds import threshold

_CRASH_SIGNALS = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP"}
_STOP_SIGNALS = {"term", "int", "quit", "hup", "ttou", "usr2", "winch", "shutdown"}
_BOOT_EXIT_CODES = {3: "Worker failed to boot", 4: "App failed to load"}
_READY_CLASSES = ("uvicorn", "asgi")  # worker classes that log when they are ready


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is concluded about one life; `kind` None when nothing went wrong."""

    life: WorkerLife
    kind: IncidentKind | None
    at: datetime | None
    end: WorkerEnd
    phase: Phase | None
    killed_by: KilledBy
    blocked: Blocked | None
    summary: str = ""
    resolved_at: datetime | None = None
    memory: Memory | None = None
    evidence: tuple[str, ...] = ()
    misleading_oom: bool = False


@dataclass(frozen=True, slots=True)
class _Stop:
    """The master had been told to stop workers this many seconds before a worker's end (None: not known)."""

    delay_s: float | None


class Judge:
    """Judges lives in the light of the whole observation. `lives`: all that are judged, of every replica."""

    def __init__(self, observation: Observation, lives: Sequence[WorkerLife] = ()) -> None:
        self.observation = observation
        """Everything that is known besides the lives."""
        self._lives = lives
        self._used_oom_rises: set[int] = set()

    def effective_timeout_s(self, master: MasterLife | None) -> float:
        """The master's time-out; gunicorn's default where nothing tells. 0 means that none is set."""
        known = self.known_timeout_s(master)
        return threshold("default_timeout_s") if known is None else known

    def known_timeout_s(self, master: MasterLife | None) -> float | None:
        """The master's time-out as the process or the user told it."""
        if master is not None and master.timeout_s is not None:
            return master.timeout_s
        return self.observation.given_timeout_s

    def phase_of(self, life: WorkerLife) -> Phase | None:
        """Start-up or serving, where that is known; None where the log of this worker class does not tell."""
        if life.ready_at is not None or life.heartbeat_ever:
            return Phase.SERVING
        if life.heartbeat_ever is False or life.step in ("imported", "lifespan") or life.boot_failure:
            return Phase.STARTUP
        if life.traceback_shows_request or life.recycled or life.leading_request() is not None:
            return Phase.SERVING
        worker_class = life.master.worker_class if life.master else None
        if life.booted_at is not None and worker_class and any(name in worker_class for name in _READY_CLASSES):
            return Phase.STARTUP
        return None

    def could_hang_unseen(self, judgement: Judgement) -> bool:
        """Whether a log leaves open if a worker ever finished its start-up, and gunicorn would not have said."""
        life = judgement.life
        if judgement.kind is not None or life.ready_at is not None or judgement.phase is Phase.SERVING:
            return False
        if life.exiting:
            return False  # "Worker exiting" is written when the main loop ends, so the worker had come to it
        major = life.master.version_major if life.master else None
        return major is None or major >= threshold("silent_hang_since_major")

    def judge(self, life: WorkerLife) -> Judgement:
        """The incident of a life, if there is one, and how it ended."""
        oom = self._kernel_record_of(life)
        if self._failed_to_boot(life):
            return self._boot_failure(life)
        if life.timed_out:
            return self._time_out(life, oom)
        if self._never_beat_in_time(life):
            return self._startup_hang(life)
        if life.death is not None and life.death.signal is not None:
            return self._signal_death(life, oom)
        if life.death is not None:
            return self._other_death(life, oom)
        end = WorkerEnd.EXIT if life.ended else WorkerEnd.RUNNING
        return self._nothing(life, end)

    def judge_master(self, master: MasterLife) -> MasterLoading | None:
        """How long the master has been loading the application, or in a hook; None where it has not been seen to."""
        startup, started_at = master.startup, master.process_started_at
        if started_at is None:
            return None
        seen_at = startup.step_at
        if seen_at is None and startup.looked_at is None and startup.over_at is None and master.preload:
            # Nobody could look into it. It has no worker and was told to load the application first.
            seen_at = self.observation.last_at if self._had_no_worker_all_along(master) else None
        if seen_at is None:
            return None
        return MasterLoading(
            step=startup.step or MasterStep.LOADING,
            pid=master.pid,
            seconds=round((seen_at - started_at).total_seconds(), 3),
            timeout_s=self.effective_timeout_s(master) or threshold("default_timeout_s"),
            blocked=startup.tally.conclude(seen_at),
            started_at=started_at,
            over_at=startup.over_at,
            looked_into=startup.step_at is not None,
        )

    def _had_no_worker_all_along(self, master: MasterLife) -> bool:
        """Between two generations of workers there is a moment without any; a watch of some seconds is none."""
        first_at, last_at = self.observation.started_at, self.observation.last_at
        if first_at is None or last_at is None or master.listening or master.ended_at is not None:
            return False
        return (last_at - first_at).total_seconds() >= BLIND_WATCH_S

    # --- each way it can go ------------------------------------------------------------------------

    def _nothing(self, life: WorkerLife, end: WorkerEnd, killed_by: KilledBy = KilledBy.NONE) -> Judgement:
        return Judgement(life, None, None, end, self.phase_of(life), killed_by, self._blocked(life))

    def _failed_to_boot(self, life: WorkerLife) -> bool:
        died_so = life.death is not None and life.death.code in _BOOT_EXIT_CODES
        return life.boot_failure is not None or (died_so and not life.timed_out)

    def _boot_failure(self, life: WorkerLife) -> Judgement:
        code = life.death.code if life.death else None
        reason = life.boot_failure or _BOOT_EXIT_CODES.get(code or 0, "")
        return Judgement(
            life,
            IncidentKind.BOOT_FAILURE,
            life.boot_failed_at or life.ended_at,
            WorkerEnd.BOOT_FAILURE,
            Phase.STARTUP,
            KilledBy.NONE,
            None,
            summary=f"worker {life.pid} failed to boot: {reason}",
            evidence=tuple(life.evidence),
        )

    def _time_out(self, life: WorkerLife, oom: KernelOomRecord | None) -> Judgement:
        phase = self.phase_of(life)
        blocked = self._blocked(life)
        timeout_s = self.known_timeout_s(life.master)
        gone = life.death is not None or life.exiting or not life.seen_live or life.replaced
        resolved_at = life.recovered_at if life.death is None and not life.exiting else None
        killed_by = KilledBy.GUNICORN if gone else KilledBy.NONE
        if oom is not None and _before(oom.at, life.timed_out_at):
            killed_by = KilledBy.KERNEL_OOM
        if resolved_at is not None:
            killed_by = KilledBy.NONE
        words = f"worker {life.pid} timed out"
        words += f" after {seconds_in_words(timeout_s)} without a heartbeat" if timeout_s else ""
        words += " in its start-up" if phase is Phase.STARTUP else ""
        words += (
            f"; it was blocked in {describe_blocked(blocked)}"
            if blocked is not None
            else "; the evidence here does not show what it was blocked in"
        )
        evidence = (*self._evidence(life, blocked), *kill_evidence(life, self.observation, killed_by, oom))
        if not life.timed_out:
            evidence = (
                "the process disappeared when its heartbeat was as old as the time-out; no log tells",
                *evidence,
            )
        return Judgement(
            life,
            IncidentKind.WORKER_TIMEOUT,
            life.timed_out_at or life.ended_at,
            WorkerEnd.TIMEOUT if gone else WorkerEnd.RUNNING,
            phase,
            killed_by,
            blocked,
            summary=words,
            resolved_at=resolved_at,
            memory=self._memory(life),
            evidence=evidence,
            misleading_oom=self._message_misleads(life, killed_by),
        )

    def _never_beat_in_time(self, life: WorkerLife) -> bool:
        """Over the time-out without a first heartbeat, under a gunicorn that does not kill for that."""
        major = life.master.version_major if life.master else None
        if major is not None and major < threshold("silent_hang_since_major"):
            return False
        if life.overdue_at is not None:
            # A version that is not known: gunicorn before 22 would have killed it within two seconds.
            return major is not None or self._overdue_s(life) > threshold("abort_grace_s") + 1.0
        return major is not None and self._log_shows_hang(life)

    def _overdue_s(self, life: WorkerLife) -> float:
        timeout_s = self.effective_timeout_s(life.master)
        return (life.heartbeat_age_s or 0.0) - timeout_s

    def _log_shows_hang(self, life: WorkerLife) -> bool:
        """A log alone: a worker of a class that logs when it is ready, not ready when the log or its master ended."""
        worker_class = (life.master.worker_class if life.master else None) or ""
        if life.seen_live or not any(name in worker_class for name in _READY_CLASSES):
            return False
        if life.booted_at is None or life.ready_at is not None or life.exiting or life.boot_failure:
            return False
        end = life.ended_at or (life.master.ended_at if life.master else None) or self.observation.last_at
        if end is None:
            return False
        return (end - life.booted_at).total_seconds() > self.effective_timeout_s(life.master) + threshold(
            "abort_grace_s"
        )

    def _startup_hang(self, life: WorkerLife) -> Judgement:
        blocked = self._blocked(life)
        timeout_s = self.effective_timeout_s(life.master)
        at = life.overdue_at
        if at is None and life.booted_at is not None:
            at = life.booted_at
        version = life.master.version if life.master else None
        words = f"worker {life.pid} has not finished its start-up"
        if life.heartbeat_age_s is not None and life.heartbeat_ever is False:
            words += f" {seconds_in_words(life.heartbeat_age_s)} after it booted"
        words += f" (time-out {seconds_in_words(timeout_s)})"
        if life.recovered_at is None:
            words += f"; gunicorn {version} will not kill it" if version else "; gunicorn does not kill it"
        if blocked is not None:
            words += f"; it is blocked in {describe_blocked(blocked)}"
        killed_by = KilledBy.NONE
        end = WorkerEnd.RUNNING
        misleading = False
        if life.death is not None:
            end = _end_of(life)
            killed_by = self._killer_of(life)
            misleading = self._message_misleads(life, killed_by)
        elif life.ended:
            end = WorkerEnd.EXIT
        return Judgement(
            life,
            IncidentKind.STARTUP_HANG,
            at,
            end,
            Phase.STARTUP,
            killed_by,
            blocked,
            summary=words,
            resolved_at=life.recovered_at,
            memory=self._memory(life),
            evidence=self._evidence(life, blocked),
            misleading_oom=misleading,
        )

    def _signal_death(self, life: WorkerLife, oom: KernelOomRecord | None) -> Judgement:
        assert life.death is not None and life.death.signal is not None
        signal = life.death.signal
        if signal in _CRASH_SIGNALS:
            return self._ended(
                life, IncidentKind.WORKER_CRASH, WorkerEnd.SIGNAL, KilledBy.NONE, f"worker {life.pid} crashed: {signal}"
            )
        if signal != "SIGKILL":
            return self._nothing(life, WorkerEnd.SIGNAL)
        if oom is not None or self._oom_count_rose_at(life.death.at):
            return self._oom_death(life)
        if self._stop_before(life) is not None:
            return self._killed_while_stopping(life)
        killer = self._killer_of(life)
        by = (
            "somebody outside gunicorn; the kernel's count of out-of-memory kills did not rise"
            if killer is KilledBy.EXTERNAL
            else "the kernel's OOM killer or a person: the evidence here cannot tell them apart"
        )
        return self._ended(
            life,
            IncidentKind.EXTERNAL_KILL,
            WorkerEnd.SIGKILL,
            killer,
            f"worker {life.pid} was killed (SIGKILL) without a time-out, by {by}",
        )

    def _killed_while_stopping(self, life: WorkerLife) -> Judgement:
        killer = self._killer_of(life)
        who = "gunicorn killed it" if killer is KilledBy.GUNICORN else "it was killed, by whom is not shown"
        words = f"worker {life.pid} had been told to stop and did not within graceful_timeout; {who}"
        return self._ended(life, IncidentKind.WORKER_EXIT, WorkerEnd.SIGKILL, killer, words)

    def _other_death(self, life: WorkerLife, oom: KernelOomRecord | None) -> Judgement:
        assert life.death is not None
        code = life.death.code
        if code is not None and code != 0 and self._stop_before(life) is None:
            return self._ended(
                life,
                IncidentKind.WORKER_EXIT,
                WorkerEnd.EXIT,
                KilledBy.NONE,
                f"worker {life.pid} exited with code {code}",
            )
        if code is None and not life.exiting:
            if oom is not None or self._oom_count_rose_at(life.death.at):
                return self._oom_death(life)
            if self._was_overdue_when_last_seen(life):
                return self._time_out(life, oom)
            if self._vanished_at_the_end_of_graceful_timeout(life):
                words = (
                    f"worker {life.pid} had been told to stop and disappeared when graceful_timeout was over, "
                    "without a word of its own; gunicorn kills such a worker and logs nothing of it"
                )
                return self._ended(life, IncidentKind.WORKER_EXIT, WorkerEnd.SIGKILL, KilledBy.GUNICORN, words)
        return self._nothing(life, WorkerEnd.EXIT)

    def _oom_death(self, life: WorkerLife) -> Judgement:
        return self._ended(
            life,
            IncidentKind.OOM_KILL,
            WorkerEnd.OOM,
            KilledBy.KERNEL_OOM,
            f"worker {life.pid} was killed by the kernel: out of memory",
        )

    def _ended(
        self, life: WorkerLife, kind: IncidentKind, end: WorkerEnd, killed_by: KilledBy, summary: str
    ) -> Judgement:
        blocked = self._blocked(life)
        return Judgement(
            life,
            kind,
            life.ended_at,
            end,
            self.phase_of(life),
            killed_by,
            blocked,
            summary=summary,
            memory=self._memory(life),
            evidence=(
                *self._evidence(life, blocked),
                *kill_evidence(life, self.observation, killed_by, self._kernel_record_of(life)),
            ),
            misleading_oom=self._message_misleads(life, killed_by),
        )

    # --- who ended it ------------------------------------------------------------------------------

    def _killer_of(self, life: WorkerLife) -> KilledBy:
        assert life.death is not None
        if life.death.signal is None:
            return KilledBy.NONE if life.death.code is not None else KilledBy.UNKNOWN
        stop = self._stop_before(life)
        if stop is not None:
            return KilledBy.GUNICORN if self._is_graceful_kill(life, stop.delay_s) else KilledBy.UNKNOWN
        if life.seen_live and count_was_read_after(self.observation, life):
            return KilledBy.EXTERNAL
        return KilledBy.UNKNOWN

    def _stop_before(self, life: WorkerLife) -> _Stop | None:
        """The master's order to stop that this worker's end followed; None when it had not been told to."""
        master, died_at = life.master, life.ended_at
        if master is None:
            return None
        limit_s = master.graceful_timeout_s
        longest_s = (
            threshold("graceful_kill_max_s") if limit_s is None else limit_s + threshold("graceful_kill_tolerance_s")
        )
        for at, name in master.signals:
            if name not in _STOP_SIGNALS:
                continue
            if at is None or died_at is None:
                return _Stop(None)
            # A worker that booted after the signal (a reload) was not meant by it.
            meant = life.booted_at is None or life.booted_at <= at
            delay_s = (died_at - at).total_seconds()
            if meant and 0.0 <= delay_s <= longest_s:
                return _Stop(delay_s)
        return None

    def _vanished_at_the_end_of_graceful_timeout(self, life: WorkerLife) -> bool:
        """A master that ends reaps its last workers without a line (measured on 27.0.1); an orderly exit logs one."""
        stop, limit_s = self._stop_before(life), life.master.graceful_timeout_s if life.master else None
        if stop is None or stop.delay_s is None or limit_s is None:
            return False
        return limit_s - 0.5 <= stop.delay_s <= limit_s + threshold("abort_grace_s")

    def _is_graceful_kill(self, life: WorkerLife, delay_s: float | None) -> bool:
        """Whether a SIGKILL came when `graceful_timeout` was over, which is when the master sends it."""
        if delay_s is None:
            return True
        limit_s = life.master.graceful_timeout_s if life.master else None
        if limit_s is None:
            return delay_s >= threshold("graceful_kill_min_s")
        return delay_s >= limit_s - 1.5

    def _message_misleads(self, life: WorkerLife, killed_by: KilledBy) -> bool:
        said = life.death is not None and life.death.perhaps_out_of_memory
        return said and killed_by in (KilledBy.GUNICORN, KilledBy.EXTERNAL)

    def _kernel_record_of(self, life: WorkerLife) -> KernelOomRecord | None:
        """The kernel's record of this worker's death: by pid, or (containers number pids anew) by name and time."""
        died_at = life.ended_at
        for record in self.observation.kernel_kills:
            if record.pid == life.pid and _near(record.at, died_at):
                return None if self._may_be_of_another_replica(record, life, record.pid) else record
        killed = life.death is not None and life.death.signal == "SIGKILL" and not life.timed_out
        if killed:
            for record in self.observation.kernel_kills:
                named = record.process is not None and "gunicorn" in record.process
                if record in self.observation.kills_by_host_pid:
                    continue
                if named and record.at and died_at and _near(record.at, died_at):
                    return None if self._may_be_of_another_replica(record, life, None) else record
        return None

    def _may_be_of_another_replica(self, record: KernelOomRecord, life: WorkerLife, pid: int | None) -> bool:
        """Whether a worker of another replica died at the same time: whose host's kernel log it is does not show."""
        return any(
            other.stream != life.stream
            and (pid is None or other.pid == pid)
            and other.death is not None
            and other.death.signal == "SIGKILL"
            and _near(record.at, other.ended_at)
            for other in self._lives
        )

    def _oom_count_rose_at(self, died_at: datetime | None) -> bool:
        for index, rise in enumerate(self.observation.oom_kill_rises):
            if index not in self._used_oom_rises and _near(rise, died_at):
                self._used_oom_rises.add(index)
                return True
        return False

    def _was_overdue_when_last_seen(self, life: WorkerLife) -> bool:
        """No line tells of the end (no log): the heartbeat was as old as the time-out when the process disappeared."""
        if life.heartbeat_age_s is None or life.heartbeat_at is None or life.death is None or life.death.at is None:
            return False
        major = life.master.version_major if life.master else None
        if life.heartbeat_ever is False and (major is None or major >= threshold("silent_hang_since_major")):
            return False
        timeout_s = self.known_timeout_s(life.master)
        if not timeout_s:
            return False
        unseen_s = (life.death.at - life.heartbeat_at).total_seconds()
        return unseen_s <= threshold("log_join_s") and life.heartbeat_age_s + unseen_s >= timeout_s

    # --- what belongs to an incident ---------------------------------------------------------------

    def _blocked(self, life: WorkerLife) -> Blocked | None:
        seen_until = life.timed_out_at or life.ended_at
        if seen_until is None:
            seen_until = life.last_seen_at
        blocked = life.tally.conclude(seen_until)
        if blocked is None and life.overdue_at is not None:
            blocked = life.startup_blocked
        if life.traceback_look is not None and (blocked is None or not life.tally.looks):
            return blocked_from_traceback(life)
        return blocked

    def _memory(self, life: WorkerLife) -> Memory | None:
        if life.rss_bytes is None:
            return None
        return Memory(
            life.rss_bytes, life.peak_rss_bytes, self.observation.memory_limit_bytes, life.growth_bytes_per_s()
        )

    def _evidence(self, life: WorkerLife, blocked: Blocked | None) -> tuple[str, ...]:
        lines = list(life.evidence)
        if life.heartbeat_age_s is not None:
            ever = "the last heartbeat was" if life.heartbeat_ever else "no heartbeat ever; the worker booted"
            lines.append(f"{ever} {seconds_in_words(life.heartbeat_age_s)} before the last look")
        if blocked is not None and blocked.how is not How.LOG_TRACEBACK:
            where = blocked.call or blocked.library_call or "the same call"
            lines.append(f"{count_of(blocked.samples, 'look')} saw it in {where}")
            lines.extend(blocked.evidence)
            for look, seconds in life.tally.other_calls(blocked)[:3]:
                where = look.call or look.library_call or look.category.value
                lines.append(f"besides, {seconds_in_words(seconds)} in {where} ({look.category.value})")
        if blocked is None or blocked.confidence is not Confidence.HIGH:
            lines += [f"could not be read: {problem}" for problem in life.unread]
        return tuple(lines)


def blocked_from_traceback(life: WorkerLife) -> Blocked | None:
    """The blame that the worker's own traceback gives."""
    tally = BlameTally()
    tally.add(life.traceback_look, None)
    return tally.conclude(None)


def _end_of(life: WorkerLife) -> WorkerEnd:
    if life.death is None or life.death.signal is None:
        return WorkerEnd.EXIT
    return WorkerEnd.SIGKILL if life.death.signal == "SIGKILL" else WorkerEnd.SIGNAL


def _near(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return True
    return abs((one - other).total_seconds()) <= threshold("oom_join_s")


def _before(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one < other
