"""Logs of many hosts, from the fixtures' logs of real runs: other pids, other times, access lines up to a size.

Every second host is a container, in which the master is pid 1 and its workers have the pids that all others' have.
Usage: python -m tests.fleet_logs FOLDER [HOSTS] [BYTES]
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "logs"
START = datetime(2026, 11, 23, 14, 2, tzinfo=timezone.utc)
RUNS_APART = timedelta(minutes=10)

CASES = (
    *("sync-23.0.0-timeout-urllib",) * 12,
    *("sync-27.0.1-healthy",) * 3,
    *("sync-25.3.0-timeout-pymysql-access-log",) * 2,
    "sync-22.0.0-segfault",
    "gthread-27.0.1-boot-failure",
    "uvicorn-21.2.0-startup-loop",
)
"""One in twenty hosts each; most of them in the same call."""

_STAMP = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+0000\]")
_PID = re.compile(
    r"(?<=\[)\d+(?=\] \[)|(?<=pid: )\d+|(?<=pid:)\d+|(?<=process \[)\d+(?=\])|(?<= \()\d+(?=\)$)", re.MULTILINE
)
_RESOURCES = ("items", "orders", "customers")


def make_fleet(folder: Path, hosts: int, size_bytes: int) -> list[Path]:
    """Write one log for each host, folder/web-0001/gunicorn.log and so on; the same files each time."""
    made = []
    for number in range(hosts):
        path = folder / f"web-{number:04}" / "gunicorn.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(make_log(number, size_bytes)))
        made.append(path)
    return made


def make_log(number: int, size_bytes: int) -> Iterator[bytes]:
    """The log of one host: its run again and again, ten minutes apart, access lines between."""
    rng = random.Random(number)
    text = (FIXTURES / CASES[number % len(CASES)] / "log.txt").read_text(encoding="utf-8")
    first_pid = 1 if number % 2 else rng.randrange(1000, 30_000)
    start = START + timedelta(seconds=rng.randrange(90))
    written = run = 0
    while written < size_bytes or not run:
        chunk = restamp(text, start + run * RUNS_APART, first_pid + 40 * run * (number % 2 == 0)).encode()
        # The rest of the ten minutes, or of the size.
        room = min(size_bytes - written - len(chunk), max(size_bytes // 4, 1))
        chunk += b"".join(_access_lines(rng, start + run * RUNS_APART + timedelta(minutes=2), room))
        written += len(chunk)
        run += 1
        yield chunk


def restamp(text: str, start: datetime, first_pid: int) -> str:
    """The log of a run that began at `start`, its lowest pid `first_pid` and the others as far from it as they were."""
    first = _at(_STAMP.search(text))
    lowest = min(int(found) for found in _PID.findall(text))
    text = _STAMP.sub(lambda found: f"[{start + (_at(found) - first):%Y-%m-%d %H:%M:%S} +0000]", text)
    return _PID.sub(lambda found: str(int(found.group()) - lowest + first_pid), text)


def _at(found: re.Match[str] | None) -> datetime:
    assert found is not None
    return datetime.strptime(found.group(1), "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)


def _access_lines(rng: random.Random, start: datetime, size_bytes: int) -> Iterator[bytes]:
    written, second = 0, 0.0
    while written < size_bytes:
        second = min(second + 0.2, 460.0)
        at = start + timedelta(seconds=second)
        line = (
            f"10.0.{rng.randrange(256)}.{rng.randrange(256)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
            f'"GET /api/v1/{rng.choice(_RESOURCES)}/{rng.randrange(10**6)} HTTP/1.1" 200 {rng.randrange(10**5)} "-" '
            f'"python-requests/2.31.0"\n'
        ).encode()
        written += len(line)
        yield line


if __name__ == "__main__":
    made = make_fleet(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 60,
        int(sys.argv[3]) if len(sys.argv) > 3 else 20_000,
    )
    print(f"{len(made)} logs, {sum(path.stat().st_size for path in made)} bytes")
