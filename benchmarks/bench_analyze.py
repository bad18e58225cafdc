"""How fast saved logs become events: megabytes a second and peak memory, beside what reading alone costs.

Usage: python benchmarks/bench_analyze.py [MEGABYTES] [--incidents-per-mb N] [--seed N]
Writes a seeded mixed access and error log into a temporary folder and removes it afterwards. Each measurement runs in a
process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results import Figure, add_result

RESOURCES = ("items", "workers", "orders")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0",
    "kube-probe/1.29",
    "python-requests/2.31.0",
)
FRAMES = (
    ("flask/app.py", "wsgi_app", "response = self.full_dispatch_request()"),
    ("flask/app.py", "full_dispatch_request", "rv = self.handle_user_exception(e)"),
    ("flask/app.py", "dispatch_request", "return self.view_functions[rule.endpoint](**view_args)"),
    ("sqlalchemy/engine/base.py", "_execute_context", "self.dialect.do_execute("),
)


def generate_log(size_bytes: int, incidents_per_mb: int, seed: int) -> Iterator[bytes]:
    """Access lines, ordinary application tracebacks (one line in ten), and time-outs with their tracebacks."""
    rng = random.Random(seed)
    now = datetime(2026, 1, 5, 8, 0, tzinfo=timezone.utc)
    pid, written, next_incident = 20, 0, 0
    every_bytes = 1_000_000 // max(incidents_per_mb, 1)
    yield f"[{now:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0\n".encode()
    while written < size_bytes:
        lines: list[str] = []
        for _ in range(200):
            now += timedelta(milliseconds=rng.randrange(200))
            lines.append(
                f"10.0.{rng.randrange(256)}.{rng.randrange(256)} - - [{now:%d/%b/%Y:%H:%M:%S} +0000] "
                f'"GET /api/v1/{rng.choice(RESOURCES)}/{rng.randrange(10**6)}?page={rng.randrange(90)} '
                f'HTTP/1.1" 200 {rng.randrange(10**5)} "https://example.org/" "{rng.choice(AGENTS)}"'
            )
        lines.append(f"[{now:%Y-%m-%d %H:%M:%S},000] ERROR in app: Exception on /api/v1/orders [GET]")
        lines.append("Traceback (most recent call last):")
        for file, function, source in FRAMES * 2:
            path = f"/srv/venv/lib/python3.12/site-packages/{file}"
            lines += [f'  File "{path}", line {rng.randrange(2000)}, in {function}', f"    {source}"]
        lines.append("sqlalchemy.exc.OperationalError: server closed the connection unexpectedly")
        if written >= next_incident and incidents_per_mb:
            next_incident += every_bytes
            lines += _incident(now, pid)
            pid += 1
        chunk = ("\n".join(lines) + "\n").encode()
        written += len(chunk)
        yield chunk


def _incident(now: datetime, pid: int) -> list[str]:
    stamp = f"[{now:%Y-%m-%d %H:%M:%S} +0000]"
    workers = "/srv/venv/lib/python3.12/site-packages/gunicorn/workers"
    return [
        f"{stamp} [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})",
        f"{stamp} [{pid}] [ERROR] Error handling request /slow",
        "Traceback (most recent call last):",
        f'  File "{workers}/sync.py", line 134, in handle',
        "    self.handle_request(listener, req, client, addr)",
        f'  File "{workers}/sync.py", line 177, in handle_request',
        "    respiter = self.wsgi(environ, resp.start_response)",
        '  File "/srv/app/views.py", line 42, in slow',
        "    time.sleep(60)",
        f'  File "{workers}/base.py", line 204, in handle_abort',
        "    sys.exit(1)",
        "SystemExit: 1",
        f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})",
        f"{stamp} [{pid + 1}] [INFO] Booting worker with pid: {pid + 1}",
    ]


JOBS = 2


def measure(what: str, path: str) -> None:
    """Run one measurement in this process and print it as JSON; `busy_s` is this process's own CPU time."""
    started = time.perf_counter()
    count = 0
    if what == "read bytes":
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                count += len(block)
    elif what == "for line in file":
        with Path(path).open("rb") as file:
            for _ in file:
                count += 1
    else:
        from gtdiag.collectors.log_files import collect_log_events

        for _ in collect_log_events([path], jobs=JOBS if what.endswith(f"jobs={JOBS}") else 1):
            count += 1
    seconds = time.perf_counter() - started
    figures = {"seconds": seconds, "busy_s": time.process_time(), "count": count, "peak_rss_bytes": _peak_rss_bytes()}
    print(json.dumps({"what": what, **figures}))


def _peak_rss_bytes() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", type=int, nargs="?", default=200)
    parser.add_argument("--incidents-per-mb", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        path = Path(folder) / "mixed.log"
        with path.open("wb") as file:
            for chunk in generate_log(arguments.megabytes * 1_000_000, arguments.incidents_per_mb, arguments.seed):
                file.write(chunk)
        size = path.stat().st_size
        print(f"{size / 1e6:.0f} MB, seed {arguments.seed}, {arguments.incidents_per_mb} incidents per MB")
        table = f"From {size / 1e6:.0f} MB of log to events, {arguments.incidents_per_mb} time-outs per MB"
        baseline = None
        measured = ("read bytes", "for line in file", "collect_log_events", f"collect_log_events jobs={JOBS}")
        for what in measured:
            command = [sys.executable, __file__, "--measure", what, str(path)]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            baseline = baseline or result["seconds"]
            peak = result["peak_rss_bytes"]
            memory = "peak memory unknown" if peak is None else f"peak {peak / 1e6:.0f} MB"
            add_result(Figure(table, f"`{what}`", size / 1e6 / result["seconds"], "MB/s"))
            unit = "bytes" if what == "read bytes" else "items"
            print(
                f"{what:<27} {size / 1e6 / result['seconds']:8.0f} MB/s  x{result['seconds'] / baseline:6.1f}  "
                f"{memory}, {result['busy_s']:.2f} s CPU  ({result['count']:,} {unit})"
            )


if __name__ == "__main__":
    main()
