from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from typing import Any

import jsonschema
import pytest

from gtdiag.model import comparison
from gtdiag.model import report as model
from gtdiag.renderers.json_report import SCHEMA_FILES, read_schema, render_json
from gtdiag.renderers.ps import MasterRow
from tests.unit.renderers import sample_reports

EACH_REPORT = pytest.mark.parametrize("name", sample_reports.REPORTS)


def schema_of(document: str) -> dict[str, Any]:
    value = json.loads(read_schema(document))
    assert isinstance(value, dict)
    return value


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


@EACH_REPORT
def test_every_report_is_valid(name: str) -> None:
    schema = schema_of("report")
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.validate(json.loads(render_json(sample_reports.REPORTS[name]())))


@pytest.mark.parametrize("document", SCHEMA_FILES)
def test_the_schemas_are_schemas(document: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(document))


def test_a_report_that_lacks_what_the_interface_promises_is_not_valid() -> None:
    value = json.loads(render_json(sample_reports.restart_loop()))
    del value["incidents"][0]["blocked"]["library_call"]
    with pytest.raises(jsonschema.ValidationError, match="library_call"):
        jsonschema.validate(value, schema_of("report"))


DATACLASSES = [c for c in vars(model).values() if dataclasses.is_dataclass(c) and isinstance(c, type)]
COMPARED = [c for c in vars(comparison).values() if dataclasses.is_dataclass(c) and isinstance(c, type)]


def definitions(cls: type) -> dict[str, Any]:
    if cls is model.Report:
        return schema_of("report")
    if cls is comparison.Comparison:
        return schema_of("compare")
    document = "ps" if cls is MasterRow else "compare" if cls in COMPARED else "report"
    definition = schema_of(document)["$defs"][snake(cls.__name__)]
    assert isinstance(definition, dict)
    return definition


@pytest.mark.parametrize("cls", [*DATACLASSES, MasterRow, *COMPARED])
def test_every_field_of_the_model_is_in_the_schema_with_its_meaning_and_its_type(cls: type) -> None:
    properties = definitions(cls)["properties"]
    hints = typing.get_type_hints(cls)
    assert set(properties) == {field.name for field in dataclasses.fields(cls)}
    for name, hint in hints.items():
        assert properties[name]["description"]
        assert is_nullable(properties[name]) == (types.NoneType in typing.get_args(hint)), f"{cls.__name__}.{name}"
        for member_class in enums_in(hint):
            assert [member.value for member in member_class] == enumeration(properties[name])


def is_nullable(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", [])
    return "null" in kinds or {"type": "null"} in schema.get("anyOf", [])


def enums_in(hint: Any) -> list[type[enum.Enum]]:
    found = [hint, *typing.get_args(hint)]
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, enum.Enum)]


def enumeration(schema: dict[str, Any]) -> list[str]:
    alternatives = [schema, *schema.get("anyOf", [])]
    return next(alternative["enum"] for alternative in alternatives if "enum" in alternative)


def test_the_shape_of_the_public_interface() -> None:
    value = json.loads(render_json(sample_reports.restart_loop()))
    assert list(value)[:2] == ["schema", "gtdiag_version"]
    assert value["schema"] == "gtdiag.report/1"
    assert value["period"]["start"] == "2025-07-22T15:06:03+00:00"
    blocked = value["incidents"][0]["blocked"]
    assert blocked["path"] == ["lifespan", "verify_database_migrations"]
    assert {name: value for name, value in blocked["waiting_on"].items() if value is not None} == {
        "kind": "socket",
        "peer": "10.0.0.5:5432",
        "state": "SYN_SENT",
        "service": "postgresql",
    }
    assert blocked["stack"][2] == {"function": "lifespan", "file": "/srv/app/main.py", "line": 58, "owner": "app"}
    assert value["workers"][0]["ready_at"] is None
    assert value["patterns"][0]["kind"] == "restart_loop"


def test_hostile_text_is_ascii_valid_json_and_comes_back() -> None:
    text = render_json(sample_reports.hostile())
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    value = json.loads(text)
    assert value["incidents"][0]["summary"] == sample_reports.HOSTILE.replace("\udcff", r"\xff")


def test_numbers_that_json_does_not_have_are_null() -> None:
    report = sample_reports.nothing_found()
    worker = dataclasses.replace(report.workers[0], startup_s=float("nan"), heartbeat_age_s=27.400000000000002)
    value = json.loads(render_json(dataclasses.replace(report, workers=(worker,))))
    assert value["workers"][0]["startup_s"] is None
    assert value["workers"][0]["heartbeat_age_s"] == 27.4
