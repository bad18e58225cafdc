from __future__ import annotations

import dataclasses
import json
import typing

import jsonschema
import pytest

from gtdiag.model.observability import Check, CheckStatus, Diagnosis
from gtdiag.renderers.doctor import ABOUT, render_doctor_json, render_doctor_text
from gtdiag.renderers.json_report import read_schema
from gtdiag.renderers.page import Page
from tests.unit.renderers.screen_files import assert_screen

DIAGNOSIS = Diagnosis(
    pid=1234,
    version="27.0.1",
    workers=4,
    summary="Not everything that matters of master 1234 can be observed: memory (missing).",
    first_step="sudo gtdiag watch 1234",
    complete=False,
    checks=(
        Check("gunicorn", "master", "gunicorn", CheckStatus.OK, True, "27.0.1, worker class sync; time-out 30 s"),
        Check(
            "worker_memory",
            "workers",
            "memory",
            CheckStatus.MISSING,
            True,
            "none of 4 workers can be read: the process belongs to user 33, gtdiag runs as user 1000",
            "no stacks, no await chains, no requests",
            "sudo gtdiag watch 1234",
        ),
        Check(
            "log",
            "master",
            "error log",
            CheckStatus.LIMITED,
            True,
            "/x\x1b]0;title\x07.log?token=secret, the only file it appends to, is taken for its log",
            "time-outs are told without gunicorn's own words",
            "gtdiag watch 1234 --log PATH",
        ),
        Check("yama", "host", "Yama scope", CheckStatus.UNKNOWN, False, "not known", "it may stand in the way", "look"),
        Check("user", "gtdiag", "user", CheckStatus.OK, False, "user 1000"),
    ),
)


@pytest.mark.parametrize("width", [80, 120])
def test_the_text(width: int) -> None:
    assert_screen(f"doctor_{width}", render_doctor_text(DIAGNOSIS, Page(width=width)))


def test_colour_adds_nothing_but_colour() -> None:
    coloured = render_doctor_text(DIAGNOSIS, Page(colour=True))
    assert "\x1b[31" in coloured or "\x1b[1;31" in coloured
    assert "\x1b]0" not in coloured
    assert "\x1b" not in render_doctor_text(DIAGNOSIS, Page())


def test_the_json_is_valid_and_redacted() -> None:
    value = json.loads(render_doctor_json(DIAGNOSIS))
    jsonschema.Draft202012Validator(json.loads(read_schema("doctor"))).validate(value)
    assert value["schema"] == "gtdiag.doctor/1"
    assert [check["id"] for check in value["checks"]] == [check.id for check in DIAGNOSIS.checks]
    assert "secret" not in json.dumps(value)


@pytest.mark.parametrize("cls", [Diagnosis, Check])
def test_the_schema_has_every_field(cls: type) -> None:
    schema = json.loads(read_schema("doctor"))
    definition = schema if cls is Diagnosis else schema["$defs"]["check"]
    names = {field.name for field in dataclasses.fields(cls)}
    assert set(definition["required"]) == set(definition["properties"])
    assert set(definition["properties"]) - {"schema", "gtdiag_version"} == names
    for name, hint in typing.get_type_hints(cls).items():
        assert definition["properties"][name]["description"]
        assert ("null" in definition["properties"][name].get("type", ())) == (type(None) in typing.get_args(hint))


def test_the_schema_has_every_status_and_place() -> None:
    properties = json.loads(read_schema("doctor"))["$defs"]["check"]["properties"]
    assert properties["status"]["enum"] == [status.value for status in CheckStatus]
    assert set(properties["about"]["enum"]) == set(ABOUT)
