"""What is known of an observation as a whole: its period, its gaps, the kernel's kills, the memory of the cgroup."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.analysis.health import HealthTally
from gtdiag.analysis.lives import MasterLife
from gtdiag.analysis.sampling_rhythm import SamplingRhythm
from gtdiag.model.events import CgroupSample, CollectionGap, KernelOomKilled
from gtdiag.model.report import Gap, KernelOomRecord

_MAX_GAPS = 100
_MAX_KERNEL_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class UnownedBootFailure:
    """A failed boot of which no worker is known."""

    at: datetime | None
    reason: str
    stream: str
    master: MasterLife | None


@dataclass(slots=True)
class Observation:
    """What is known of the observation as a whole."""

    kind: str = "log"
    files: tuple[str, ...] = ()
    pid: int | None = None
    given_timeout_s: float | None = None
    started_at: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    ended: bool = False
    end_reason: str | None = None
    memory_limit_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_used_most_bytes: int | None = None
    oom_kill_seen_at: datetime | None = None
    """When the count of out-of-memory kills was last read."""
    oom_kill_file: str | None = None
    oom_kills_at_start: int | None = None
    oom_kill_rises: list[datetime | None] = field(default_factory=list)
    oom_kill_known: bool = False
    rhythm: SamplingRhythm = field(default_factory=SamplingRhythm)
    kernel_kills: list[KernelOomRecord] = field(default_factory=list)
    kernel_wordings: dict[KernelOomRecord, str] = field(default_factory=dict)
    host_kills: dict[KernelOomRecord, str] = field(default_factory=dict)
    """What this host's kernel said while gunicorn was watched: of every container and every other gunicorn here too."""
    kills_by_host_pid: set[KernelOomRecord] = field(default_factory=set)
    """Those of them that are taken in: their pids are these workers', so no other worker's end is meant."""
    unowned_boot_failures: list[UnownedBootFailure] = field(default_factory=list)
    gaps: dict[tuple[str, str], Gap] = field(default_factory=dict)
    health: HealthTally = field(default_factory=HealthTally)

    def add_gap(self, event: CollectionGap) -> None:
        """Keep what could not be looked at, and why, once, up to a bound."""
        if len(self.gaps) < _MAX_GAPS:
            self.gaps.setdefault((event.what, event.why), Gap(event.what, event.why, event.hint))

    def add_kernel_kill(self, event: KernelOomKilled) -> None:
        """Keep a record of the kernel's; one of the host's own log until `adopt_host_kills` knows whose it is."""
        record = KernelOomRecord(at=event.at, pid=event.pid, process=event.process, worker=False)
        if event.origin.source == "kernel_log":
            if len(self.host_kills) < _MAX_KERNEL_RECORDS:
                self.host_kills[record] = event.wording
            return
        if len(self.kernel_kills) < _MAX_KERNEL_RECORDS and record not in self.kernel_kills:
            self.kernel_kills.append(record)
            if event.wording:
                origin = event.origin
                where = f" ({origin.file}:{origin.line})" if origin.file and origin.line else ""
                self.kernel_wordings[record] = event.wording + where

    def adopt_host_kills(self, pids: Container[int | None]) -> None:
        """Take the host's records of these processes, and of anything that fell when the whole host was out of memory.

        The rest happened elsewhere: another gunicorn's worker, killed at the limit of another cgroup, is nothing here.
        """
        for record, wording in list(self.host_kills.items()):
            others = record.process is not None and "gunicorn" not in record.process
            if record.pid in pids or (others and wording.startswith("Out of memory")):
                del self.host_kills[record]
                self.kills_by_host_pid.add(record)
                if record not in self.kernel_kills:
                    self.kernel_kills.append(record)
                    self.kernel_wordings[record] = wording

    def add_memory(self, event: CgroupSample) -> None:
        """Keep the cgroup's limit, what is used of it, and when its count of kills rose."""
        self.memory_limit_bytes = event.limit_bytes
        self.memory_used_bytes = _working_set_bytes(event)
        self.memory_used_most_bytes = max(self.memory_used_most_bytes or 0, self.memory_used_bytes or 0) or None
        if event.oom_kill is None:
            return
        self.oom_kill_known = True
        self.oom_kill_seen_at = event.at
        self.oom_kill_file = event.kill_count_file
        if self.oom_kills_at_start is None:
            self.oom_kills_at_start = event.oom_kill
        risen = event.oom_kill - self.oom_kills_at_start
        while len(self.oom_kill_rises) < min(risen, _MAX_KERNEL_RECORDS):
            self.oom_kill_rises.append(event.at)


def _working_set_bytes(sample: CgroupSample) -> int | None:
    """What the kernel cannot give back: use without the file pages that were not touched lately."""
    if sample.current_bytes is None:
        return None
    return max(0, sample.current_bytes - (sample.inactive_file_bytes or 0))
