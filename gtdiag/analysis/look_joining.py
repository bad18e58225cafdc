"""The parts of a look, which come as events of their own, to one look: joined, judged, and counted in its life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gtdiag.analysis.kernel_alone import read_kernel_alone
from gtdiag.analysis.lives import WorkerLife
from gtdiag.analysis.look import LookEvidence, LookReader
from gtdiag.analysis.master_startup import MasterStartup, startup_step
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.analysis.stack_tally import StackTally
from gtdiag.analysis.startup_timeline import read_step
from gtdiag.model.events import Event, HostSample, SocketSample, StackSample, StartupSample, SuspendedSample
from gtdiag.model.stacks import ThreadStack
from gtdiag.rules.thresholds import threshold

_HEARTBEAT_FILE = "gunicorn/workers/workertmp.py"

LookedAt = WorkerLife | MasterStartup
"""What is looked into: a worker, or a master that has none yet."""


@dataclass(slots=True)
class _PendingLook:
    """A look whose parts (threads, suspended code, sockets) come as separate events."""

    at: datetime | None
    threads_seen: bool = False
    suspended_seen: bool = False
    kernel_seen: bool = False


class LookJoiner:
    """The looks that are not complete yet. `pid_of`: the master whose start-up this is."""

    def __init__(
        self,
        ownership: CodeOwnership,
        looks: LookReader,
        stacks: StackTally | None,
        pid_of: Callable[[MasterStartup], int | None],
    ) -> None:
        self._ownership = ownership
        self._looks = looks
        self._stacks = stacks
        self._pid_of = pid_of
        self._pending: dict[int, _PendingLook] = {}

    def add_threads(self, life: LookedAt, event: StackSample) -> None:
        """The stacks of its threads."""
        self._look_with(life, event, "threads_seen").threads_seen = True
        life.seen_inside = True
        life.threads = event.threads
        life.kernel_function = event.wchan or life.kernel_function

    def add_suspended(self, life: LookedAt, event: SuspendedSample) -> None:
        """Its tasks and greenlets."""
        self._look_with(life, event, "suspended_seen").suspended_seen = True
        life.seen_inside = True
        life.suspended = event.suspended
        life.unread = event.problems

    def add_sockets(self, life: LookedAt, event: SocketSample) -> None:
        """What the kernel shows: its connections, and what its threads wait for."""
        self._look_with(life, event, "kernel_seen").kernel_seen = True
        life.connections = event.connections
        life.waits = event.waits
        life.received.add(event.connections)
        if isinstance(life, WorkerLife):
            life.shared_sockets = {c.inode: c for c in event.connections if c.shared_with and c.inode is not None}

    def add_hosts(self, life: LookedAt, event: HostSample) -> None:
        """The hosts that its waiting frames name."""
        life.hosts = event.hosts

    def add_startup_sample(self, life: WorkerLife, event: StartupSample) -> None:
        """A glimpse of a start-up, which is no look: it only tells the step."""
        if self._stacks is not None:
            self._stacks.add_startup_sample(life, event)
        step = None if event.unchanged else read_step(event.threads, event.suspended, self._ownership, self._looks)
        if step is not None or event.unchanged:
            life.startup.add_sample(event.at, step)

    def finish_if_seen_inside(self, startup: MasterStartup) -> None:
        """A master's look is complete with its threads and its suspended code."""
        pending = self._pending.get(id(startup))
        if pending is not None and pending.threads_seen and pending.suspended_seen:
            self.finish(startup)

    def finish(self, life: LookedAt) -> None:
        """No more parts of the look under way will come: judge it, and count it."""
        pending = self._pending.pop(id(life), None)
        if pending is None:
            return
        if isinstance(life, MasterStartup):
            life.looked_at = pending.at
            step = startup_step(life.threads, life.suspended)
            if step is None:
                return
            life.step, life.step_at = step, pending.at
        elif pending.threads_seen:
            life.looks_in_heartbeat = life.looks_in_heartbeat + 1 if is_writing_heartbeat(life.threads) else 0
        inside = pending.threads_seen or pending.suspended_seen
        if inside and self._stacks is not None:
            self._tally_stacks(self._stacks, life, pending)
        if life.seen_inside and not inside:
            return  # the rest of a look whose other parts were counted already
        read = self._looks.read_look if inside else read_kernel_alone
        look = read(
            LookEvidence(
                threads=life.threads if pending.threads_seen else (),
                suspended=life.suspended if pending.suspended_seen else (),
                connections=life.connections,
                hosts=life.hosts,
                kernel_function=life.kernel_function,
                in_startup=life.in_startup,
                stale=isinstance(life, WorkerLife) and _is_stale(life),
                waits=life.waits,
                received_before=life.received.before(),
                cpu_percent=life.cpu_percent,
            )
        )
        life.tally.add(look, pending.at)
        if isinstance(life, WorkerLife) and life.in_startup and pending.threads_seen:
            seen_in = read_step(life.threads, life.suspended, self._ownership, self._looks)
            if seen_in is not None:
                life.startup.add_sample(pending.at, seen_in)

    def _look_with(self, life: LookedAt, event: Event, part: str) -> _PendingLook:
        """The look that this part belongs to: the one under way, or a new one if that has this part already."""
        pending = self._pending.get(id(life))
        if pending is None or getattr(pending, part):
            self.finish(life)
            pending = self._pending[id(life)] = _PendingLook(event.at)
        return pending

    def _tally_stacks(self, stacks: StackTally, life: LookedAt, pending: _PendingLook) -> None:
        pid = life.pid if isinstance(life, WorkerLife) else self._pid_of(life)
        threads = life.threads if pending.threads_seen else ()
        stacks.add_look(life, pid, pending.at, threads, life.suspended if pending.suspended_seen else ())


def _is_stale(life: WorkerLife) -> bool:
    """Whether the last heartbeat is older than any idle worker's."""
    timeout_s = life.master.timeout_s if life.master else None
    if life.heartbeat_age_s is None or not timeout_s:
        return False
    return life.heartbeat_age_s > threshold("stale_share_of_timeout") * timeout_s


def is_writing_heartbeat(threads: tuple[ThreadStack, ...]) -> bool:
    """Whether the main thread is in `WorkerTmp.notify`, in the system call that writes the heartbeat file's times."""
    main = next((thread for thread in threads if thread.main and thread.frames), None)
    return main is not None and main.frames[-1].file.replace("\\", "/").endswith(_HEARTBEAT_FILE)
