"""Whether a watch grows with the time it lasts: simulated hours of it, CPU and memory of each hour.

    python benchmarks/bench_hours.py [HOURS] [WORKERS] [CSV]

The collector, the analysis, the news and the figures for exporters are the real ones; the host and the clock are played
(tests/unit/collectors/scripted_host.py), so that an hour takes a second. Three servers: `calm` has nothing at all; in
`recycled` each worker is replaced every ten minutes (`max_requests`); in `troubled` one worker hangs and is killed
every ten minutes besides. Each is a process of its own. A figure that rises from hour to hour is what this looks for.
With CSV (a file's name) the table is written there, too: server, hour, events, cpu_s, report_ms, resident_mb, objects.
"""

from __future__ import annotations

import csv
import gc
import itertools
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth.measuring import add_points, print_growth
from gtdiag.analysis import Analysis, IncidentNews
from gtdiag.analysis.metrics import MetricFold
from gtdiag.analysis.quiet import is_quiet, is_routine
from gtdiag.collectors.live import LiveCollector
from gtdiag.model.events import ProcessSample
from gtdiag.model.identity import Origin, WorkerId
from tests.unit.collectors.scripted_host import AtOnce, ScriptedClock, ScriptedHost, ScriptedMaster, ScriptedWorker

SERVERS = {"calm": "calm", "recycled": "workers recycled", "troubled": "six time-outs besides"}
"""What each is called on the page (`growth/axes.py`)."""
TIMEOUT_S = 30.0
RECYCLED_EVERY_S = 600.0
HANGS_EVERY_S = 600.0
REPORT_EVERY_S, QUIET_REPORT_EVERY_S = 0.5, 30.0
"""As in `gtdiag watch`, on the simulated clock."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What one simulated hour took, and what was there at its end."""

    server: str
    hour: int
    events: int
    cpu_s: float
    report_ms: float
    resident_mb: float
    objects: int


class PlayedHost(ScriptedHost):
    """Its workers' memory wavers as a busy server's does."""

    def process(
        self, pid: int, worker: WorkerId | None, master_pid: int, *, with_wchan: bool, brief: bool = False
    ) -> ProcessSample | None:
        """A sample with figures that change."""
        return ProcessSample(
            origin=Origin("process"),
            at=self.clock.now(),
            resolution_s=0.01,
            worker=worker,
            master_pid=master_pid,
            rss_bytes=80_000_000 + random.randrange(1_000_000),
            peak_rss_bytes=90_000_000,
            cpu_percent=random.randrange(100) / 10,
            state="S",
            threads=1,
            main_thread_ran_s=self.clock.now_s / 10,
            main_thread_waited_s=self.clock.now_s / 1000,
        )


class Play:
    """The server, and what happens in it."""

    def __init__(self, server: str, workers: int, log: Path) -> None:
        self.clock = ScriptedClock(1000.0)
        self._log = log
        log.touch()
        self._pids = itertools.count(101)
        self.master = ScriptedMaster(100, workers=[self._new_worker() for _ in range(workers)])
        self.master.values.update(timeout=TIMEOUT_S, workers=workers)
        self.host = PlayedHost(self.clock, self.master)
        if server != "calm":
            for place in range(workers):
                self._recycle_later(place, RECYCLED_EVERY_S * (place + 1) / workers)
        if server == "troubled":
            self.clock.at(self.clock.now_s + HANGS_EVERY_S / 2, self._hang)

    def _new_worker(self) -> ScriptedWorker:
        return ScriptedWorker(next(self._pids), self.clock.now_s, beats_every_s=1.0)

    def _replace(self, place: int) -> None:
        worker = self.master.workers[place] = self._new_worker()
        self._say(worker.pid, "INFO", f"Booting worker with pid: {worker.pid}")

    def _say(self, pid: int, level: str, message: str) -> None:
        with self._log.open("a") as file:
            file.write(f"[{self.clock.now():%Y-%m-%d %H:%M:%S} +0000] [{pid}] [{level}] {message}\n")

    def _recycle_later(self, place: int, seconds: float) -> None:
        def recycle() -> None:
            worker = self.master.workers[place]
            if worker.beats_every_s is not None:
                self._say(worker.pid, "INFO", "Autorestarting worker after current request.")
                self._say(worker.pid, "INFO", f"Worker exiting (pid: {worker.pid})")
                self._replace(place)
            self._recycle_later(place, RECYCLED_EVERY_S)

        self.clock.at(self.clock.now_s + seconds, recycle)

    def _hang(self) -> None:
        place = random.randrange(len(self.master.workers))
        worker = self.master.workers[place]
        worker.beat_at_s, worker.beats_every_s = self.clock.now_s, None

        def kill() -> None:
            self._say(100, "CRITICAL", f"WORKER TIMEOUT (pid:{worker.pid})")
            self._say(100, "ERROR", f"Worker (pid:{worker.pid}) was sent SIGKILL! Perhaps out of memory?")
            self._replace(place)

        self.clock.at(self.clock.now_s + TIMEOUT_S + 1.5, kill)
        self.clock.at(self.clock.now_s + HANGS_EVERY_S, self._hang)


def hours_of(server: str, hours: int, workers: int, log: Path) -> Iterator[Hour]:
    """Watch one server."""
    random.seed(1)
    play = Play(server, workers, log)
    collector = LiveCollector(
        100, log=str(log), for_s=hours * 3600.0, clock=play.clock, host=play.host, pool=AtOnce(), sparing=True
    )
    analysis, news, figures = Analysis(), IncidentNews(), MetricFold()
    began_s, hour, events, report_at_s, quiet_at_s = play.clock.now_s, 1, 0, 0.0, 0.0
    cpu_s = time.process_time()
    for event in collector.events():
        events += 1
        analysis.add(event)
        figures.add(event)
        now_s = play.clock.now_s
        if now_s >= (quiet_at_s if is_routine(event) else report_at_s):
            report = analysis.report()
            figures.read(report, news.read(report))
            report_at_s = now_s + REPORT_EVERY_S
            quiet = is_quiet(report) and not news.waiting
            quiet_at_s = now_s + (QUIET_REPORT_EVERY_S if quiet else REPORT_EVERY_S)
        if now_s >= began_s + 3600 * hour:
            used_s = time.process_time() - cpu_s
            before_s = time.process_time()
            analysis.report()
            report_ms = 1000 * (time.process_time() - before_s)
            gc.collect()
            yield Hour(
                server, hour, events, round(used_s, 3), round(report_ms, 2), resident_mb(), len(gc.get_objects())
            )
            hour, events, cpu_s = hour + 1, 0, time.process_time()


def resident_mb() -> float:
    """This process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def measure(server: str, hours: int, workers: int) -> list[Hour]:
    """All hours of one server, printed as they pass."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for hour in hours_of(server, hours, workers, Path(folder) / "gunicorn.log"):
            table.append(hour)
            print(
                f"{hour.server:9} {hour.hour:4} {hour.events:8,} {hour.cpu_s:8.2f} {hour.report_ms:10.1f} "
                f"{hour.resident_mb:12.1f} {hour.objects:9,}",
                flush=True,
            )
    return table


def main() -> None:
    """Measure each server in a process of its own."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    print(
        f"{'server':9} {'hour':>4} {'events':>8} {'CPU, s':>8} {'report, ms':>10} {'resident, MB':>12} {'objects':>9}"
    )
    table: list[Hour] = []
    for server in SERVERS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            table += pool.apply(measure, (server, hours, workers))
    for hour in table:
        name = SERVERS[hour.server]
        add_points("hours", hour.hour, {f"CPU of an hour, {name}": hour.cpu_s, f"memory, {name}": hour.resident_mb})
    print_growth("hours")
    if len(sys.argv) > 3:
        with Path(sys.argv[3]).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(field.name for field in fields(Hour))
            writer.writerows(astuple(hour) for hour in table)


if __name__ == "__main__":
    main()
