from __future__ import annotations

import re

import pytest

from gtdiag.model.stack_profile import StackProfile
from gtdiag.renderers.collapsed import render_collapsed
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.speedscope import render_speedscope
from tests.unit.renderers import sample_reports, sample_stacks
from tests.unit.renderers.hostile_report import HOSTILE_TEXTS
from tests.unit.renderers.speedscope_rules import check_speedscope, stacks_of

REPORT = sample_reports.restart_loop()
LINE = re.compile(r"[^;\n]+(?:;[^;\n]+)* [0-9]+")


def test_a_profile_for_each_worker_startup_before_serving() -> None:
    document = check_speedscope(render_speedscope(REPORT, sample_stacks.two_workers()))
    chain = "lifespan > verify_database_migrations > connect"
    assert stacks_of(document) == {
        "worker 7 (number 1)": [
            ("start-up > main thread > run > select", 27.5),
            (f"start-up > tasks > {chain}", 26.25),
            ("serving > main thread > run > select", 0.5),
        ],
        "worker 8 (number 2), without 3 more sightings": [(f"phase not known > traceback in the log > {chain}", 1)],
    }
    assert [profile["unit"] for profile in document["profiles"]] == ["seconds", "none"]


def test_frames_stand_once_and_name_their_place() -> None:
    frames = check_speedscope(render_speedscope(REPORT, sample_stacks.two_workers()))["shared"]["frames"]
    assert {"name": "verify_database_migrations", "file": "/srv/app/main.py", "line": 41} in frames
    assert len({tuple(sorted(frame.items())) for frame in frames}) == len(frames)


def test_collapsed_stacks_in_milliseconds() -> None:
    first, *_, last = render_collapsed(sample_stacks.two_workers()).splitlines()
    assert first == (
        "worker 7 (number 1);start-up;main thread;run (/usr/lib/python3.11/asyncio/runners.py:190);"
        "select (/usr/lib/selectors.py:468) 27500"
    )
    assert last.endswith("connect (/srv/venv/site-packages/asyncpg/connection.py:2329) 1")


def test_no_stacks_are_a_file_that_says_so() -> None:
    document = check_speedscope(render_speedscope(REPORT, StackProfile()))
    assert stacks_of(document) == {"no stacks were seen": [("no stacks were seen", 1)]}
    assert render_collapsed(StackProfile()) == "no stacks were seen 1\n"


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_stays_text(text: str) -> None:
    stacks = sample_stacks.with_text(text)
    shown = escape_text(text)
    document = check_speedscope(render_speedscope(REPORT, stacks))
    assert stacks_of(document) == {"worker 7 (number 1)": [(f"start-up > {shown} > {shown} > {shown}", 1.5)]}
    (line,) = render_collapsed(stacks).split("\n")[:-1]
    assert LINE.fullmatch(line)
    assert len(line.split(";")) == 5
    assert line.endswith(" 1500")
