"""Files that the watched server's user may exchange: pipes and devices are not waited for, links do not lead out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.collectors.host_names import read_host_names
from gtdiag.collectors.log_choice import check_log
from gtdiag.collectors.log_location import find_log
from gtdiag.collectors.log_tail import FileTail
from gtdiag.errors import LogReadError
from gtdiag.foreign_files import open_foreign, read_foreign, stat_foreign
from gtdiag.gunicorn.settings import read_settings
from gtdiag.gunicorn.version import read_installed_version, read_version_in
from gtdiag.interpreter.elf import Mapping, NotAnInterpreterError, _image_of

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc"),
    pytest.mark.timeout(20),  # what waits for a pipe waits for ever
]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_only_ordinary_files_are_opened(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "file").write_text("text")
    assert read_foreign(tmp_path / "file", 3) == b"tex"
    for path in (pipe, Path("/dev/zero"), Path("/dev/tty"), tmp_path):
        with pytest.raises(OSError):
            open_foreign(path)


def test_every_reader_of_such_files_passes_a_pipe_by(tmp_path: Path, pipe: Path) -> None:
    package = tmp_path / "site" / "gunicorn"
    package.mkdir(parents=True)
    os.mkfifo(package / "__init__.py")
    assert read_version_in(tmp_path / "site") is None
    assert find_log(os.getpid(), os.fspath(pipe)).path is None
    with pytest.raises(LogReadError, match="no ordinary file"):
        check_log(os.fspath(pipe))
    with pytest.raises(NotAnInterpreterError, match="cannot be opened"):
        _image_of(0, Mapping(0, 1, os.fspath(pipe), deleted=False), is_executable=False)


def test_a_log_that_becomes_a_pipe_and_a_log_again(tmp_path: Path, pipe: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    tail = FileTail(log)
    assert [line.text for line in tail.poll()] == ["one"]
    log.unlink()
    pipe.rename(log)
    assert tail.poll() == []
    assert tail.vanished and tail.why_vanished == "it is not an ordinary file"
    log.unlink()
    log.write_text("two\n")
    tail.poll()
    assert not tail.vanished
    assert [line.text for line in tail.poll() + tail.close()] in ([], ["two"])


GUNICORN = ["--bind", "127.0.0.1:0", "x:y"]


@pytest.fixture
def master(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What looks like a master in a folder of its own, as far as the command line is asked."""
    program = tmp_path / "gunicorn"
    program.write_text("import sys, time\nprint('up', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen([sys.executable, os.fspath(program), *GUNICORN], cwd=tmp_path, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None and one.stdout.readline() == b"up\n"
        yield one
        one.kill()


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "huge", "deep"])
def test_a_configuration_file_that_is_none(kind: str, tmp_path: Path, master: subprocess.Popen[bytes]) -> None:
    file = tmp_path / "gunicorn.conf.py"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "huge":
        file.write_bytes(b"timeout = 7\n" * 4_000_000)
    elif kind == "deep":
        file.write_text("timeout = " + "-" * 200_000 + "1")
    else:
        file.symlink_to(kind)
    began_s = time.monotonic()
    settings = read_settings(master.pid)
    assert time.monotonic() - began_s < 5
    assert settings.number("timeout") == (7 if kind == "huge" else 30)


def test_a_configuration_is_read_and_never_run(tmp_path: Path, master: subprocess.Popen[bytes]) -> None:
    proof = tmp_path / "ran"
    (tmp_path / "gunicorn.conf.py").write_text(f"timeout = 7\nopen({os.fspath(proof)!r}, 'w').close()\n")
    assert read_settings(master.pid).number("timeout") == 7
    assert not proof.exists()


INNER = """
set -e
mount --make-rprivate /
mount --bind "$INNER" "$INNER"
cd "$INNER"
mkdir -p old etc logs
mkdir -p usr bin lib lib64 proc; for name in usr bin lib lib64; do mount --rbind /$name $name; done
mount -t proc proc proc
PATH=$PATH:/usr/sbin:/sbin; pivot_root . old; cd /; umount -l /old
echo up; exec sleep 600
"""


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A process with a root of its own, and where that root is seen from here."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare (util-linux)")
    command = ["unshare", "--mount", "sh", "-c", INNER]
    environment = {**os.environ, "INNER": os.fspath(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"up\n":
            pytest.skip("no mounts in a namespace here")
        yield process.pid, tmp_path
        process.kill()


def test_no_link_leads_out_of_the_root(inside: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Absolute, relative with too many .., in the last part or before it; also where it comes after the first look."""
    pid, folder = inside
    outside = tmp_path_factory.mktemp("outside")
    secret = outside / "error.log"
    secret.write_text("of the host\n")
    (folder / "logs" / "absolute.log").symlink_to(secret)
    (folder / "logs" / "relative.log").symlink_to("../" * 20 + os.fspath(secret).lstrip("/"))
    (folder / "logs" / "folder").symlink_to(outside)
    (folder / "etc" / "hosts").symlink_to("/logs/hosts")
    (folder / "logs" / "hosts").write_text("10.1.2.3 inside\n")
    root = Path(f"/proc/{pid}/root")
    assert (root / "logs" / "absolute.log").read_text() == "of the host\n", "as the kernel follows it by itself"
    for name in ("absolute.log", "relative.log", "folder/error.log"):
        with pytest.raises(FileNotFoundError):
            open_foreign(root / "logs" / name)
        with pytest.raises(FileNotFoundError):
            stat_foreign(root / "logs" / name)
        assert find_log(pid, f"/logs/{name}").path is None
    assert read_foreign(root / "etc" / "hosts", 100) == b"10.1.2.3 inside\n"
    assert read_host_names(pid) == {"10.1.2.3": "inside"}
    log = folder / "logs" / "error.log"
    log.write_text("inside\n")
    tail = FileTail(root / "logs" / "error.log")
    assert [line.text for line in tail.poll()] == ["inside"]
    log.unlink()
    log.symlink_to(secret)
    assert [line.text for line in tail.poll() + tail.poll()] == []
    assert tail.vanished
    log.unlink()
    log.symlink_to("/logs/other.log")  # as a log is rotated: a link to the file of the day
    (folder / "logs" / "other.log").write_text("inside too\n")
    assert [line.text for line in tail.poll() + tail.poll() + tail.poll()] == ["inside too"]
    assert read_installed_version(pid) is None


def test_without_openat2_ordinary_files_are_read_all_the_same(
    inside: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, folder = inside
    (folder / "logs" / "error.log").write_text("inside\n")
    monkeypatch.setattr("gtdiag.foreign_files._OPENAT2", 100_000)  # ENOSYS, as of an older kernel
    assert read_foreign(f"/proc/{pid}/root/logs/error.log", 100) == b"inside\n"
