"""A recording is written into no file that another user put under its name, and into no file behind a link."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtdiag.errors import RecordingError
from gtdiag.recording.reader import is_recording
from gtdiag.recording.writer import RecordingWriter

NOBODY = 65534


def record(path: Path) -> None:
    with RecordingWriter(str(path), {}):
        pass


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    link = tmp_path / "incident.jsonl"
    link.symlink_to(precious)
    with pytest.raises(RecordingError, match="symbolic link") as caught:
        record(link)
    assert precious.read_text() == "keep me"
    assert str(precious) in caught.value.hint


def test_a_link_to_nothing_makes_no_file(tmp_path: Path) -> None:
    link = tmp_path / "incident.jsonl"
    link.symlink_to(tmp_path / "not-there")
    with pytest.raises(RecordingError, match="symbolic link"):
        record(link)
    assert not (tmp_path / "not-there").exists()


def test_a_file_with_another_name_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    os.link(precious, tmp_path / "incident.jsonl")
    with pytest.raises(RecordingError, match="hard link"):
        record(tmp_path / "incident.jsonl")
    assert precious.read_text() == "keep me"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_the_file_of_another_user_is_left_alone(tmp_path: Path) -> None:
    planted = tmp_path / "incident.jsonl"
    planted.write_text("planted")
    os.chown(planted, NOBODY, NOBODY)
    with pytest.raises(RecordingError, match="another user"):
        record(planted)
    assert planted.read_text() == "planted"


def test_an_older_recording_is_written_over_and_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "incident.jsonl"
    path.write_text("x" * 10_000)
    path.chmod(0o644)
    record(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_recording(str(path))
    assert path.stat().st_size < 1000


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_program_may_take_it(tmp_path: Path) -> None:
    program = (
        "import sys; from gtdiag.recording.writer import RecordingWriter; RecordingWriter(sys.argv[1], {}).close()"
    )
    packed = tmp_path / "a.gz"
    script = f'"{sys.executable}" -c "{program}" >(gzip > "{packed}"); wait $!; sleep 0.3'
    subprocess.run(["bash", "-c", script], check=True, timeout=60)
    assert gzip.decompress(packed.read_bytes()).startswith(b'{"schema"')
