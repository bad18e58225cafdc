from __future__ import annotations

import dataclasses
import re

import pytest

from gtdiag.model.report import Incident, Report
from gtdiag.renderers.github import MAX_SUMMARY_BYTES, render_github, render_step_summary
from tests.unit.renderers import sample_reports
from tests.unit.renderers.hostile_report import HOSTILE_TEXTS, with_text


@dataclasses.dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    message: str


def run_commands(output: str) -> tuple[list[Command], list[str]]:
    """Read the output as the runner does: the commands it obeys, and the lines it shows as they are.

    A line is a command if it begins with `::name` (white space before it is ignored), or has the old `##[name]`
    anywhere; between `::stop-commands::TOKEN` and `::TOKEN::` none is.
    """
    commands, shown = [], []
    token = None
    for line in re.split(r"\r\n|\n|\r", output):
        if token is not None:
            if line.strip() == f"::{token}::":
                token = None
            else:
                shown.append(line)
            continue
        found = re.match(r"\s*::([\w-]+)(?: (.*?))?::(.*)", line)
        if found is None:
            assert "##[" not in line
            shown.append(line)
            continue
        name, properties, message = found.groups()
        if name == "stop-commands":
            token = message
            continue
        pairs = dict(one.split("=", 1) for one in (properties or "").split(",") if one)
        commands.append(Command(name, {key: decode(value) for key, value in pairs.items()}, decode(message)))
    assert token is None
    return commands, shown


def decode(text: str) -> str:
    for escaped, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escaped, character)
    return text


def annotations(report: Report, **options: object) -> list[Command]:
    commands, _ = run_commands(render_github(report, **options))  # type: ignore[arg-type]
    return [command for command in commands if command.name not in ("group", "endgroup")]


def test_one_annotation_for_a_cause_on_the_applications_line() -> None:
    first, *others = annotations(sample_reports.restart_loop(), root="/srv/app")
    assert first.name == "error"
    assert first.properties == {
        "file": "main.py",
        "line": "41",
        "title": "gtdiag: worker time-out: blocked in verify_database_migrations (database: asyncpg.connect)",
    }
    assert first.message.startswith("worker time-out in start-up, 8 times (workers: pid 7, 8, 9, 10, 11, 12, 13, 14;")
    assert [one.properties["title"] for one in others] == ["gtdiag: restart loop (confidence: high)"]


@pytest.mark.parametrize(
    ("root", "file"),
    [
        ("/srv/app", "main.py"),
        ("/srv/", "app/main.py"),
        ("/srv/ap", "/srv/app/main.py"),
        ("", "/srv/app/main.py"),
        ("/builds", "/srv/app/main.py"),
    ],
)
def test_files_are_named_from_the_checkout(root: str, file: str) -> None:
    assert annotations(sample_reports.silent_hang(), root=root)[0].properties["file"] == file


def test_kinds_that_are_not_failed_on_are_warnings() -> None:
    found = annotations(sample_reports.restart_loop(), failing=frozenset({"restart_loop"}))
    assert [one.name for one in found] == ["error", "warning"]


def test_nothing_found_is_a_notice() -> None:
    (notice,) = annotations(sample_reports.nothing_found())
    assert (notice.name, notice.message) == ("notice", sample_reports.nothing_found().verdict.summary)


def incidents_of(report: Report, number: int) -> list[Incident]:
    """Each blocked in a function of its own."""
    base = report.incidents[0]
    assert base.blocked is not None
    return [
        dataclasses.replace(base, id=f"i{n}", blocked=dataclasses.replace(base.blocked, call=f"f{n}", line=n))
        for n in range(number)
    ]


def test_at_most_ten_and_the_tenth_says_so() -> None:
    report = sample_reports.restart_loop()
    report = dataclasses.replace(report, incidents=tuple(incidents_of(report, 30)), patterns=())
    found = annotations(report)
    assert len(found) == 10
    assert found[-1].properties["title"] == "gtdiag: 21 more causes"
    assert len(annotations(dataclasses.replace(report, incidents=report.incidents[:10]))) == 10


def test_the_report_is_in_the_log() -> None:
    _, shown = run_commands(render_github(sample_reports.restart_loop()))
    assert "WHAT HAPPENED" in shown


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_gives_no_commands(text: str) -> None:
    hostile, _ = run_commands(render_github(with_text(text)))
    harmless, _ = run_commands(render_github(with_text("harmless")))
    assert [(one.name, list(one.properties)) for one in hostile] == [
        (one.name, list(one.properties)) for one in harmless
    ]
    if text.isprintable():
        assert text.strip() in hostile[0].message


def test_the_summary_leaves_room_for_what_is_there() -> None:
    report = sample_reports.restart_loop()
    assert "### What happened" in render_step_summary(report)
    cut = render_step_summary(report, used_bytes=MAX_SUMMARY_BYTES - 500)
    assert len(cut.encode()) <= 500
    assert "--format json" in cut
    for used_bytes in (MAX_SUMMARY_BYTES - 199, MAX_SUMMARY_BYTES, MAX_SUMMARY_BYTES + 1):
        assert render_step_summary(report, used_bytes) == ""
