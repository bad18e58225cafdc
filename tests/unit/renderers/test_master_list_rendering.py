from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest

from gtdiag.model.report import Gap
from gtdiag.renderers.json_report import read_schema
from gtdiag.renderers.page import Page
from gtdiag.renderers.ps import Health, MasterRow, render_ps_json, render_ps_text
from tests.unit.renderers.screen_files import assert_screen

ROWS = [
    MasterRow(
        pid=1234,
        user="app",
        uptime_s=312.4,
        version="27.0.1",
        worker_class="uvicorn.workers.UvicornWorker",
        application="main:app",
        workers=4,
        workers_wanted=4,
        timeout_s=30.0,
        health=Health.NEVER_BEATEN,
        ok=1,
        stale=0,
        never_beaten=3,
    ),
    MasterRow(
        pid=99,
        user=None,
        uptime_s=3.0,
        version=None,
        worker_class=None,
        application="\x1b]0;x\x07:app",
        workers=1,
        workers_wanted=2,
        timeout_s=None,
        health=Health.UNKNOWN,
        ok=None,
        stale=None,
        never_beaten=None,
        successor_of=1234,
    ),
]
GAPS = [Gap("heartbeat", "the descriptors of master 99 may not be read by this user", "sudo gtdiag ps")]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table(width: int) -> None:
    assert_screen(f"ps_{width}", render_ps_text(ROWS, GAPS, Page(width=width)))


def test_a_master_in_a_container_is_told_by_the_containers_id_and_its_pid_there() -> None:
    row = dataclasses.replace(ROWS[0], inner_pid=7, container="4f0c1f27a5d4")
    only_a_namespace = dataclasses.replace(ROWS[0], inner_pid=1)
    table = render_ps_text([row, only_a_namespace, ROWS[0]], [], Page(width=160))
    assert [line.split("beat")[-1].split() for line in table.splitlines()[1:]] == [
        [",", "1", "ok", "4f0c1f27a5d4", "main:app"],
        [",", "1", "ok", "pid", "1", "there", "main:app"],
        [",", "1", "ok", "main:app"],
    ]
    assert "CONTAINER" in table and "CONTAINER" not in render_ps_text([ROWS[0]], [], Page(width=160))
    value = json.loads(render_ps_json([row, only_a_namespace], []))
    jsonschema.Draft202012Validator(json.loads(read_schema("ps"))).validate(value)
    assert [(master["inner_pid"], master["container"]) for master in value["masters"]] == [
        (7, "4f0c1f27a5d4"),
        (1, None),
    ]


def test_an_empty_list() -> None:
    assert render_ps_text([], [], Page()) == "no gunicorn master found on this host\n"


def test_the_json_is_valid() -> None:
    value = json.loads(render_ps_json(ROWS, GAPS))
    jsonschema.Draft202012Validator(json.loads(read_schema("ps"))).validate(value)
    assert [master["pid"] for master in value["masters"]] == [1234, 99]
    assert value["schema"] == "gtdiag.ps/1"
