"""Paths of another process: in its own root folder, with the links of that folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.gunicorn.process_root import path_as_meant, path_in_root

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def container(tmp_path: Path) -> Iterator[int]:
    """A process whose root is a folder with links in it, and with no more of a system than it needs to run."""
    for folder in ("usr", "lib", "lib64", "bin", "proc", "var", "data/logs", "srv/app"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "data/logs/error.log").write_text("inside\n")
    (tmp_path / "var/log").symlink_to("/data/logs")
    (tmp_path / "srv/app/logs").symlink_to("/data/logs")
    (tmp_path / "srv/app/here.log").symlink_to("../../data/logs/error.log")
    (tmp_path / "data/logs/to_stderr.log").symlink_to("/dev/stderr")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/stderr").symlink_to("/proc/self/fd/2")
    (tmp_path / "data/loop").symlink_to("/data/loop")
    mounts = " && ".join(f"mount --bind /{name} {tmp_path}/{name}" for name in ("usr", "lib", "lib64", "bin"))
    script = f"{mounts} && exec unshare --root={tmp_path} --wd=/srv/app sh -c 'echo ready; read line'"
    command = ["unshare", "--mount", "sh", "-c", script]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare (util-linux)")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        if process.stdout.readline() != b"ready\n":
            pytest.skip(f"no root folder of its own can be had here: {process.stderr.read().decode()}")
        yield process.pid
        process.stdin.close()


def test_a_link_to_an_absolute_path_stays_in_the_container(container: int) -> None:
    for path in ("/var/log/error.log", "/srv/app/../../var/log//./error.log", "/srv/app/here.log"):
        assert path_in_root(container, path).read_text() == "inside\n", path
    assert path_as_meant(container, "logs/error.log").read_text() == "inside\n"
    assert path_as_meant(container, "here.log").read_text() == "inside\n"


def test_its_standard_error_is_not_that_of_gtdiag(container: int) -> None:
    assert path_in_root(container, "/dev/stderr") == Path(f"/proc/{container}/fd/2")
    assert path_in_root(container, "/var/log/to_stderr.log") == Path(f"/proc/{container}/fd/2")
    assert path_in_root(os.getpid(), "/dev/stdout") == Path(f"/proc/{os.getpid()}/fd/1")


def test_what_is_not_there_or_leads_nowhere_is_no_error(container: int) -> None:
    assert not path_in_root(container, "/var/log/none.log").exists()
    assert path_in_root(container, "/data/loop") == Path(f"/proc/{container}/root/data/loop")
    assert path_in_root(container, "/") == Path(f"/proc/{container}/root/")
    assert path_in_root(container, "/../../etc") == Path(f"/proc/{container}/root/../../etc")


def test_a_link_that_the_kernel_takes_right_keeps_its_name(tmp_path: Path) -> None:
    """So that a log's rotation, which turns the link, is followed."""
    (tmp_path / "today.log").write_text("")
    link = tmp_path / "current.log"
    link.symlink_to(tmp_path / "today.log")
    assert path_in_root(os.getpid(), os.fspath(link)) == Path(f"/proc/{os.getpid()}/root{link}")
