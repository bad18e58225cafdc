"""The machine around a master to events: its memory cgroup, the CPU it is given, the kernel's own log of kills."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from gtdiag.collectors.clock import Clock
from gtdiag.collectors.host import Host
from gtdiag.collectors.looks import SAMPLE_RESOLUTION_S
from gtdiag.collectors.watched import WatchedMaster
from gtdiag.model.events import CgroupSample, CollectionGap, CpuSample, Event, KernelOomKilled
from gtdiag.model.identity import Origin

CGROUP_EVERY_S = 5.0
CGROUP_AT_ONCE = float("-inf")
"""As the time of a master's last cgroup sample: the next one is due now."""


class MachineSampler:
    """Samples of one watch. `interval_s`: between two looks at the kernel's log."""

    def __init__(self, host: Host, clock: Clock, interval_s: float) -> None:
        self._host = host
        self._clock = clock
        self._interval_s = interval_s

    def kernel_kills(self) -> Iterator[Event]:
        """What the kernel's log says of out-of-memory kills since the last time."""
        for kill in self._host.kernel_kills():
            yield KernelOomKilled(
                origin=Origin("kernel_log"),
                at=self._clock.now(),
                resolution_s=self._interval_s,
                pid=kill.pid,
                process=kill.process,
                cgroup=kill.cgroup,
                wording=kill.wording,
            )

    def cgroup(self, master: WatchedMaster) -> Iterator[Event]:
        """Limit, use and kills of the master's memory cgroup, every few seconds; a gap where there is none."""
        now_s = self._clock.monotonic()
        if now_s - master.cgroup_at_s < CGROUP_EVERY_S:
            return
        master.cgroup_at_s = now_s
        memory = self._host.cgroup(master.pid)
        at = self._clock.now()
        if memory is None:
            yield CollectionGap(
                origin=Origin("master"),
                at=at,
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master.pid,
                what="memory",
                why="no memory cgroup of the master can be read, so no limit and no kill count",
            )
            return
        yield CgroupSample(
            origin=Origin("cgroup"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=master.pid,
            limit_bytes=memory.limit_bytes,
            current_bytes=memory.current_bytes,
            oom_kill=memory.oom_kill,
            inactive_file_bytes=memory.inactive_file_bytes,
            kill_count_file=memory.kill_count_file,
        )
        before, master.oom_kill = master.oom_kill, memory.oom_kill
        if before is not None and memory.oom_kill is not None and memory.oom_kill > before:
            yield KernelOomKilled(
                origin=Origin("cgroup"),
                at=at,
                resolution_s=CGROUP_EVERY_S,
                master_pid=master.pid,
                pid=None,
                process=None,
                cgroup=True,
                wording=f"oom_kill of the cgroup rose from {before} to {memory.oom_kill}",
            )

    def cpu(self, master: WatchedMaster) -> Iterator[Event]:
        """How much CPU the master and its workers were given, and how much they had to wait for it."""
        cpu = self._host.cpu(master.pid)
        if cpu is not None:
            yield CpuSample(
                origin=Origin("cgroup"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master.pid,
                **dataclasses.asdict(cpu),
            )
