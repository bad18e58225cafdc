"""Every event class survives being written and read back, whatever its fields hold."""

from __future__ import annotations

import gzip
import io
import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtdiag.errors import RecordingError
from gtdiag.model import events
from gtdiag.model.events import EVENT_CLASSES, CollectionGap, Event, ObservationEnded, WorkerBooted
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.recording.codec import encode_event, parse_event
from gtdiag.recording.migrations import SCHEMA_VERSION
from gtdiag.recording.reader import HEAD_BYTES, is_head_of_recording, is_recording, read_recording
from gtdiag.recording.writer import RecordingWriter

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
st.register_type_strategy(datetime, st.datetimes(timezones=offsets))
finite = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, finite)


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_every_event_class_survives(event_class: type[Event]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.from_type(event_class))
    def check(event: Event) -> None:
        assert parse_event(json.loads(json.dumps(encode_event(event)))) == event

    check()


def test_every_class_of_the_module_is_listed() -> None:
    in_module = {cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, Event)}
    assert set(EVENT_CLASSES) == in_module - {Event}


def booted(pid: int) -> WorkerBooted:
    return WorkerBooted(origin=Origin("process"), at=datetime.now(timezone.utc), worker=WorkerId(pid, started_at_s=1.5))


def the_end() -> ObservationEnded:
    return ObservationEnded(origin=Origin("master"), at=datetime.now(timezone.utc))


def recorded(path: Path, *seen: Event) -> Path:
    with RecordingWriter(str(path), {"hostname": "web-1"}) as writer:
        for event in seen:
            writer.write(event)
    return path


def test_a_recording_is_private_and_comes_back_whole(tmp_path: Path) -> None:
    written = [
        booted(7),
        booted(8),
        CollectionGap(origin=Origin("stack"), what="stacks", why="no\nway\x1b[0m"),
        the_end(),
    ]
    path = recorded(tmp_path / "a.jsonl", *written)
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_recording(str(path))
    assert list(read_recording(str(path))) == written


def test_a_last_line_cut_short_costs_only_that_line(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.jsonl", booted(7), booted(8))
    path.write_bytes(path.read_bytes()[:-10])
    seen = list(read_recording(str(path)))
    assert [event.worker.pid for event in seen if event.worker] == [7]
    gap = seen[-1]
    assert isinstance(gap, CollectionGap)
    assert "in the middle of a line" in gap.why


def test_a_recording_of_whole_lines_without_its_end_says_so(tmp_path: Path) -> None:
    seen = list(read_recording(str(recorded(tmp_path / "a.jsonl", booted(7), booted(8)))))
    gap = seen.pop()
    assert [event.worker.pid for event in seen if event.worker] == [7, 8]
    assert isinstance(gap, CollectionGap)
    assert (gap.what, gap.at) == ("recording", seen[-1].at)
    assert "breaks off: gtdiag was killed" in gap.why


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.jsonl", booted(7), booted(8), booted(9))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b'{"event": "Work\n', *lines[3:]]))
    with pytest.raises(RecordingError, match="line 3"):
        list(read_recording(str(path)))


def test_a_newer_schema_says_to_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text(f'{{"schema": "gtdiag.recording/{SCHEMA_VERSION + 1}"}}\n')
    assert is_recording(str(path))
    with pytest.raises(RecordingError) as caught:
        list(read_recording(str(path)))
    assert "upgrade" in caught.value.hint


def test_a_log_is_not_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("[2026-01-01 00:00:00 +0000] [1] [INFO] Starting gunicorn 27.0.1\n")
    assert not is_recording(str(path))
    assert not is_recording(str(tmp_path / "missing"))


def test_a_recording_comes_from_a_stream_too_compressed_or_not(tmp_path: Path) -> None:
    written = [*(booted(pid) for pid in range(2, 4000)), the_end()]
    plain = recorded(tmp_path / "a.jsonl", *written).read_bytes()
    for data in (plain, gzip.compress(plain)):
        assert is_head_of_recording(data[:HEAD_BYTES])
        assert list(read_recording("standard input", io.BytesIO(data))) == written
    (tmp_path / "a.gz").write_bytes(gzip.compress(plain))
    assert is_recording(str(tmp_path / "a.gz"))


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b", b"\x1f\x8bnonsense", b"{}", b"[1]", b'{"schema": 1}', b"\xff\n"])
def test_other_bytes_are_no_recording(head: bytes) -> None:
    assert not is_head_of_recording(head)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_read_from_to_find_out(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not is_recording(str(pipe)), "opening it would wait for a writer"


def test_a_recording_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot write"):
        RecordingWriter(str(tmp_path / "no" / "folder.jsonl"), {})


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_written() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(RecordingError) as caught:
        RecordingWriter("/dev/full", {"hostname": "x"})
    assert "space" in caught.value.hint
