"""`--preload`: real masters that hang while they load the application, and what the commands say of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

each_version = pytest.mark.parametrize("version", ["21.2.0", NEWEST])
STUCK = {
    "psycopg2": ("DATABASE_URL", "postgresql://app:opensesame@{peer}/orders", "open_database", "database"),
    "requests": ("FEATURE_FLAGS_URL", "http://{peer}/flags", "load_feature_flags", "http"),
}


@each_version
@pytest.mark.parametrize("library", STUCK)
def test_a_master_stuck_in_the_import(version: str, library: str, tmp_path: Path) -> None:
    variable, url, call, category = STUCK[library]
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(version),
            "sync_startup:application",
            folder=tmp_path,
            timeout_s=5,
            options=("--preload",),
            variables={variable: url.format(peer=server.peer)},
        ) as gunicorn,
    ):
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", "8s", "--format", "json")
        assert gunicorn.log_text() == "", "gunicorn itself says nothing at all"
        listed = run_gtdiag("ps")
    assert done.status == 1, done.stderr
    report = done.report()
    assert report["workers"] == []
    facts = report["gunicorn"]
    assert (facts["timeout_s"], facts["preload"], facts["settings_source"]) == (5, True, "memory")
    (incident,) = report["incidents"]
    assert (incident["kind"], incident["phase"]) == ("master_hang", "startup")
    assert incident["master_pid"] == gunicorn.pid
    blocked = incident["blocked"]
    assert (blocked["call"], blocked["category"], blocked["library"]) == (call, category, library)
    assert blocked["waiting_on"]["peer"] == server.peer
    assert blocked["confidence"] == "high"
    assert call in report["verdict"]["summary"]
    assert "GT-R24" in [remedy["id"] for remedy in report["verdict"]["remedies"]]
    assert "opensesame" not in done.stdout
    assert str(gunicorn.pid) in listed.stdout


@each_version
@pytest.mark.parametrize("hook", ["on_starting", "when_ready", "pre_fork"])
def test_a_master_stuck_in_a_server_hook(version: str, hook: str, tmp_path: Path) -> None:
    parameters = "server, worker" if hook == "pre_fork" else "server"
    with mute_server() as server:
        configuration = tmp_path / "hooks.conf.py"
        configuration.write_text(
            f"import urllib.request\n\n\ndef fetch_secrets():\n    urllib.request.urlopen('http://{server.peer}/secrets')\n"
            f"\n\ndef {hook}({parameters}):\n    fetch_secrets()\n"
        )
        with running_gunicorn(
            standard_environment(version),
            "sync_startup:application",
            folder=tmp_path,
            timeout_s=4,
            options=("--config", str(configuration)),
        ) as gunicorn:
            done = run_gtdiag("watch", str(gunicorn.pid), "--for", "7s", "--format", "json")
    assert done.status == 1, done.stderr
    report = done.report()
    (incident,) = report["incidents"]
    assert (incident["kind"], incident["phase"], incident["killed_by"]) == ("master_hang", "startup", "none")
    blocked = incident["blocked"]
    assert (blocked["call"], blocked["category"], blocked["path"]) == ("fetch_secrets", "http", [hook, "fetch_secrets"])
    assert blocked["waiting_on"]["peer"] == server.peer
    assert "in a server hook" in report["verdict"]["summary"]
    assert "preload" not in report["verdict"]["summary"]


@each_version
def test_before_its_time_out_the_verdict_says_what_it_does(version: str, tmp_path: Path) -> None:
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(version),
            "sync_startup:application",
            folder=tmp_path,
            timeout_s=300,
            options=("--preload",),
            variables={"FEATURE_FLAGS_URL": f"http://{server.peer}/flags"},
        ) as gunicorn,
    ):
        done = run_gtdiag("watch", str(gunicorn.pid), "--for", "5s", "--format", "json")
    assert done.status == 0, done.stdout
    summary = done.report()["verdict"]["summary"]
    assert f"master {gunicorn.pid} has been loading the application for " in summary
    assert "blocked in load_feature_flags" in summary


@each_version
def test_a_preloading_master_that_got_ready_hangs_in_nothing(version: str, tmp_path: Path) -> None:
    with running_gunicorn(
        standard_environment(version), "sync_startup:application", folder=tmp_path, timeout_s=5, options=("--preload",)
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        done = run_gtdiag("snapshot", str(gunicorn.pid), "--format", "json")
    assert done.status == 0, done.stdout
    assert "loading" not in done.report()["verdict"]["summary"]
