"""File names as logrotate, Python's handlers, docker, the kubelet and others make them, and what they say."""

from __future__ import annotations

import itertools

import pytest

from gtdiag.collectors.log_names import may_be_log, parse_log_name

UID = "3f1c1c1e-7b7a-4c7e-9d70-0a1b2c3d4e5f"
ID = "0a1b2c3d4e5f" * 5 + "0a1b"

ROTATIONS = {
    "logrotate": ["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log"],
    "logrotate dateext": ["app.log-20261121.gz", "app.log-20261122", "app.log"],
    "logrotate dateext, hourly": ["app.log-2026112209", "app.log-2026112210", "app.log"],
    "logrotate dateformat -%s": ["app.log-1795000000.gz", "app.log-1795003600.gz", "app.log"],
    "logrotate extension": ["app-20261121.log.gz", "app-20261122.log", "app.log"],
    "python, midnight": ["app.log.2026-11-21", "app.log.2026-11-22", "app.log"],
    "python, by the second": ["app.log.2026-11-22_09-59-58", "app.log.2026-11-22_10-00-00", "app.log"],
    "loguru": ["app.2026-11-22_09-59-58_123456.log", "app.2026-11-22_10-00-00_000001.log", "app.log"],
    "renumbered within a day": ["app.log-20261121.2", "app.log-20261121.1", "app.log-20261122", "app.log"],
    "no extension": ["messages.2.xz", "messages.1", "messages"],
    "kept by hand": ["app.log.old", "app.log"],
    "newsyslog": ["app.log.1.bz2", "app.log.0.bz2", "app.log"],
    "docker": [f"{ID}-json.log.2.gz", f"{ID}-json.log.1", f"{ID}-json.log"],
    "kubelet": [
        f"default_web-7d9f-x2x_{UID}/app/0.log.20261121-101500.gz",
        f"default_web-7d9f-x2x_{UID}/app/0.log.20261122-101500",
        f"default_web-7d9f-x2x_{UID}/app/0.log",
        f"default_web-7d9f-x2x_{UID}/app/1.log",
        f"default_web-7d9f-x2x_{UID}/app/10.log",
    ],
    "multilog": ["@4000000067f0a1b20000000a.s", "@4000000067f0a1b30000000a.s", "current"],
    "svlogd": ["@4000000067f0a1b20000000a.u", "current"],
    "cronolog": ["2026-11-21.log", "2026-11-22.log"],
}


@pytest.mark.parametrize("names", ROTATIONS.values(), ids=list(ROTATIONS))
def test_rotations_in_order(names: list[str]) -> None:
    said = [parse_log_name(f"/var/log/web/{name}") for name in names]
    assert len({one.log for one in said}) == 1
    assert len({one.replica for one in said}) == 1
    assert [one.age for one in said] == sorted(one.age for one in said)
    assert len({one.age for one in said}) == len(said)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-1.log", "web-2.log"),
        ("host1.log", "host2.log"),
        ("a/app.log", "b/app.log"),
        ("app.log", "app2.log"),
        ("web-1", "web-2"),
        ("ip-10-0-3-7.log", "ip-10-0-3-8.log"),
        (f"default_web-7d9f-x2x_{UID}/app/0.log", f"default_web-7d9f-x2x_{UID}/sidecar/0.log"),
        (f"default_web-7d9f-x2x_{UID}/app/0.log", f"default_web-7d9f-y3y_{UID}/app/0.log"),
        (f"{ID}-json.log", f"{ID[::-1]}-json.log"),
    ],
)
def test_logs_of_two(one: str, other: str) -> None:
    assert parse_log_name(one).log != parse_log_name(other).log
    assert parse_log_name(one).replica != parse_log_name(other).replica


@pytest.mark.parametrize(
    "names",
    [
        ["gunicorn-error.log", "gunicorn-access.log"],
        ["gunicorn.error.log", "gunicorn.log"],
        ["web.err", "web.out"],
        ["web.stderr.log", "web.stdout.log.1.gz"],
        ["web-stderr---supervisor-a1b2c3.log", "web-stdout---supervisor-d4e5f6.log"],
        ["error.log", "access.log"],
    ],
)
def test_two_logs_of_one_server(names: list[str]) -> None:
    said = [parse_log_name(f"/var/log/web/{name}") for name in names]
    assert len({one.log for one in said}) == len(names)
    assert len({one.replica for one in said}) == 1


def test_a_number_before_the_extension_is_a_rotation_only_beside_its_log() -> None:
    assert parse_log_name("app.1.log").needs_log
    assert parse_log_name("app.1.log").log == parse_log_name("app.log").log
    assert not parse_log_name("app.log.1").needs_log


def test_a_number_alone_may_be_a_process() -> None:
    assert parse_log_name("web.1").unsure and not parse_log_name("messages.1").unsure
    assert not parse_log_name("app.log.1").unsure


def test_names_of_containers() -> None:
    folder = f"/var/log/pods/shop_web-7d9f-x2x_{UID}/app/3.log"
    assert parse_log_name(folder).known_as == "shop/web-7d9f-x2x/app"
    assert parse_log_name(f"/var/log/containers/web-7d9f-x2x_shop_app-{ID}.log").known_as == "shop/web-7d9f-x2x/app"
    assert parse_log_name(f"/var/lib/docker/containers/{ID}/{ID}-json.log").known_as == ID
    assert parse_log_name("app.log").known_as == ""


@pytest.mark.parametrize("names", ROTATIONS.values(), ids=list(ROTATIONS))
def test_a_folder_gives_them(names: list[str]) -> None:
    assert all(may_be_log(name.rpartition("/")[2]) for name in names)


@pytest.mark.parametrize("name", ["app.py", "notes.txt", "report.json", "core.123", "app.log.swp", "x.journal", "a.gz"])
def test_a_folder_does_not_give(name: str) -> None:
    assert not may_be_log(name)


def test_any_name_at_all() -> None:
    for letters in itertools.product("a1.-@/", repeat=5):
        name = "".join(letters)
        parse_log_name(name)
        may_be_log(name)
