"""What waits under the name of a report or a recording in a folder that everybody can write to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtdiag.cli.output_file import OutputError, check_file, write_file
from gtdiag.errors import GtdiagError, RecordingError
from gtdiag.recording.writer import RecordingWriter

STRANGER = 54321
Write = Callable[[Path], None]


def record(path: Path) -> None:
    with RecordingWriter(os.fspath(path), {}):
        pass


def report(path: Path) -> None:
    write_file(os.fspath(path), "a report\n")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """Such a folder; what a stranger put there is given to him by `os.lchown`, which only root may."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("keep me")
    return path


def of_a_stranger(path: Path) -> Path:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    return path


@pytest.mark.parametrize("write", [report, record])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_strangers_link_is_not_followed(write: Write, dangling: bool, shared: Path, precious: Path) -> None:
    where = precious.with_name("not-there") if dangling else precious
    link = shared / "x"
    link.symlink_to(where)
    of_a_stranger(link)
    with pytest.raises(GtdiagError, match="symbolic link"):
        write(link)
    assert precious.read_text() == "keep me"
    assert not precious.with_name("not-there").exists()
    assert link.is_symlink()
    with pytest.raises(OutputError, match=f"symbolic link of another user \\(uid {STRANGER}\\)"):
        check_file(os.fspath(link))


@pytest.mark.parametrize("write", [report, record])
def test_a_strangers_link_to_a_folder_is_not_followed(write: Write, shared: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    link = shared / "today"
    link.symlink_to(inner)
    of_a_stranger(link)
    with pytest.raises(GtdiagError, match="symbolic link of another user"):
        write(link / "x")
    assert list(inner.iterdir()) == []


def test_own_links_and_those_of_the_folders_owner_lead_on(shared: Path, precious: Path, tmp_path: Path) -> None:
    (shared / "own").symlink_to(precious)
    report(shared / "own")
    assert precious.read_text() == "a report\n"
    closed = tmp_path / "closed"
    closed.mkdir()
    of_a_stranger(closed)
    (closed / "x").symlink_to("../precious-too")
    of_a_stranger(closed / "x")
    report(closed / "x")  # his folder, that nobody else can write to: whoever names it means it
    assert (tmp_path / "precious-too").read_text() == "a report\n"


@pytest.mark.parametrize("write", [report, record])
def test_a_strangers_pipe_is_not_waited_for(write: Write, shared: Path) -> None:
    os.mkfifo(shared / "x")
    of_a_stranger(shared / "x")
    with pytest.raises(GtdiagError, match="pipe of another user"):
        write(shared / "x")


def test_an_own_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with subprocess.Popen(["cat", os.fspath(tmp_path / "x")], stdout=subprocess.PIPE) as reader:
        report(tmp_path / "x")
        assert reader.communicate(timeout=10)[0] == b"a report\n"


def test_a_strangers_file_is_replaced_and_his_mode_is_not_kept(shared: Path) -> None:
    planted = shared / "x"
    planted.write_text("planted")
    planted.chmod(0o666)
    of_a_stranger(planted)
    with planted.open() as of_his:
        report(planted)
        assert of_his.read() == "planted", "what he holds open is another file"
    assert planted.read_text() == "a report\n"
    assert (planted.stat().st_uid, stat.S_IMODE(planted.stat().st_mode) & 0o022) == (0, 0)


def test_a_hard_link_is_replaced_and_the_other_name_left_alone(tmp_path: Path, precious: Path) -> None:
    os.link(precious, tmp_path / "x")
    report(tmp_path / "x")
    assert precious.read_text() == "keep me"
    assert (tmp_path / "x").read_text() == "a report\n"


@pytest.mark.parametrize("write", [report, record])
def test_a_folder_is_left_alone(write: Write, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(GtdiagError, match="cannot write"):
        write(tmp_path / "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_recording_refuses_a_strangers_file(shared: Path) -> None:
    planted = of_a_stranger_file(shared / "x")
    with pytest.raises(RecordingError, match="another user"):
        record(planted)
    assert planted.read_text() == "planted"


def of_a_stranger_file(path: Path) -> Path:
    path.write_text("planted")
    return of_a_stranger(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the open file through /proc")
def test_nothing_is_open_to_all_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while it is written nor afterwards."""
    seen: list[int] = []
    synced = os.fsync

    def look(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    old = os.umask(0)
    try:
        report(tmp_path / "report")
        record(tmp_path / "recording")
    finally:
        os.umask(old)
    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "recording").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [1, 3])
def test_what_the_shell_opened_is_written_to(number: int, tmp_path: Path) -> None:
    """`-o /dev/stdout | program`, `-o >(program)`: links to pipes that have no name."""
    program = "import sys; from gtdiag.cli.output_file import *; check_file(sys.argv[1]); write_file(sys.argv[1], 'ok')"
    command = f'"$0" -c "$1" /dev/fd/{number} {number}> >(cat > "$2"); sleep 0.3'
    subprocess.run(["bash", "-c", command, sys.executable, program, os.fspath(tmp_path / "x")], check=True, timeout=60)
    assert (tmp_path / "x").read_text() == "ok"
