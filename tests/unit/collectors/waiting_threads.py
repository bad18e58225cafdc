"""Threads that wait in one known system call each, started for a test and ended after it.

    with waiting("recv") as wait: ...

`wait.pid`, `wait.numbers`: the descriptors by name. The program is a process of its own: one cannot look into oneself
as one looks into another.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import fcntl, json, os, select, socket, subprocess, sys, threading, time
how, path = sys.argv[1], sys.argv[2]
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
accepted, _ = listener.accept()
client.sendall(b"question")
reader, writer = os.pipe()
numbers = dict(client=client.fileno(), reader=reader, accepted=accepted.fileno())
def poll(*fds):
    poller = select.poll()
    for fd in fds: poller.register(fd, select.POLLIN)
    poller.poll()
def epoll(*fds):
    poller = select.epoll()
    for fd in fds: poller.register(fd, select.EPOLLIN)
    poller.poll()
def lock():
    held = threading.Lock(); held.acquire(); held.acquire()
def flock():
    with open(path, "w") as one, open(path, "w") as other:
        fcntl.flock(one, fcntl.LOCK_EX); fcntl.flock(other, fcntl.LOCK_EX)
def fill():
    client.sendall(b"x" * (1 << 26))
ways = dict(
    recv=lambda: client.recv(1), poll=lambda: poll(client, reader),
    select=lambda: select.select([client, reader], [], []), epoll=lambda: epoll(client, reader),
    read=lambda: os.read(reader, 1), lock=lock, sleep=lambda: time.sleep(600),
    flock=flock, fill=fill, child=lambda: subprocess.run(["sleep", "600"]),
    output=lambda: subprocess.run(["sleep", "600"], capture_output=True),
)
print(json.dumps(numbers), flush=True)
ways[how]()
"""


@dataclass(frozen=True)
class Waiting:
    """A process whose main thread waits."""

    pid: int
    numbers: dict[str, int]


_LOOPBACK_UP = """
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
"""


@contextlib.contextmanager
def waiting(
    how: str, path: Path = Path("unused"), *, prefix: Sequence[str] = (), set_up: bool = True
) -> Iterator[Waiting]:
    """Start the program, and give it back once its main thread sleeps in its call.

    `prefix`: a command that starts it and becomes it; with "unshare" in it the loopback interface is set up first,
    unless `set_up` is False.
    """
    program = (_LOOPBACK_UP if set_up and "unshare" in prefix else "") + _PROGRAM
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", program, how, str(path)], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        numbers = json.loads(process.stdout.readline())
        _wait_until_it_sleeps(process.pid)
        yield Waiting(process.pid, numbers)
    finally:
        for child in _children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                _kill(child)
        process.kill()
        process.wait(10)


def _wait_until_it_sleeps(pid: int) -> None:
    end_s, still = time.monotonic() + 20, 0
    while still < 5:  # asleep at five looks in a row, in the same place
        assert time.monotonic() < end_s, "the program does not come to rest"
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        still = still + 1 if state == "S" else 0
        time.sleep(0.03)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
