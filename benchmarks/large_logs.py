"""Seeded large logs for the benchmarks, written at the speed of the disk: a pool of random pieces, in random order."""

from __future__ import annotations

import multiprocessing
import random
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "kube-probe/1.29", "python-requests/2.31.0", "curl/8.5.0")
RESOURCES = ("items", "workers", "orders", "service-worker.js", "health")
WORKERS = "/srv/venv/lib/python3.12/site-packages/gunicorn/workers"
START = datetime(2026, 1, 5, 8, 0, tzinfo=timezone.utc)
_POOL = 64
_PIECE_LINES = 7000


def in_own_process(write: Callable[..., object], path: Path, *arguments: int) -> None:
    """Write a log without growing: a command begins with the peak memory of the process that starts it."""
    writer = multiprocessing.Process(target=write, args=(path, *arguments))
    writer.start()
    writer.join()
    if writer.exitcode:
        sys.exit(f"{path.name} could not be written")


def write_mixed_log(path: Path, size_bytes: int, incidents: int, seed: int = 1) -> None:
    """Access lines, one line of the error log in twenty, and time-outs with their tracebacks evenly among them."""
    chance = random.Random(seed)
    pool = [_make_piece(chance) for _ in range(_POOL)]
    written = told = 0
    with path.open("wb") as file:
        written += file.write(f"[{START:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0\n".encode())
        while written < size_bytes or told < incidents:
            while told < incidents and told * size_bytes <= written * incidents:
                written += file.write(_incident(told, chance))
                told += 1
            if written < size_bytes:
                written += file.write(chance.choice(pool))


def write_dense_log(path: Path, size_bytes: int, frames: int, seed: int = 1) -> int:
    """Nothing but gunicorn's lines and tracebacks of so many frames; returns how many time-outs it tells of."""
    chance = random.Random(seed)
    written = told = 0
    with path.open("wb") as file:
        written += file.write(f"[{START:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0\n".encode())
        while written < size_bytes:
            written += file.write(_incident(told, chance, frames))
            told += 1
    return told


def write_lines(path: Path, lines: int, incidents: int, seed: int = 1) -> None:
    """So many lines of access and error log, and so many time-outs evenly among them, on top of that number."""
    chance = random.Random(seed)
    pool = [_make_piece(chance).splitlines(keepends=True) for _ in range(_POOL)]
    written = told = 0
    with path.open("wb") as file:
        file.write(f"[{START:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0\n".encode())
        while written < lines or told < incidents:
            while told < incidents and told * lines <= written * incidents:
                file.write(_incident(told, chance))
                told += 1
            piece = chance.choice(pool)[: lines - written]
            file.writelines(piece)
            written += len(piece)


def write_time_outs(path: Path, incidents: int, frames: int = 1, seed: int = 1) -> None:
    """Nothing but so many time-outs, with tracebacks of so many frames of the application."""
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.write(f"[{START:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0\n".encode())
        file.writelines(_incident(number, chance, frames) for number in range(incidents))


def _make_piece(chance: random.Random) -> bytes:
    rows = []
    for _ in range(_PIECE_LINES):
        if chance.random() < 0.05:
            rows.append(
                f"[2026-01-05 09:{chance.randrange(60):02d}:00,123] INFO in orders: order {chance.random()} paid"
            )
            continue
        rows.append(
            f"10.0.{chance.randrange(256)}.{chance.randrange(256)} - - [05/Jan/2026:09:{chance.randrange(60):02d}:00 "
            f'+0000] "GET /api/v1/{chance.choice(RESOURCES)}/{chance.randrange(10**6)}?page={chance.randrange(90)} '
            f'HTTP/1.1" 200 {chance.randrange(10**5)} "https://example.org/" "{chance.choice(AGENTS)}"'
        )
    return ("\n".join(rows) + "\n").encode()


def _incident(number: int, chance: random.Random, frames: int = 1) -> bytes:
    pid = 20 + number
    stamp = f"[{START + timedelta(seconds=3 * number):%Y-%m-%d %H:%M:%S} +0000]"
    return ("\n".join(_rows_of_incident(stamp, pid, frames, chance)) + "\n").encode()


def _rows_of_incident(stamp: str, pid: int, frames: int, chance: random.Random) -> Iterator[str]:
    yield f"{stamp} [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})"
    yield f"{stamp} [{pid}] [ERROR] Error handling request /orders/{chance.randrange(10**6)}"
    yield "Traceback (most recent call last):"
    yield f'  File "{WORKERS}/sync.py", line 134, in handle'
    yield "    self.handle_request(listener, req, client, addr)"
    for depth in range(frames):
        yield f'  File "/srv/app/layer{depth}/views.py", line {10 + depth}, in step_{depth}'
        yield f"    return step_{depth + 1}(request, *arguments)"
    yield f'  File "{WORKERS}/base.py", line 204, in handle_abort'
    yield "    sys.exit(1)"
    yield "SystemExit: 1"
    yield f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})"
    yield f"{stamp} [{pid + 1}] [INFO] Booting worker with pid: {pid + 1}"
