"""A master's control socket (gunicorn 25.1 and later) to its effective settings: `show config` and `show stats`.

Asking changes nothing in the server; it answers in a thread of its own, so it is given little time.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
from pathlib import Path

from gtdiag.gunicorn.process_root import path_in_root

DEFAULT_NAME = "gunicorn.ctl"
"""In $XDG_RUNTIME_DIR, else in $HOME/.gunicorn (config.py of 25.1 to 27.0)."""

DEADLINE_S = 0.5
"""For connecting and both answers together; an idle master answers in 2 ms."""

MAX_ANSWER_BYTES = 1 << 20
_MAX_SOCKETS = 8
_LENGTH = struct.Struct(">I")
_PEER_CREDENTIALS = struct.Struct("3i")
_ACCEPTING = 0x10000
"""__SO_ACCEPTCON among the flags of /proc/net/unix: a socket that listens."""

_CLASS = re.compile(r"<class '([\w.]+)'>$")
_SHORT_NAMES = {
    "gunicorn.workers.sync.SyncWorker": "sync",
    "gunicorn.workers.gthread.ThreadWorker": "gthread",
    "gunicorn.workers.ggevent.GeventWorker": "gevent",
    "gunicorn.workers.geventlet.EventletWorker": "eventlet",
    "gunicorn.workers.gtornado.TornadoWorker": "tornado",
    "gunicorn.workers.gasgi.ASGIWorker": "asgi",
}
_SETTINGS = {
    "timeout": (int, float),
    "graceful_timeout": (int, float),
    "workers": (int,),
    "max_requests": (int,),
    "preload_app": (bool,),
    "worker_class": (str,),
}


def read_control_socket(pid: int, configured: str | None = None) -> dict[str, object]:
    """Ask the master for its settings; empty where no socket of its own may be opened or answers in time.

    `configured`: the path from the command line or the configuration file, where one is set.
    """
    deadline_s = time.monotonic() + DEADLINE_S
    for path in _candidates(pid, configured)[:_MAX_SOCKETS]:
        try:
            settings = _ask(path, pid, deadline_s)
        except (OSError, ValueError):
            continue
        if settings:
            return settings
    return {}


def parse_listening_paths(table: str) -> list[str]:
    """The paths of /proc/net/unix (proc(5)) on which somebody listens."""
    paths = []
    for line in table.splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) == 8 and words[7].startswith("/"):
            try:
                if int(words[3], 16) & _ACCEPTING:
                    paths.append(words[7])
            except ValueError:
                continue
    return paths


def parse_config(config: object) -> dict[str, object]:
    """The answer to `show config`: only settings of the right type are taken."""
    if not isinstance(config, dict):
        return {}
    settings: dict[str, object] = {}
    for name, types in _SETTINGS.items():
        value = config.get(name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            continue
        if isinstance(value, str):
            shown = _CLASS.match(value)
            dotted = shown[1] if shown else value
            value = _SHORT_NAMES.get(dotted, dotted)
        settings[name] = value
    return settings if "timeout" in settings else {}


def _candidates(pid: int, configured: str | None) -> list[str]:
    """Paths as this process can open them: through the other's root (a container) first, then plainly.

    Only what is named like a control socket: connecting to an application's own socket would be a request to it.
    """
    try:
        listening = parse_listening_paths(Path(f"/proc/{pid}/net/unix").read_text(errors="surrogateescape"))
    except OSError:
        return []
    wanted = [
        path
        for path in dict.fromkeys(listening)
        if path.endswith(f"/{DEFAULT_NAME}") or (configured is not None and path.endswith(f"/{Path(configured).name}"))
    ]
    return [reachable for path in wanted for reachable in (str(path_in_root(pid, path)), path)]


def _ask(path: str, pid: int, deadline_s: float) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left_s(deadline_s))
        if len(os.fsencode(path)) > 107:
            return {}
        connection.connect(path)
        # Who called listen(2) there, as the kernel knows it (unix(7)): another server may use the same name.
        answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        if _PEER_CREDENTIALS.unpack(answer)[0] != pid:
            return {}
        settings = parse_config(_request(connection, "show config", deadline_s))
        stats = _request(connection, "show stats", deadline_s) if settings else None
    wanted = stats.get("workers_target") if isinstance(stats, dict) else None
    if isinstance(wanted, int):
        settings["workers"] = wanted  # TTIN and TTOU change it only there
    return settings


def _request(connection: socket.socket, command: str, deadline_s: float) -> object:
    question = json.dumps({"id": 1, "command": command, "args": []}).encode()
    connection.settimeout(_left_s(deadline_s))
    connection.sendall(_LENGTH.pack(len(question)) + question)
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size, deadline_s))
    if length > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {length} bytes")
    answer = json.loads(_receive(connection, length, deadline_s))
    return answer.get("data") if isinstance(answer, dict) and answer.get("status") == "ok" else None


def _receive(connection: socket.socket, size: int, deadline_s: float) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(_left_s(deadline_s))
        piece = connection.recv(min(size - len(data), 65536))
        if not piece:
            raise ConnectionError("closed before the answer was complete")
        data += piece
    return data


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
