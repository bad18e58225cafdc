from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from gtdiag.cli.output_file import OutputError, check_file, write_file


def test_a_new_file_has_the_usual_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    old = os.umask(0o022)
    try:
        write_file(os.fspath(target), "Ü\n")
    finally:
        os.umask(old)
    assert target.read_bytes() == "Ü\n".encode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


def test_an_old_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "real.txt"
    target.write_text("old")
    target.chmod(0o600)
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_file(os.fspath(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_cannot_be_encoded_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_file(os.fspath(target), "\ud800")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


@pytest.mark.parametrize("name", ["missing/report.txt", "."])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    for attempt in (check_file, lambda path: write_file(path, "x")):
        with pytest.raises(OutputError, match="cannot write"):
            attempt(os.fspath(tmp_path / name))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_device_is_written_to_and_not_replaced() -> None:
    write_file("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116
    with pytest.raises(OutputError, match="No space left"):
        write_file("/dev/full", "x")


def test_places_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for path in (tmp_path / "new", tmp_path / "old", "-", os.devnull):
        check_file(os.fspath(path))
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
