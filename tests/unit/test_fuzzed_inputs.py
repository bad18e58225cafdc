"""Every fuzz target with some hundred inputs, and what millions of them once found."""

from __future__ import annotations

import io
import json
import random
import warnings
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.errors import RecordingError
from gtdiag.gunicorn.proc_files import parse_clock_offset_s
from gtdiag.gunicorn.settings import parse_configuration
from gtdiag.interpreter.elf import parse_maps
from gtdiag.interpreter.thread_ids import parse_ids
from gtdiag.recording.reader import read_recording
from tests.faults.fuzz import FOUND, fuzz
from tests.faults.fuzz_targets import TARGETS, opened_target
from tests.faults.mutations import mutate

HEAD = {"schema": "gtdiag.recording/1", "gtdiag_version": "1", "host": {}}
BOOT = {"event": "WorkerBooted", "origin": {"source": "log"}, "at": "2026-01-05T00:00:00+00:00", "seq": 1}
QUICK = {"memory": 40, "settings": 100, "report": 100}


def read(*values: object) -> None:
    analysis = Analysis()
    for event in read_recording("x.jsonl", io.BytesIO(b"".join(json.dumps(v).encode() + b"\n" for v in values))):
        analysis.add(event)
    analysis.report()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.live) if name == "memory" else name for name in TARGETS]
)
def test_nothing_but_values_and_documented_errors(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.faults.fuzz.FOUND", tmp_path)
    outcome = fuzz(name, QUICK.get(name, 300), seed=4711)
    assert outcome.found == 0, [path.read_bytes() for path in tmp_path.glob("*/*")]
    kept = sorted(FOUND.glob(f"{name}/*"))
    with opened_target(name) as target:
        for path in kept:
            target.read(path.read_bytes())


def test_inputs_are_the_same_for_the_same_seed() -> None:
    def inputs(seed: int) -> list[bytes]:
        rng = random.Random(seed)
        return [mutate(target.seeds, target.words, rng) for _ in range(50)]

    with opened_target("proc") as target:
        assert inputs(7) == inputs(7) != inputs(8)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("worker", {"pid": "7"}),
        ("worker", {"pid": [7]}),
        ("worker", {"pid": True}),
        ("at", "2026-01-05T00:00:00"),
        ("seq", "1"),
        ("seq", 1e400),
        ("resolution_s", float("nan")),
        ("origin", {"source": 7}),
        ("origin", None),
    ],
)
def test_a_field_of_the_wrong_kind_is_a_damaged_recording(field: str, value: object) -> None:
    with pytest.raises(RecordingError, match="damaged event WorkerBooted"):
        read(HEAD, {**BOOT, "worker": {"pid": 7}, field: value})


def test_a_boot_that_names_no_worker_is_nobodys() -> None:
    read(HEAD, BOOT)


def test_tables_of_the_kernel_that_were_torn() -> None:
    assert (
        parse_maps("55d0/55d1 r--p 00000000 fe:00 7 /a\nx-y r--p z fe:00 7 /b\n1000-2000 r--p 0 fe:00 7 /c\n")[0].path
        == "/c"
    )
    assert parse_ids("NSpid:\t4711\tx\t7\n") == (4711, 7)
    assert parse_clock_offset_s(b"monotonic " + b"9" * 400 + b" 0\n") is None


def test_a_configuration_file_that_python_warns_of_says_nothing_on_the_terminal() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_configuration("timeout = 30\nx = 1if 2else 3\n")[0] == {"timeout": 30}
