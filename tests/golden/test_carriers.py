"""What carries a log must not change what is read from it: every log in every carrier, against the plain log's report.

Times are compared only where gunicorn's own stamps give them; what a carrier adds (its finer stamps, its streams) may
differ.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.errors import LogReadError
from gtdiag.model.report import Report
from tests.carriers import CARRIERS, carry, read_lines

LOGS = Path(__file__).resolve().parents[2] / "fixtures" / "logs"
CASES = sorted(LOGS.glob("*/log.txt"))
PUBLIC = sorted((Path(__file__).resolve().parents[3] / "shared" / "logs" / "public").glob("*.log"))
PUBLIC_PER_CARRIER = 4
SEED = 20260105

# `read_lines` takes a line's writer and time from those above it, which is wrong where a platform shuffled them.
SHUFFLED = frozenset(["064-gcloud-logging-table-reverse-order.log", "065-railway-251-shuffled-traceback.log"])
# Marks gunicorn's own records only, so it needs a log in gunicorn's own format.
PARTIAL = frozenset(["concurrently"])


def report_of(path: Path) -> Report:
    analysis = Analysis()
    try:
        for event in collect_log_events([str(path)]):
            analysis.add(event)
    except LogReadError:
        pass
    return analysis.report()


def conclusions(report: Report) -> dict[str, object]:
    """Who was stopped how, and what it was in: what a report is read for."""
    return {
        "incidents": sorted((i.kind.value, i.pid or 0, i.killed_by.value, _blame(i.blocked)) for i in report.incidents),
        "ends": sorted((w.pid, w.end.value, w.end_signal or "", w.end_code or 0) for w in report.workers),
        "booted": sorted(w.pid for w in report.workers if w.booted_at or w.startup_step),
        "blamed": sorted((w.pid, _blame(w.blocked)) for w in report.workers if w.blocked),
        "patterns": sorted(pattern.kind.value for pattern in report.patterns),
        "version": report.gunicorn.version,
        "class": report.gunicorn.worker_class,
    }


def _blame(blocked: object) -> str:
    return f"{blocked.category.value} {blocked.call}" if blocked is not None else ""  # type: ignore[attr-defined]


def write(path: Path, lines: Iterable[str]) -> Path:
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return path


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="backslashreplace")


PLAIN = {path: conclusions(report_of(path)) for path in CASES}


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_changes_no_conclusion(name: str, tmp_path: Path) -> None:
    for case in CASES:
        lines = read_lines(read(case))
        carried = write(tmp_path / "log.txt", carry(lines, CARRIERS[name][0]))
        assert conclusions(report_of(carried)) == PLAIN[case], case.parent.name


# What happens to a whole log in transport, rather than to a line.
ENCODINGS = {
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 big-endian with a mark": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 and Windows line ends": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "cut in place": lambda text: b"\0" * 70_000 + text.encode(),
    "a hole in the middle": lambda text: text.encode() + b"\0" * 9_000 + b"\n",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_changes_no_conclusion(encoding: str, tmp_path: Path) -> None:
    for case in CASES:
        (tmp_path / "log.txt").write_bytes(ENCODINGS[encoding](read(case)))
        assert conclusions(report_of(tmp_path / "log.txt")) == PLAIN[case], case.parent.name


# The innermost first.
NESTED = [
    ("docker compose v2", "journalctl, the main process's pid"),
    ("docker compose v2", "rsyslog's file format"),
    ("docker compose v2", "GitHub Actions"),
    ("docker compose v2", "quoted mail"),
    ("docker compose v2", "cat -n"),
    ("docker compose v1", "docker compose v2"),
    ("docker JSON file", "kubectl --prefix"),
    ("docker JSON file", "Filebeat"),
    ("containerd (CRI)", "Loki with labels"),
    ("containerd (CRI)", "stern"),
    ("journalctl", "Vector"),
    ("journalctl", "Windows line ends"),
    ("syslog RFC 3164", "syslog RFC 5424"),
    ("syslog RFC 5424", "Splunk"),
    ("kubectl --prefix --timestamps", "quoted mail"),
    ("foreman", "Heroku"),
    ("Heroku", "Papertrail"),
    ("pm2", "CloudWatch events JSON"),
    ("kubectl --timestamps", "Datadog CSV"),
    ("multilog", "syslog without pid"),
    ("docker compose --timestamps", "GitLab CI"),
    ("Fluent Bit, Kubernetes", "CloudWatch tail"),
]


@pytest.mark.parametrize("names", NESTED, ids=" in ".join)
def test_carriers_nest(names: tuple[str, ...], tmp_path: Path) -> None:
    carriers = [CARRIERS[name][0] for name in names]
    for case in random.Random(SEED).sample(CASES, 16):
        carried = write(tmp_path / "log.txt", carry(read_lines(read(case)), *carriers))
        assert conclusions(report_of(carried)) == PLAIN[case], case.parent.name


@pytest.mark.parametrize("name", [name for name in CARRIERS if name not in PARTIAL])
def test_the_last_line_first(name: str, tmp_path: Path) -> None:
    """`tac`, or an export that begins with the newest line."""
    for case in random.Random(SEED).sample(CASES, 12):
        lines = list(carry(read_lines(read(case)), CARRIERS[name][0]))
        carried = write(tmp_path / "log.txt", reversed(lines))
        assert conclusions(report_of(carried)) == PLAIN[case], case.parent.name


STREAMS = {
    "docker compose": ("web-1  | {}", "web-2  | {}"),
    "kubectl --prefix": ("[pod/web-7d9f-aaaaa/app] {}", "[pod/web-7d9f-bbbbb/app] {}"),
    "stern": ("web-7d9f5b6c9-aaaaa app {}", "web-7d9f5b6c9-bbbbb app {}"),
    "hosts": ("Jan  5 08:00:00 host-1 web[4711]: {}", "Jan  5 08:00:00 host-2 web[4711]: {}"),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_replicas_are_kept_apart(stream: str, tmp_path: Path) -> None:
    """Two logs, line by line in turns, each behind its replica's prefix."""
    chance = random.Random(SEED)
    for _ in range(12):
        cases = chance.sample(CASES, 2)
        woven = itertools.chain.from_iterable(
            (shape.format(line) for shape, line in zip(STREAMS[stream], pair, strict=True) if line is not None)
            for pair in itertools.zip_longest(*(read(case).splitlines() for case in cases))
        )
        found = conclusions(report_of(write(tmp_path / "log.txt", woven)))
        for fact in ("incidents", "ends", "booted", "blamed"):
            wanted = [value for case in cases for value in PLAIN[case][fact]]  # type: ignore[attr-defined]
            assert found[fact] == sorted(wanted), (fact, cases)


@pytest.mark.skipif(not PUBLIC, reason="the public logs are not beside this checkout")
@pytest.mark.parametrize("name", [name for name in CARRIERS if name not in PARTIAL])
def test_real_logs_in_a_carrier(name: str, tmp_path: Path) -> None:
    logs = [log for log in PUBLIC if log.name not in SHUFFLED]
    for log in random.Random(SEED + list(CARRIERS).index(name)).sample(logs, PUBLIC_PER_CARRIER):
        plain = conclusions(report_of(log))
        carried = write(tmp_path / "log.txt", carry(read_lines(read(log)), CARRIERS[name][0]))
        assert conclusions(report_of(carried)) == plain, log.name
