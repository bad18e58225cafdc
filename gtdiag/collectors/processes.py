"""A master's children to its workers, and a process's /proc files to memory, CPU and state."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gtdiag.collectors.clock import Clock
from gtdiag.gunicorn.command_line import parse_gunicorn_call
from gtdiag.gunicorn.heartbeat_files import HeartbeatFile, newest_file, read_heartbeat_files
from gtdiag.gunicorn.masters import find_successors, read_arguments_or_nothing
from gtdiag.gunicorn.proc_files import ProcessStat, read_children, read_stat
from gtdiag.model.identity import WorkerId

if TYPE_CHECKING:
    from gtdiag.collectors.footprints import Footprints

PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)
PROPORTIONAL = re.compile(rb"^Pss:\s*(\d+) kB", re.MULTILINE)
UNIQUE = re.compile(rb"^Private_(?:Clean|Dirty|Hugetlb):\s*(\d+) kB", re.MULTILINE)
ROLLUP_FIRST_PAUSE_S = 15.0
ROLLUP_EVERY_S = 60.0
"""Soon a second time, for the growth in a short watch; then rarely, at twice the pause each time up to this one."""
ROLLUP_PAUSE_FACTOR = 1000.0
"""Reading smaps_rollup holds the process's memory map for the time it takes (about 1 ms for 100 MB): at most a
thousandth of the time."""
BRIEFLY_FOR_S = 15.0
BRIEF_SHARE = 0.01
"""A process that nobody worries about gets one file read instead of three, for so long, as long as its memory stays
within this share of what it was."""
SCHEDULE_EVERY_S = 1.5
"""And of such a process the main thread's times so often."""
RESIDENT = re.compile(rb"^VmRSS:\s*(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker of a watched master. `heartbeat_file` is None where descriptor tables may not be read."""

    id: WorkerId
    master_pid: int
    heartbeat_file: HeartbeatFile | None


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One look at a process. `cpu_percent` is None at the first look: the share of one core since the look before."""

    rss_bytes: int
    peak_rss_bytes: int | None
    cpu_percent: float | None
    state: str
    threads: int
    started_at_s: float
    main_thread_ran_s: float | None = None
    main_thread_waited_s: float | None = None
    pss_bytes: int | None = None
    uss_bytes: int | None = None


class WorkerFinder:
    """Finds the workers among a master's children: those that hold a heartbeat file which the master holds too.

    The dirty arbiter (25 and later), a re-executed master and helper processes of the master are left out. Where the
    descriptor tables may not be read, the children that look like gunicorn by their command line are taken, and
    `denied` says so.
    """

    def __init__(self, master_pid: int, footprints: Footprints | None = None) -> None:
        self.master_pid = master_pid
        self.denied = False
        self._footprints = footprints
        self._stats: dict[int, ProcessStat] = {}
        self._pages: dict[int, int] = {}
        self._known: dict[int, WorkerProcess] = {}
        self._strangers: dict[int, float] = {}

    def find(self, calm: Container[WorkerId] = ()) -> list[WorkerProcess]:
        """List the workers as they are now. Raises ProcessLookupError when the master is gone.

        `calm`: those that are only asked whether they live, since nobody wants to know more of them now.
        """
        children = read_children(self.master_pid)
        self._stats.clear()
        self._pages.clear()
        for pid, worker in list(self._known.items()):
            # The kernel may leave a living child out of the list, so ask for it by name.
            if not (self._still_there(worker) if worker.id in calm else self._still_lives(worker)):
                del self._known[pid]
        self._strangers = {pid: start for pid, start in self._strangers.items() if pid in children}
        fresh = []
        for pid in children:
            if pid in self._known:
                continue
            try:
                stat = read_stat(pid)
            except (ProcessLookupError, PermissionError):
                continue
            if stat.state not in ("Z", "X") and self._strangers.get(pid) != stat.started_at_s:
                fresh.append((stat.started_at_s, pid))
        if fresh:
            self._admit(sorted(fresh))
        return list(self._known.values())

    @property
    def strangers(self) -> frozenset[int]:
        """The children that are no workers, as of the last `find`."""
        return frozenset(self._strangers)

    def _admit(self, fresh: list[tuple[float, int]]) -> None:
        try:
            of_master: set[tuple[int, int]] | None = {file.key for file in read_heartbeat_files(self.master_pid)}
        except PermissionError:
            of_master = None
        claimed = {worker.heartbeat_file.key for worker in self._known.values() if worker.heartbeat_file}
        successors: list[int] | None = None
        for started_at_s, pid in fresh:
            call = parse_gunicorn_call(read_arguments_or_nothing(pid))
            if call is not None and call.role not in (None, "worker", "master"):
                self._strangers[pid] = started_at_s
                continue
            try:
                held = [file for file in read_heartbeat_files(pid) if file.key not in claimed]
            except ProcessLookupError:
                continue
            except PermissionError:
                if successors is None:
                    successors = find_successors(self.master_pid)
                if self._looks_like_a_worker(pid) and pid not in successors:
                    self.denied = True
                    self._known[pid] = self._worker(pid, started_at_s, None)
                else:
                    self._strangers[pid] = started_at_s
                continue
            if of_master is not None:
                held = [file for file in held if file.key in of_master]
            if not held:
                self._strangers[pid] = started_at_s
                continue
            own = newest_file(held)
            claimed.add(own.key)
            self._known[pid] = self._worker(pid, started_at_s, own)

    def _looks_like_a_worker(self, pid: int) -> bool:
        arguments = read_arguments_or_nothing(pid)
        call = parse_gunicorn_call(arguments)
        if call is not None and call.role is not None:
            return call.role in ("worker", "master")
        return bool(arguments) and arguments == read_arguments_or_nothing(self.master_pid)

    def _worker(self, pid: int, started_at_s: float, file: HeartbeatFile | None) -> WorkerProcess:
        return WorkerProcess(
            id=WorkerId(pid=pid, started_at_s=started_at_s), master_pid=self.master_pid, heartbeat_file=file
        )

    def _still_lives(self, worker: WorkerProcess) -> bool:
        try:
            stat = read_stat(worker.id.pid)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        if not is_same(stat, worker.id.started_at_s):
            return False
        self._stats[worker.id.pid] = stat
        self._pages[worker.id.pid] = stat.resident_pages
        return True

    def _still_there(self, worker: WorkerProcess) -> bool:
        try:
            pages = self._footprints.read_pages(worker.id) if self._footprints is not None else None
        except ProcessLookupError:
            return False
        if pages is None:
            return self._still_lives(worker)
        self._pages[worker.id.pid] = pages
        return True

    def resident_pages(self, pid: int) -> int | None:
        """How large a worker was at the last `find`; None where that was not read."""
        return self._pages.get(pid)

    def take_stat(self, pid: int) -> ProcessStat | None:
        """What `find` has just read of a worker; once, since it grows old."""
        return self._stats.pop(pid, None)


class ProcessSampler:
    """Reads memory, CPU and state of processes, remembering the CPU time of the look before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before: dict[tuple[int, float], tuple[float, float]] = {}
        self._rollup_due_s: dict[tuple[int, float], float] = {}
        self._rollup_pause_s: dict[tuple[int, float], float] = {}
        self._schedule_due_s: dict[tuple[int, float], float] = {}
        self._sizes: dict[tuple[int, float], _Sizes] = {}

    def read(self, pid: int, stat: ProcessStat | None = None, *, brief: bool = False) -> ProcessReading | None:
        """Look at one process; None for a zombie. Raises ProcessLookupError when it is gone.

        `stat`: where it has just been read. `brief`: the sizes of memory may be some seconds old if they have hardly
        changed, and the main thread's times may be left out.
        """
        stat = stat or read_stat(pid)
        now_s = self._clock.monotonic()
        key = (pid, stat.started_at_s)
        sizes = self._sizes.get(key)
        ran_s = waited_s = pss_bytes = uss_bytes = None
        if not brief or sizes is None or not sizes.still_hold(stat.resident_pages, now_s):
            sizes = _read_sizes(pid, stat, now_s)
            if sizes is None:
                return None
            self._sizes[key] = sizes
            pss_bytes, uss_bytes = self._read_rollup(pid, key, now_s)
        if not brief or now_s >= self._schedule_due_s.get(key, 0.0):
            self._schedule_due_s[key] = now_s + SCHEDULE_EVERY_S
            ran_s, waited_s = read_schedule(pid)
        before = self._before.get(key)
        self._before[key] = (now_s, stat.cpu_s)
        cpu_percent = None
        if before is not None and now_s > before[0]:
            cpu_percent = round(max(0.0, stat.cpu_s - before[1]) / (now_s - before[0]) * 100, 1)
        return ProcessReading(
            rss_bytes=sizes.rss_bytes,
            peak_rss_bytes=sizes.peak_rss_bytes,
            cpu_percent=cpu_percent,
            state=stat.state,
            threads=stat.threads,
            started_at_s=stat.started_at_s,
            main_thread_ran_s=ran_s,
            main_thread_waited_s=waited_s,
            pss_bytes=pss_bytes,
            uss_bytes=uss_bytes,
        )

    def has_moved(self, worker: WorkerId, pages: int) -> bool:
        """Whether a process has grown or shrunk since its last sample by so much that it is worth another one."""
        sizes = self._sizes.get((worker.pid, worker.started_at_s or 0.0))
        return sizes is None or not sizes.fits(pages)

    def _read_rollup(self, pid: int, key: tuple[int, float], now_s: float) -> tuple[int | None, int | None]:
        """Proportional and unique size, now and then: the kernel walks every page of the process for it."""
        if now_s < self._rollup_due_s.get(key, 0.0):
            return None, None
        sizes = read_rollup(pid)
        cost_s = self._clock.monotonic() - now_s
        pause_s = self._rollup_pause_s.get(key, ROLLUP_FIRST_PAUSE_S)
        self._rollup_pause_s[key] = min(ROLLUP_EVERY_S, 2 * pause_s)
        self._rollup_due_s[key] = now_s + max(pause_s, cost_s * ROLLUP_PAUSE_FACTOR)
        return sizes

    def forget(self, pid: int) -> None:
        """Drop what is remembered of a pid that is gone."""
        for key in [key for key in self._before if key[0] == pid]:
            del self._before[key]
            self._rollup_due_s.pop(key, None)
            self._rollup_pause_s.pop(key, None)
            self._schedule_due_s.pop(key, None)
            self._sizes.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What /proc/PID/status said of a process's memory at one time, and what `stat` said of it then."""

    rss_bytes: int
    peak_rss_bytes: int | None
    resident_pages: int
    read_at_s: float

    def still_hold(self, pages: int, now_s: float) -> bool:
        return now_s - self.read_at_s < BRIEFLY_FOR_S and self.fits(pages)

    def fits(self, pages: int) -> bool:
        return abs(pages - self.resident_pages) <= BRIEF_SHARE * self.resident_pages


def _read_sizes(pid: int, stat: ProcessStat, now_s: float) -> _Sizes | None:
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:  # noqa: PTH123
            status = file.read()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    resident, peak = RESIDENT.search(status), PEAK.search(status)
    if resident is None:
        return None
    return _Sizes(
        rss_bytes=int(resident[1]) * 1024,
        peak_rss_bytes=int(peak[1]) * 1024 if peak else None,
        resident_pages=stat.resident_pages,
        read_at_s=now_s,
    )


def read_schedule(pid: int) -> tuple[float | None, float | None]:
    """Seconds the main thread ran, and was ready to run without a CPU (/proc/PID/schedstat; if SCHED_INFO)."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123
            fields = file.read().split()
        return int(fields[0]) / 1e9, int(fields[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None, None


def read_rollup(pid: int) -> tuple[int | None, int | None]:
    """Proportional and unique set size in bytes (/proc/PID/smaps_rollup); None where it is missing or denied."""
    try:
        raw = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return None, None
    pss = PROPORTIONAL.search(raw)
    unique = UNIQUE.findall(raw)
    return (int(pss[1]) * 1024, sum(int(size) for size in unique) * 1024) if pss else (None, None)


def read_wchan(pid: int) -> str | None:
    """The kernel function a process sleeps in (proc(5)); None where it runs, or where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/wchan").read_text().strip()
    except OSError:
        return None
    return text if text not in ("", "0") else None


def is_alive(pid: int, started_at_s: float | None = None) -> bool:
    """Whether a process exists, is no zombie, and (where a start time is given) is still the same one."""
    try:
        stat = read_stat(pid)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return is_same(stat, started_at_s)


def is_replaced(worker: WorkerId) -> bool:
    """Whether the pid is another process's by now: what was just read there may be of that one."""
    try:
        return worker.started_at_s not in (None, read_stat(worker.pid).started_at_s)
    except (ProcessLookupError, PermissionError):
        return False


def is_same(stat: ProcessStat, started_at_s: float | None) -> bool:
    """Whether this is of a process that began then (None: whenever), and is no zombie."""
    return stat.state not in ("Z", "X") and started_at_s in (None, stat.started_at_s)
