"""What is fuzzed: each parser and reader of memory with inputs to begin from, and what it may answer."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
import re
import shlex
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from gtdiag.analysis import Analysis
from gtdiag.cli.key_sequences import KeyDecoder
from gtdiag.cli.parameter_types import parse_duration
from gtdiag.collectors.cgroup import parse_cgroup_mounts, parse_memberships
from gtdiag.collectors.descriptors import parse_descriptor_link
from gtdiag.collectors.host_names import parse_hosts
from gtdiag.collectors.kernel_log import parse_record
from gtdiag.collectors.log_names import parse_log_name
from gtdiag.collectors.own_rights import parse_hidepid
from gtdiag.collectors.socket_diagnostics import parse_attributes, parse_messages
from gtdiag.collectors.sockets import parse_tcp, parse_tcp6, parse_udp, parse_udp6, parse_unix
from gtdiag.collectors.stacks import parse_stacks
from gtdiag.collectors.tcp_traffic import parse_traffic
from gtdiag.collectors.thread_waits import parse_system_call
from gtdiag.collectors.unix_peers import parse_peer
from gtdiag.errors import GtdiagError
from gtdiag.gunicorn.command_line import parse_gunicorn_call
from gtdiag.gunicorn.control_socket import parse_config, parse_listening_paths
from gtdiag.gunicorn.heartbeat_filesystem import parse_filesystem
from gtdiag.gunicorn.proc_files import parse_clock_offset_s, parse_stat
from gtdiag.gunicorn.settings import parse_arguments, parse_configuration
from gtdiag.interpreter.elf import NotAnInterpreterError, parse_maps, read_image
from gtdiag.interpreter.host_text import parse_host
from gtdiag.interpreter.line_table import parse_linetable, parse_lnotab, parse_location_table
from gtdiag.interpreter.request_text import parse_request_id
from gtdiag.interpreter.thread_ids import parse_ids
from gtdiag.parsing.line_times import parse_line_stamp
from gtdiag.parsing.log_parser import LogParser
from gtdiag.recording.codec import encode_event
from gtdiag.recording.reader import read_recording
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.json_report import render_json
from gtdiag.renderers.markdown_escaping import escape_markdown, fence_code, quote_code
from gtdiag.renderers.redaction import redact_text
from gtdiag.rules.user_rules import parse_rules_toml
from gtdiag.shell_words import quote_command

ROOT = Path(__file__).parents[2]
NEWEST = datetime(2026, 1, 5, tzinfo=timezone.utc)
DRIVES_A_TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads what others wrote. `read` raises what it must not raise."""

    seeds: Sequence[bytes]
    words: Sequence[bytes]
    read: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Named:
    """A target's place in the list: what it is, its share of all inputs, and how it is opened."""

    what: str
    share: int
    open: Callable[[], contextlib.AbstractContextManager[Target]]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _log_seeds(lines: int) -> list[bytes]:
    """Pieces of the logs of real runs."""
    rng = random.Random(lines)
    seeds: list[bytes] = []
    for path in sorted((ROOT / "fixtures" / "logs").glob("*/log.txt")):
        whole = path.read_bytes().splitlines(keepends=True)
        for _ in range(6):
            start = rng.randrange(max(len(whole) - lines, 1))
            seeds.append(b"".join(whole[start : start + lines]))
    return seeds


LOG_WORDS = tuple(
    word.encode()
    for word in (
        *("WORKER TIMEOUT (pid:7)", "Booting worker with pid: 7", "Worker (pid:7) was sent SIGKILL!", "\n"),
        *("Traceback (most recent call last):\n", '  File "/a/gunicorn/workers/base.py", line 203, in handle_abort\n'),
        *("SystemExit: 1\n", "Exception in worker process\n", '{"log":"', '","stream":"stderr","time":"', '"}', "#012"),
        *("[2025-01-01 00:00:00 +0000] [7] [INFO] ", "9999-12-31T23:59:60.999999999Z ", "2025-01-01T00:00:00+99:99 "),
        *("stderr P ", "web-1  | ", "@4fffffffffffffffffffffff ", "\x1b[31m", "Out of memory: Killed process 7 (x) "),
        *("Starting gunicorn 23.0.0", "Current thread 0x0 (most recent call first):\n", "Jan  5 10:00:00 h t[7]: "),
    )
)


def _read_log(data: bytes) -> None:
    parser = LogParser("fuzz.log", newest=NEWEST)
    for number, line in enumerate(_text(data).splitlines(keepends=True), start=1):
        parser.feed(line, number)
    parser.flush()


def _read_stamp(data: bytes) -> None:
    parse_line_stamp(_text(data), newest=NEWEST)


def _read_to_report(data: bytes) -> None:
    parser, analysis = LogParser("fuzz.log", newest=NEWEST), Analysis()
    for number, line in enumerate(_text(data).splitlines(keepends=True), start=1):
        for event in parser.feed(line, number):
            analysis.add(event)
    for event in parser.flush():
        analysis.add(event)
    json.loads(render_json(analysis.report()))


def _recording_seeds() -> list[bytes]:
    head = json.dumps({"schema": "gtdiag.recording/1", "gtdiag_version": "1", "host": {}}).encode() + b"\n"
    seeds = []
    for text in _log_seeds(30):
        parser = LogParser("fuzz.log", newest=NEWEST, seq=itertools.count())
        made = [e for n, line in enumerate(_text(text).splitlines(True), 1) for e in parser.feed(line, n)]
        made += parser.flush()
        seeds.append(head + b"".join(json.dumps(encode_event(event)).encode() + b"\n" for event in made[:8]))
    return seeds


def _read_recording(data: bytes) -> None:
    with contextlib.suppress(GtdiagError):
        analysis = Analysis()
        for event in read_recording("fuzz.jsonl", io.BytesIO(data)):
            analysis.add(event)
        analysis.report()


PY_SPY = json.dumps(
    [
        {
            "pid": 7,
            "thread_id": 139,
            "thread_name": "MainThread",
            "os_thread_id": 7,
            "active": True,
            "owns_gil": True,
            "frames": [
                {"name": "f", "filename": "/a.py", "module": None, "short_filename": "a.py", "line": 3, "locals": None}
            ],
            "process_info": None,
        }
    ]
).encode()


def _read_stacks(data: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError):  # all three documented
        parse_stacks(data, 7)


def _exhaust(parse: Callable[[str], Iterator[object]]) -> Callable[[bytes], object]:
    return lambda data: list(parse(_text(data)))


def _read_stat(data: bytes) -> None:
    # The kernel writes this line whole, and nobody else does: any error of a parser will do.
    with contextlib.suppress(ValueError, IndexError, OverflowError):
        parse_stat(data)


INET = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PROC_PARSERS: tuple[tuple[bytes, Callable[[bytes], object]], ...] = (
    (INET + b"   0: 0100007F:1538 0100007F:E0D6 01 00000000:00000000 00:00000000 00000000     0 0 4711 1\n",
     _exhaust(parse_tcp)),
    (INET + b"   0: " + b"0" * 32 + b":1F90 " + b"0" * 32 + b":0000 0A 0:0 00:0 0 9 0 4712 1\n", _exhaust(parse_tcp6)),
    (INET + b"   0: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0 0 4713 2\n",
     _exhaust(parse_udp)),
    (INET + b"   0: " + b"0" * 32 + b":0035 " + b"0" * 32 + b":0000 07 0:0 00:0 0 0 0 4714 2\n", _exhaust(parse_udp6)),
    (b"Num RefCount Protocol Flags Type St Inode Path\nffff: 2 0 00010000 0001 01 4715 /run/x\n", _exhaust(parse_unix)),
    (b"7 0x5 0x7f0000001000 0x1 0xffffffff 0x0 0x0 0x7ffe 0x7f00\n", lambda data: parse_system_call(_text(data))),
    (b"4:memory:/docker/abc\n0::/system.slice/x.service\n", lambda data: parse_memberships(_text(data))),
    (b"30 23 0:26 / /c/m rw shared:9 - cgroup cgroup rw,memory\n31 23 0:27 / /c rw - cgroup2 x rw\n",
     lambda data: parse_cgroup_mounts(_text(data))),
    (b"127.0.0.1 localhost db.internal # x\n::1 ip6-localhost\n", lambda data: parse_hosts(_text(data))),
    (b"socket:[4711]", lambda data: parse_descriptor_link(3, _text(data))),
    (b"anon_inode:[eventpoll]", lambda data: parse_descriptor_link(3, _text(data))),
    (b"7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 3 0 4711 1 1 1 1 1 1\n", _read_stat),
    (b"monotonic 0 0\nboottime -100 500000000\n", parse_clock_offset_s),
    (b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n",
     lambda data: parse_filesystem(_text(data), "98:0")),
    (b"proc /proc proc rw,nosuid,hidepid=2 0 0\n", lambda data: parse_hidepid(_text(data))),
    (b"Name:\tx\nNSpid:\t4711\t7\n", lambda data: parse_ids(_text(data))),
    (b"6,1234,98765,-;Out of memory: Killed process 7 (gunicorn) total-vm:1kB, anon-rss:2kB\n", parse_record),
    (b"55d0-55d1 r--p 00000000 fe:00 7 /usr/bin/python3.11\n7f0-7f1 r--p 00001000 fe:00 8 /lib/x.so (deleted)\n",
     lambda data: parse_maps(_text(data))),
)  # fmt: skip


def _read_proc(data: bytes) -> None:
    PROC_PARSERS[data[0] % len(PROC_PARSERS) if data else 0][1](data[1:])


NETLINK = struct.pack("<IHHII", 16 + 80, 20, 2, 7, 0) + bytes(72) + struct.pack("<HH", 8, 2) + b"abcd"


def _read_netlink(data: bytes) -> None:
    for body in parse_messages(data, 7)[0]:
        parse_traffic(body)
        parse_peer(body)
    parse_attributes(data, 0)
    parse_traffic(data)
    parse_peer(data)


def _read_elf(data: bytes) -> None:
    with contextlib.suppress(NotAnInterpreterError):
        read_image(io.BytesIO(data))


def _small_elf() -> bytes:
    """An ELF file with the two symbols, as little as there can be."""
    names = b"\0.dynsym\0.dynstr\0.shstrtab\0.PyRuntime\0"
    strings = b"\0_PyRuntime\0Py_Version\0"
    symbols = (
        bytes(24) + struct.pack("<IBBHQQ", 1, 0x11, 0, 4, 0x2000, 8) + struct.pack("<IBBHQQ", 12, 0x11, 0, 4, 0x2010, 8)
    )
    at_names, at_strings, at_symbols = 0x100, 0x140, 0x180
    sections = (
        (0, 0, 0, 0, 0, 0, 0, 0),
        (1, 11, at_symbols, len(symbols), 2, 1, 24, 8),
        (9, 3, at_strings, len(strings), 0, 0, 0, 1),
        (17, 3, at_names, len(names), 0, 0, 0, 1),
        (27, 1, 0x200, 16, 0, 0, 0, 8),
    )
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 0, 0x2000 if name == 27 else 0, at, size, link, info, align, entry)
        for name, kind, at, size, link, info, entry, align in sections
    )
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0x1000, 64, 0x240, 0, 64, 56, 1, 64, len(sections), 3)
    head += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0x1000, 0x1000, 0x1000)
    whole = bytearray(0x240)
    for at, piece in ((0, head), (at_names, names), (at_strings, strings), (at_symbols, symbols)):
        whole[at : at + len(piece)] = piece
    return bytes(whole) + table


def _read_line_table(data: bytes) -> None:
    offset = int.from_bytes(data[:2], "little") % 600
    for parse in (parse_location_table, parse_linetable, parse_lnotab):
        parse(data[2:], 1, offset)


SETTINGS = (
    b"gunicorn -w 4 -k uvicorn.workers.UvicornWorker --timeout 30 --bind=0.0.0.0:8000 app:app",
    b"/usr/bin/python3 -m gunicorn -c conf.py --preload 'a b:app' --worker-tmp-dir /dev/shm",
    b"import os\nworkers = int(os.environ.get('W', 4))\ntimeout = 30\nbind = ['a:1', 'b:2']\nif x:\n    timeout = 2\n",
    b'{"timeout": 30, "workers": 4, "worker_class": "<class \'gunicorn.workers.sync.SyncWorker\'>"}',
    b"Num RefCount Protocol Flags Type St Inode Path\nffff: 00000002 00000000 00010000 0001 01 4715 /run/g.ctl\n",
)


def _read_settings(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(ValueError):
        words = shlex.split(text)
        parse_gunicorn_call(words)
        parse_arguments(words)
    parse_gunicorn_call(text.split("\0"))
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        parse_configuration(text)
    parse_listening_paths(text)
    with contextlib.suppress(ValueError, RecursionError):  # of json itself
        parse_config(json.loads(text))
    parse_log_name(text)
    parse_host(text)
    parse_host(text, bare=True)
    parse_request_id("x-request-id", text)
    with contextlib.suppress(ValueError):
        parse_duration(text)


SHOWN = (
    b"postgresql://app:s3cret@db.internal:5432/orders?sslmode=require&password=hunter2",
    b"GET /login?token=abc&next=%2F HTTP/1.1 Authorization: Bearer eyJhbGciOi.J9eyJzdW.IiOiIx",
    b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    b"<script>alert(1)</script> | `x` *y* _z_ [a](javascript:b) ![c](d) ::error file=a::b %0A",
    "\u202egnp.exe \u200b\x1b]8;;http://x\x07 \x9b31m caf\u00e9".encode(),
)


def _show(data: bytes) -> None:
    text = _text(data)
    once = redact_text(text)
    for shown in (escape_text(once), escape_text(once, ascii_only=True), escape_text(once, keep_newlines=True)):
        assert not DRIVES_A_TERMINAL.search(shown), ascii(shown)
    assert escape_text(once, ascii_only=True).isascii()
    assert "\n" not in escape_text(once)
    escape_markdown(text)
    quote_code(text)
    fence_code(text.split("\n"))
    if "\0" not in text:
        assert shlex.split(quote_command([text])) == [text] or not text.isprintable()


RULES = (
    b'schema = 1\n[[rule]]\nid = "X1"\ncategory = "database"\nname = "x"\nmatch = [{ module = "a.b" }]\n',
    b'[gtdiag]\nlog = "-"\ntimeout = 3\n',
)


def _read_rules(data: bytes) -> None:
    with contextlib.suppress(GtdiagError):
        parse_rules_toml(_text(data), "rules.toml")


def _read_keys(data: bytes) -> None:
    keys = KeyDecoder()
    for at in range(0, len(data), 3):
        keys.feed(data[at : at + 3])
    keys.flush()


def _simple(
    seeds: Callable[[], Sequence[bytes]], read: Callable[[bytes], None], words: Sequence[bytes] = ()
) -> Callable[[], contextlib.AbstractContextManager[Target]]:
    return lambda: contextlib.nullcontext(Target(seeds(), words, read))


def _proc_seeds() -> list[bytes]:
    return [bytes([number]) + text for number, (text, _) in enumerate(PROC_PARSERS)]


@contextlib.contextmanager
def _memory() -> Iterator[Target]:
    from tests.faults.flipped_memory import flipped_memories

    with flipped_memories() as (seeds, read):
        yield Target(seeds, (), read)


TARGETS: dict[str, Named] = {
    "log": Named("lines of a log to events", 40, _simple(lambda: _log_seeds(10), _read_log, LOG_WORDS)),
    "stamp": Named("a line's time", 130, _simple(lambda: _log_seeds(1), _read_stamp, LOG_WORDS)),
    "report": Named("a log to its report, as JSON", 10, _simple(lambda: _log_seeds(20), _read_to_report, LOG_WORDS)),
    "recording": Named("a recording to its report", 20, _simple(_recording_seeds, _read_recording)),
    "py_spy": Named("py-spy's JSON", 100, _simple(lambda: [PY_SPY], _read_stacks)),
    "proc": Named("/proc's tables, kernel records", 350, _simple(_proc_seeds, _read_proc)),
    "netlink": Named("sock_diag's answers", 100, _simple(lambda: [NETLINK], _read_netlink)),
    "elf": Named("an ELF file", 20, _simple(lambda: [_small_elf()], _read_elf)),
    "line_table": Named("line tables of code objects", 100, _simple(lambda: [bytes(range(40)) * 3], _read_line_table)),
    "settings": Named("command lines, configuration files", 10, _simple(lambda: SETTINGS, _read_settings)),
    "shown": Named("redaction and escaping", 50, _simple(lambda: SHOWN, _show)),
    "rules": Named("rule files", 30, _simple(lambda: RULES, _read_rules)),
    "keys": Named("keys pressed in the live view", 30, _simple(lambda: [b"\x1b[A\x1b[5~q\xc3\xa4\x1bOB"], _read_keys)),
    "memory": Named("an interpreter's memory with bits flipped", 6, _memory),
}
"""By name. The shares are by speed: all together take some forty minutes for ten million inputs."""


@contextlib.contextmanager
def opened_target(name: str) -> Iterator[Target]:
    """A target ready to read; what it needs (a process to look at) ends with it."""
    sys.setrecursionlimit(1000)
    with TARGETS[name].open() as target:
        yield target
