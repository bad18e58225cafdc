"""Folders, patterns and file names to sources: rotations in order, replicas apart, whatever the order of the files."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.collectors.log_search import find_log_files
from gtdiag.collectors.log_sources import group_logs, survey_logs
from gtdiag.errors import LogReadError
from gtdiag.model.identity import LogSource
from gtdiag.model.report import IncidentKind, Report
from gtdiag.renderers.json_report import render_json

UTC = timezone.utc
UID = "3f1c1c1e-7b7a-4c7e-9d70-0a1b2c3d4e5f"


def stamp(second: int) -> str:
    return f"{datetime(2026, 11, 23, 10, tzinfo=UTC) + timedelta(seconds=second):%Y-%m-%d %H:%M:%S +0000}"


def life(second: int, version: str = "23.0.0") -> list[str]:
    """A container's gunicorn: master 1, worker 7, as in every container."""
    return [
        f"[{stamp(second)}] [1] [INFO] Starting gunicorn {version}",
        f"[{stamp(second)}] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)",
        f"[{stamp(second)}] [1] [INFO] Using worker: sync",
        f"[{stamp(second)}] [7] [INFO] Booting worker with pid: 7",
    ]


def time_out(second: int, function: str = "slow") -> list[str]:
    return [
        f"[{stamp(second)}] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
        f"[{stamp(second)}] [7] [ERROR] Error handling request /{function}",
        "Traceback (most recent call last):",
        '  File "/venv/lib/python3.12/site-packages/gunicorn/workers/sync.py", line 134, in handle',
        "    self.handle_request(listener, req, client, addr)",
        f'  File "/srv/app.py", line 5, in {function}',
        "    time.sleep(60)",
        '  File "/venv/lib/python3.12/site-packages/gunicorn/workers/base.py", line 204, in handle_abort',
        "    sys.exit(1)",
        "SystemExit: 1",
        f"[{stamp(second)}] [7] [INFO] Worker exiting (pid: 7)",
    ]


def write(folder: Path, name: str, lines: Sequence[str]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode() if lines else b""
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return str(path)


def sources_of(*arguments: str, one_server: bool = False) -> list[tuple[str, list[str]]]:
    """Replica and names of the files of each source."""
    survey = survey_logs(find_log_files(arguments))
    sources = group_logs(survey.files.values(), one_server=one_server)
    return [(source.replica, [Path(file).name for file in source.files]) for source in sources]


def report_of(*arguments: str, one_server: bool = False) -> Report:
    analysis = Analysis()
    for event in collect_log_events(arguments, one_server=one_server):
        analysis.add(event)
    return analysis.report()


# --- rotations ---


def test_rotations_are_one_stream_in_order(tmp_path: Path) -> None:
    write(tmp_path, "app.log.2.gz", life(0))
    write(tmp_path, "app.log.1", [*time_out(40), f"[{stamp(41)}] [8] [INFO] Booting worker with pid: 8"])
    write(tmp_path, "app.log", [f"[{stamp(90)}] [1] [INFO] Handling signal: term"])
    assert sources_of(str(tmp_path)) == [("", ["app.log.2.gz", "app.log.1", "app.log"])]
    report = report_of(str(tmp_path))
    [master] = report.masters
    assert (master.master_pid, master.version) == (1, "23.0.0")
    [incident] = report.incidents
    assert (incident.pid, incident.ordinal, incident.replica) == (7, 1, None)
    assert incident.blocked is not None and incident.blocked.call == "slow"


def test_numbers_that_rise_with_the_time(tmp_path: Path) -> None:
    """Some loggers number the other way round; the times decide."""
    names = ["app.log.1", "app.log.2", "app.log.3"]
    for number, name in enumerate(names):
        write(tmp_path, name, [f"[{stamp(100 * number + i)}] [1] [DEBUG] {i} workers" for i in range(3)])
    assert sources_of(str(tmp_path)) == [("", names)]


def test_processes_that_are_numbered_like_rotations(tmp_path: Path) -> None:
    """`web.1` and `web.2` of a Procfile ran side by side: the times say so, and the same pids are not one server's."""
    for number in (1, 2):
        write(tmp_path, f"web.{number}.log", [*life(number), *time_out(40 + number, f"call_{number}")])
        write(tmp_path, f"app.{number}", [*life(number), *time_out(40 + number, f"call_{number}")])
    found = sources_of(str(tmp_path / "web.*"))
    assert sorted(found) == [("web.1", ["web.1.log"]), ("web.2", ["web.2.log"])]
    assert sorted(sources_of(str(tmp_path / "app.*"))) == [("app.1", ["app.1"]), ("app.2", ["app.2"])]
    report = report_of(str(tmp_path / "app.*"))
    blamed = {(one.replica, one.blocked.call) for one in report.incidents if one.blocked}
    assert blamed == {("app.1", "call_1"), ("app.2", "call_2")}


def test_compressed_processes_that_are_numbered_like_rotations(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, f"app.{number}.gz", [*life(3 - number), *time_out(40)])
    assert len(sources_of(str(tmp_path / "*"))) == 2


def test_a_compressed_copy_beside_its_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "app.log.1", [*life(0), *time_out(40)])
    write(tmp_path, "app.log.1.gz", [*life(0), *time_out(40)])
    write(tmp_path, "app.log", [f"[{stamp(90)}] [1] [DEBUG] 1 workers"])
    assert sources_of(str(tmp_path)) == [("", ["app.log.1", "app.log"])]
    assert len(report_of(str(tmp_path)).incidents) == 1


def test_an_empty_file_among_rotations(tmp_path: Path) -> None:
    write(tmp_path, "app.log.1", [*life(0), *time_out(40)])
    write(tmp_path, "app.log", [])
    assert sources_of(str(tmp_path)) == [("", ["app.log.1", "app.log"])]


def test_newest_first_rotations(tmp_path: Path) -> None:
    write(tmp_path, "app.log.1", list(reversed([f"[{stamp(i)}] [1] [DEBUG] {i} workers" for i in range(9)])))
    write(tmp_path, "app.log", list(reversed([f"[{stamp(20 + i)}] [1] [DEBUG] {i} workers" for i in range(9)])))
    assert sources_of(str(tmp_path)) == [("", ["app.log.1", "app.log"])]


# --- replicas ---


def test_the_same_pids_in_two_folders_are_two_servers(tmp_path: Path) -> None:
    write(tmp_path, "host-a/app.log", [*life(0, "21.2.0"), *time_out(31, "first")])
    write(tmp_path, "host-b/app.log", [*life(5, "23.0.0"), *time_out(31, "second")])
    report = report_of(str(tmp_path))
    assert {(one.stream, one.master_pid, one.version) for one in report.masters} == {
        ("host-a", 1, "21.2.0"),
        ("host-b", 1, "23.0.0"),
    }
    assert {(one.replica, one.pid, one.blocked and one.blocked.call) for one in report.incidents} == {
        ("host-a", 7, "first"),
        ("host-b", 7, "second"),
    }
    assert [one.replica for one in report.workers] == ["host-a", "host-b"]


def test_an_error_log_and_a_standard_output_are_one_server(tmp_path: Path) -> None:
    """uvicorn's lines are on another output than gunicorn's: the worker that became ready is the worker that booted."""
    write(tmp_path, "web.err", [*life(0), f"[{stamp(40)}] [1] [CRITICAL] WORKER TIMEOUT (pid:7)"])
    write(
        tmp_path,
        "web.out",
        [
            f"[{stamp(1)}] [7] [INFO] Started server process [7]",
            f"[{stamp(1)}] [7] [INFO] Waiting for application startup.",
            f"[{stamp(2)}] [7] [INFO] Application startup complete.",
        ],
    )
    assert [replica for replica, _ in sources_of(str(tmp_path))] == ["", ""]
    report = report_of(str(tmp_path))
    [worker] = report.workers
    assert (worker.ready_at is not None, worker.startup_s) == (True, 2.0)


def test_one_server_is_said_by_the_user(tmp_path: Path) -> None:
    write(tmp_path, "monday.log", life(0))
    write(tmp_path, "tuesday.log", time_out(100))
    apart, together = report_of(str(tmp_path)), report_of(str(tmp_path), one_server=True)
    assert [master.version for master in apart.masters] == ["23.0.0", None]
    assert [(master.version, master.stream) for master in together.masters] == [("23.0.0", "")]
    assert len(together.workers) == 1


def cri(lines: Sequence[str]) -> list[str]:
    return [f"{line[1:11]}T{line[12:20]}.{i:09}Z stderr F {line}" for i, line in enumerate(lines)]


def test_restarts_of_a_container_are_one_replica(tmp_path: Path) -> None:
    folder = f"pods/shop_web-7d9f-x2x_{UID}/app"
    write(tmp_path, f"{folder}/0.log", cri(life(0)))
    write(tmp_path, f"{folder}/1.log", cri(life(3600)))
    write(tmp_path, f"{folder.replace('x2x', 'y3y')}/0.log", cri(life(0)))
    assert sources_of(str(tmp_path)) == [
        ("shop/web-7d9f-x2x/app", ["0.log", "1.log"]),
        ("shop/web-7d9f-y3y/app", ["0.log"]),
    ]
    assert [master.stream for master in report_of(str(tmp_path)).masters] == [
        *("shop/web-7d9f-x2x/app", "shop/web-7d9f-x2x/app", "shop/web-7d9f-y3y/app"),
    ]


def test_docker_containers_by_their_names(tmp_path: Path) -> None:
    for number, name in enumerate(("/web-1", None)):
        container = f"{number}a1b2c3d4e5f" * 5 + "0a1b0"[:4]
        lines = [
            json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-23T10:00:00.1Z"}) for line in life(0)
        ]
        folder = Path(write(tmp_path, f"containers/{container}/{container}-json.log", lines)).parent
        if name:
            (folder / "config.v2.json").write_text(json.dumps({"Name": name}))
    assert [replica for replica, _ in sources_of(str(tmp_path))] == ["1a1b2c3d4e5f", "web-1"]


def test_streams_within_a_source_keep_its_name(tmp_path: Path) -> None:
    for host in ("a", "b"):
        lines = [f"web-{number}  | {line}" for number in (1, 2) for line in life(number)]
        write(tmp_path, f"{host}/compose.log", lines)
    assert sorted(master.stream for master in report_of(str(tmp_path)).masters) == [
        *("a: web-1", "a: web-2", "b: web-1", "b: web-2"),
    ]


def test_names_that_would_be_the_same_are_told_whole(tmp_path: Path) -> None:
    write(tmp_path, "x/app.log", life(0))
    write(tmp_path, f"pods/x_app_{UID}/y/0.log", life(0))
    write(tmp_path, "x/app/y.log", life(0))
    names = [replica for replica, _ in sources_of(str(tmp_path))]
    assert len(set(names)) == 3


@pytest.mark.parametrize("killed", [("a",), ("a", "b")])
def test_one_record_of_the_kernel_explains_one_workers_death(tmp_path: Path, killed: tuple[str, ...]) -> None:
    """Whose host's kernel it was does not show when a worker of each of two replicas died in that second."""
    for host in ("a", "b"):
        end = [f"[{stamp(9)}] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"]
        write(tmp_path, f"{host}/app.log", [*life(0), *(end if host in killed else [])])
    line = "2026-11-23T10:00:09.000000+00:00 node kernel: Out of memory: Killed process 9999 (gunicorn) total-vm:2kB"
    write(tmp_path, "kern.log", [line])
    found = [one.kind for one in report_of(str(tmp_path)).incidents if one.pid == 7]
    assert found == ([IncidentKind.OOM_KILL] if len(killed) == 1 else [IncidentKind.EXTERNAL_KILL] * 2)


# --- replicas in one stream ---


def journal(line: str, **fields: str) -> str:
    return json.dumps({"MESSAGE": line, "_PID": "1", "__REALTIME_TIMESTAMP": "1763892000000000", **fields})


NAMED_BY_THEIR_CARRIER: dict[str, Callable[[int, str], str]] = {
    "kubectl --prefix": lambda n, line: f"[pod/web-7d9f5b6c9-x2xz{n}/app] {line}",
    "kubectl --prefix --all-containers": lambda n, line: f"[pod/web-0/app{n}] {line}",
    "stern": lambda n, line: f"web-7d9f5b6c9-x2xz{n} app {line}",
    "stern of a StatefulSet": lambda n, line: f"web-{n} app {line}",
    "stern --all-namespaces": lambda n, line: f"shop{n} web-7d9f5b6c9-x2xzq app {line}",
    "stern -o json": lambda n, line: json.dumps({"message": line, "podName": f"web-{n}", "containerName": "app"}),
    "docker compose": lambda n, line: f"web-{n}  | {line}",
    "Fluent Bit, two namespaces": lambda n, line: json.dumps(
        {"log": line, "stream": "stderr", "kubernetes": {"pod_name": "web-0", "namespace_name": f"shop{n}"}}
    ),
    "Fluent Bit, two containers": lambda n, line: json.dumps(
        {"log": line, "stream": "stderr", "kubernetes": {"pod_name": "web-0", "container_name": f"app{n}"}}
    ),
    "journal of two hosts": lambda n, line: journal(line, _HOSTNAME=f"host-{n}", _SYSTEMD_UNIT="web.service"),
    "journal of two units": lambda n, line: journal(line, _HOSTNAME="host", _SYSTEMD_UNIT=f"web@{n}.service"),
    "journal of two users' units": lambda n, line: journal(
        line, _HOSTNAME="host", _SYSTEMD_UNIT=f"user@{n}.service", _SYSTEMD_USER_UNIT="web.service"
    ),
    "journal of containers on two hosts": lambda n, line: journal(line, _HOSTNAME=f"host-{n}", CONTAINER_NAME="web-1"),
    "journalctl -o short of two hosts": lambda n, line: f"Nov 23 10:00:00 host-{n} gunicorn[1]: {line}",
}


@pytest.mark.parametrize("carry", NAMED_BY_THEIR_CARRIER.values(), ids=list(NAMED_BY_THEIR_CARRIER))
def test_line_by_line_the_same_pids_are_not_mixed_up(tmp_path: Path, carry: Callable[[int, str], str]) -> None:
    first, second = ([*life(0), *time_out(31, function)] for function in ("first", "second"))
    lines = [carry(n, line) for both in zip(first, second, strict=True) for n, line in enumerate(both, start=1)]
    report = report_of(write(tmp_path, "stream.txt", lines))
    assert [master.master_pid for master in report.masters] == [1, 1]
    blamed = {incident.replica: incident.blocked and incident.blocked.call for incident in report.incidents}
    assert sorted(blamed.values(), key=str) == ["first", "second"] and None not in blamed


# --- finding ---


def test_what_a_folder_gives(tmp_path: Path) -> None:
    for name in ("app.log", "notes.txt", ".hidden.log", "deep/er/x.err", ".git/y.log", "report.json"):
        write(tmp_path, name, life(0))
    (tmp_path / "link.log").symlink_to(tmp_path / "app.log")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    names = [str(Path(file.path).relative_to(tmp_path)) for file in find_log_files([str(tmp_path)])]
    assert names == ["app.log", "deep/er/x.err"]


def test_patterns(tmp_path: Path) -> None:
    for name in ("a/app.log", "b/app.log", "b/[x].log"):
        write(tmp_path, name, life(0))
    count = len(find_log_files([str(tmp_path / "*" / "app.log")]))
    assert (count, len(find_log_files([str(tmp_path / "**" / "*.log")]))) == (2, 3)
    assert [file.named for file in find_log_files([str(tmp_path / "b" / "[x].log")])] == [True]
    with pytest.raises(LogReadError, match="no file matches"):
        find_log_files([str(tmp_path / "*.nothing")])


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, "app.log", [*life(0), *time_out(40)])
    assert len(report_of(path, path, str(tmp_path)).incidents) == 1


def test_what_cannot_be_read_in_a_folder_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, "app.log", life(0))
    (tmp_path / "core.log").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    gaps = [gap.why for gap in report_of(str(tmp_path)).gaps if gap.what == "log"]
    assert gaps == [f"{tmp_path}/core.log is not a text log"]
    with pytest.raises(LogReadError, match="not a text log"):
        report_of(str(tmp_path / "app.log"), str(tmp_path / "core.log"))


def test_many_files_of_no_use_are_one_gap(tmp_path: Path) -> None:
    write(tmp_path, "app.log", life(0))
    for number in range(20):
        write(tmp_path, f"other-{number}.log", [f"hello {number}"])
    [gap] = [gap.why for gap in report_of(str(tmp_path)).gaps if gap.what == "log"]
    assert gap.startswith("20 of 21 files hold not one line of gunicorn's: ")


# --- any order ---


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_the_files_does_not_matter(tmp_path: Path, seed: int) -> None:
    paths = [
        write(tmp_path, "a/app.log.2.gz", life(0)),
        write(tmp_path, "a/app.log.1", time_out(40, "early")),
        write(tmp_path, "a/app.log", [*life(90), *time_out(130, "late")]),
        write(tmp_path, "b/app.log-20261123.gz", life(0, "21.2.0")),
        write(tmp_path, "b/app.log", time_out(40, "other")),
        write(tmp_path, "c/web.err", [*life(7), *time_out(50, "third")]),
        write(tmp_path, "c/web.out", [f"[{stamp(8)}] [7] [INFO] Application startup complete."]),
        write(tmp_path, "empty.log", []),
    ]
    for path in paths:
        os.utime(path, (1_800_000_000, 1_800_000_000))
    wanted = render_json(report_of(*paths))
    shuffled = list(paths)
    random.Random(seed).shuffle(shuffled)
    assert render_json(report_of(*shuffled)) == wanted
    assert render_json(report_of(str(tmp_path))) == wanted
    assert render_json(report_of(str(tmp_path / "**"), paths[0])) == wanted


def test_a_thousand_files_need_no_thousand_descriptors(tmp_path: Path) -> None:
    import resource

    for number in range(300):
        write(tmp_path, f"pod-{number:03}/app.log", life(number))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        report = report_of(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(report.masters) == 300
    assert {master.master_pid for master in report.masters} == {1}


def test_source_is_a_plain_value() -> None:
    assert LogSource("web-1", ("a.log",)) == LogSource("web-1", ("a.log",))


def test_time_outs_are_told_of_each_replica(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write(tmp_path, f"{name}/app.log", [*life(0), *time_out(31)])
    kinds = [(one.replica, one.kind) for one in report_of(str(tmp_path)).incidents]
    assert sorted(kinds) == [(name, IncidentKind.WORKER_TIMEOUT) for name in ("one", "three", "two")]
