"""Whole lives written from each version's format strings, in many logging formats; the report must tell the story."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.report import IncidentKind, KilledBy, Report

VERSIONS = (
    *("17.5", "18.0", "19.0.0", "19.1.1", "19.3.0", "19.4.5", "19.9.0", "20.0.4", "20.1.0", "21.2.0", "22.0.0"),
    *("23.0.0", "24.0.0", "24.1.1", "25.0.3", "25.3.0", "26.1.0", "26.2.0", "27.0.1"),
)
START = datetime(2025, 3, 30, 0, 59, 30, tzinfo=timezone.utc)
MASTER = 900
SITE = "/srv/venv/lib/python3.9/site-packages"


@dataclass(frozen=True)
class Logged:
    """What a process logs; `below` are the lines of its traceback."""

    at: datetime
    pid: int
    level: str
    message: str
    below: tuple[str, ...] = ()


Format = Callable[[Logged], str]


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class Story:
    """Writes what a server of one version logs."""

    def __init__(self, version: str) -> None:
        self.version = number(version)
        self.lines: list[Logged] = []
        self.now = START
        self.say(MASTER, "INFO", f"Starting gunicorn {version}")
        self.say(MASTER, "INFO", f"Listening at: http://127.0.0.1:8000 ({MASTER})")
        self.say(MASTER, "INFO", "Using worker: sync")

    def say(self, pid: int, level: str, message: str, *below: str) -> None:
        self.lines.append(Logged(self.now, pid, level, message, below))

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def boot(self, *pids: int) -> None:
        for pid in pids:
            self.say(pid, "INFO", f"Booting worker with pid: {pid}")

    def leave(self, pid: int) -> None:
        self.say(pid, "INFO", f"Worker exiting (pid: {pid})")

    def time_out(self, pid: int) -> None:
        """In Python code, which the signal handler interrupts."""
        self.say(MASTER, "CRITICAL", f"WORKER TIMEOUT (pid:{pid})")
        if self.version < (19,):
            self.wait(1)
            self.say(MASTER, "CRITICAL", f"WORKER TIMEOUT (pid:{pid})")
            return
        if self.version >= (22,):
            request = "GET /report" if self.version >= (25, 2) else "/report"
            self.say(pid, "ERROR", f"Error handling request {request}", *abort_traceback())
        self.leave(pid)
        if (21,) <= self.version < (22,):
            self.exit_code(pid, 1)

    def exit_code(self, pid: int, code: int) -> None:
        if self.version >= (21,):
            if self.version < (24,):
                self.say(MASTER, "ERROR", f"Worker (pid:{pid}) exited with code {code}")
            if self.version >= (24,) or code not in (3, 4):
                self.say(MASTER, "ERROR", f"Worker (pid:{pid}) exited with code {code}.")

    def hang_in_native_code(self, pid: int) -> None:
        self.say(MASTER, "CRITICAL", f"WORKER TIMEOUT (pid:{pid})")
        self.wait(1)
        self.tell_signal(pid, 9, "SIGKILL")

    def tell_signal(self, pid: int, signal: int, name: str) -> None:
        if self.version < (20, 1):
            return
        if self.version < (21,):
            self.say(MASTER, "WARNING", f"Worker with pid {pid} was terminated due to signal {signal}")
        elif name == "SIGKILL":
            self.say(MASTER, "ERROR", f"Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?")
        elif self.version < (24,) and name == "SIGSEGV":
            self.say(MASTER, "ERROR", f"Worker (pid:{pid}) was sent code {signal | 128}!")
        else:
            self.say(MASTER, "WARNING", f"Worker (pid:{pid}) was sent {name}!")

    def stop(self, *pids: int) -> None:
        self.say(MASTER, "INFO", "Handling signal: term")
        for pid in pids:
            self.leave(pid)
        self.wait(1)
        self.say(MASTER, "INFO", "Shutting down: Master")


def abort_traceback() -> tuple[str, ...]:
    return (
        "Traceback (most recent call last):",
        f'  File "{SITE}/gunicorn/workers/sync.py", line 134, in handle',
        "    self.handle_request(listener, req, client, addr)",
        f'  File "{SITE}/gunicorn/workers/sync.py", line 177, in handle_request',
        "    respiter = self.wsgi(environ, resp.start_response)",
        '  File "/srv/app/views.py", line 12, in report',
        "    time.sleep(60)",
        f'  File "{SITE}/gunicorn/workers/base.py", line 203, in handle_abort',
        "    sys.exit(1)",
        "SystemExit: 1",
    )


def a_long_day(version: str) -> Story:
    story = Story(version)
    story.boot(901, 902)
    story.wait(40)
    story.time_out(901)
    story.wait(1)
    story.boot(903)
    story.wait(60)
    story.hang_in_native_code(902)
    story.boot(904)
    story.wait(60)
    story.say(MASTER, "INFO", "Handling signal: hup")
    story.say(MASTER, "INFO", "Hang up: Master")
    story.boot(905, 906)
    story.leave(903)
    story.leave(904)
    story.wait(60)
    story.say(905, "INFO", "Autorestarting worker after current request.")
    story.leave(905)
    story.wait(1)
    story.boot(907)
    story.wait(60)
    story.tell_signal(907, 9, "SIGKILL")
    story.boot(908)
    story.wait(60)
    story.tell_signal(908, 11, "SIGSEGV")
    story.boot(909)
    story.wait(60)
    story.stop(906, 909)
    return story


def a_failed_start(version: str) -> Story:
    story = Story(version)
    story.boot(901)
    traceback = (
        "Traceback (most recent call last):",
        f'  File "{SITE}/gunicorn/arbiter.py", line 589, in spawn_worker',
        "    worker.init_process()",
        f'  File "{SITE}/gunicorn/util.py", line 359, in import_app',
        "    mod = importlib.import_module(module)",
        '  File "/srv/app/settings.py", line 3, in <module>',
        "    import missing_thing",
        "ModuleNotFoundError: No module named 'missing_thing'",
    )
    if story.version < (19, 5):
        story.say(901, "ERROR", "Exception in worker process:", *traceback, *traceback)
    else:
        story.say(901, "ERROR", "Exception in worker process", *traceback)
    story.leave(901)
    story.exit_code(901, 3)
    story.say(MASTER, "INFO", "Shutting down: Master")
    story.say(MASTER, "INFO", "Reason: Worker failed to boot.")
    return story


# --- logging formats ---


def old_default(line: Logged) -> str:
    return f"{line.at:%Y-%m-%d %H:%M:%S} [{line.pid}] [{line.level}] {line.message}"


def default(line: Logged) -> str:
    return f"[{line.at:%Y-%m-%d %H:%M:%S} +0000] [{line.pid}] [{line.level}] {line.message}"


def in_another_zone(line: Logged) -> str:
    at = line.at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    return f"[{at:%Y-%m-%d %H:%M:%S %z}] [{line.pid}] [{line.level}] {line.message}"


def _asctime(line: Logged) -> str:
    return f"{line.at:%Y-%m-%d %H:%M:%S},{line.at.microsecond // 1000:03}"


FORMATS: dict[str, Format] = {
    "milliseconds": lambda x: f"{_asctime(x)} [{x.pid}] [{x.level}] {x.message}",
    "with the logger": lambda x: f"{_asctime(x)} [{x.pid}] [gunicorn.error] [{x.level}] {x.message}",
    "dashes": lambda x: f"{_asctime(x)} - gunicorn.error - {x.level} - {x.message}",
    "dashes and pid": lambda x: f"{_asctime(x)} - {x.pid} - gunicorn.error - {x.level} - {x.message}",
    "logging.basicConfig": lambda x: f"{x.level}:gunicorn.error:{x.message}",
    "Django's verbose": lambda x: f"{x.level} {_asctime(x)} glogging {x.pid} 140234 {x.message}",
    "padded level": lambda x: f"{_asctime(x)} {x.level:<8} {x.message}",
    "message alone": lambda x: x.message,
    "level in brackets": lambda x: f"[{x.level}] {x.message}",
    "bars": lambda x: f"{_asctime(x)} | {x.level} | {x.pid} | {x.message}",
    "loguru": lambda x: (
        f"{x.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" | {x.level:<8} | gunicorn.glogging:info:264 - {x.message}"
    ),
    "structlog's console": lambda x: (
        f"{x.at:%Y-%m-%dT%H:%M:%S.%fZ} [{x.level.lower():<9}] {x.message:<30} [gunicorn.error]"
    ),
    "Celery's": lambda x: f"[{_asctime(x)}: {x.level}/MainProcess] {x.message}",
    "logfmt": lambda x: f'time="{x.at:%Y-%m-%dT%H:%M:%SZ}" level={x.level.lower()} pid={x.pid} msg="{x.message}"',
    "syslog handler": lambda x: f"{x.at:%b %d %H:%M:%S} host-1 gunicorn.shop.error: [{x.pid}] {x.message}",
    "ISO stamps": lambda x: f"{x.at:%Y-%m-%dT%H:%M:%S+0000} {x.level} {x.pid} gunicorn.error {x.message}",
    "level, pid and logger": lambda x: f"{x.level} [{x.pid}] gunicorn.error: {x.message}",
    "colours": lambda x: f"\x1b[32m{_asctime(x)}\x1b[0m \x1b[1m{x.level}\x1b[0m [{x.pid}] \x1b[36m{x.message}\x1b[0m",
}


def write_json(line: Logged) -> str:
    facts: dict[str, object] = {
        "asctime": f"{line.at:%Y-%m-%dT%H:%M:%S+0000}",
        "process": line.pid,
        "levelname": line.level,
        "name": "gunicorn.error",
        "message": line.message,
    }
    if line.below:
        facts["exc_info"] = "\n".join(line.below)
    return json.dumps(facts)


def write_structlog_json(line: Logged) -> str:
    facts = {"event": line.message, "level": line.level.lower(), "timestamp": f"{line.at:%Y-%m-%dT%H:%M:%SZ}"}
    if line.below:
        facts["exception"] = "\n".join(line.below)
    return json.dumps(facts)


def written(story: Story, form: Format) -> Iterator[str]:
    for line in story.lines:
        yield form(line)
        if form not in (write_json, write_structlog_json):
            yield from line.below


def report_of(lines: Iterator[str], folder: Path) -> Report:
    path = folder / "log.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    analysis = Analysis()
    for event in collect_log_events([str(path)]):
        analysis.add(event)
    return analysis.report()


def pids(report: Report, kind: IncidentKind) -> list[int | None]:
    return sorted((incident.pid for incident in report.incidents if incident.kind is kind), key=lambda pid: pid or 0)


ALL_FORMATS: dict[str, Format] = {**FORMATS, "JSON": write_json, "structlog's JSON": write_structlog_json}


TIMELESS = frozenset(["logging.basicConfig", "message alone", "level in brackets", "level, pid and logger"])
"""Without times a kill from outside cannot be told from gunicorn's own after a reload."""


def check_long_day(version: str, report: Report, *, timeless: bool = False) -> None:
    assert report.gunicorn.version == version
    assert sorted(worker.pid for worker in report.workers) == list(range(901, 910))
    assert pids(report, IncidentKind.WORKER_TIMEOUT) == [901, 902]
    tells_signals = number(version) >= (20, 1)
    if not timeless:
        assert pids(report, IncidentKind.EXTERNAL_KILL) == ([907] if tells_signals else [])
    assert pids(report, IncidentKind.WORKER_CRASH) == ([908] if tells_signals else [])
    assert not pids(report, IncidentKind.BOOT_FAILURE)
    assert not report.kernel_oom_kills
    by_pid = {incident.pid: incident for incident in report.incidents}
    if tells_signals:
        assert by_pid[902].killed_by is KilledBy.GUNICORN
    assert by_pid[902].blocked is None
    if number(version) >= (22,):
        blocked = by_pid[901].blocked
        assert blocked is not None
        assert (blocked.call, blocked.category.value) == ("report", "sleep")
    else:
        assert by_pid[901].blocked is None


def check_failed_start(report: Report) -> None:
    assert pids(report, IncidentKind.BOOT_FAILURE) == [901]
    assert {incident.kind for incident in report.incidents} == {IncidentKind.BOOT_FAILURE}
    assert "ModuleNotFoundError" in repr(report.incidents[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_default_format(version: str, tmp_path: Path) -> None:
    forms = (default, in_another_zone) if number(version) >= (19, 2) else (old_default,)
    for form in forms:
        check_long_day(version, report_of(written(a_long_day(version), form), tmp_path))
        check_failed_start(report_of(written(a_failed_start(version), form), tmp_path))


@pytest.mark.parametrize("name", ALL_FORMATS)
@pytest.mark.parametrize("version", ["19.3.0", "20.1.0", "21.2.0", "23.0.0", "27.0.1"])
def test_custom_format(name: str, version: str, tmp_path: Path) -> None:
    form = ALL_FORMATS[name]
    check_long_day(version, report_of(written(a_long_day(version), form), tmp_path), timeless=name in TIMELESS)
    check_failed_start(report_of(written(a_failed_start(version), form), tmp_path))
