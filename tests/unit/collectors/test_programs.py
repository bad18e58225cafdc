"""Programs and modules that lie in the way: those of a stranger, or of the folder one happens to be in, are not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtdiag.collectors.programs import find_program
from gtdiag.collectors.stacks import find_py_spy

STRANGER = 54321


def program(folder: Path, name: str = "tool") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}:{tmp_path / 'bin'}")
    assert find_program("tool") == path
    assert find_program("no-such-tool") is None


@pytest.mark.parametrize("entry", [".", "", "bin"])
def test_no_program_of_the_folder_one_is_in(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path)
    program(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{entry}:/nowhere")
    assert find_program("tool") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", ["program", "folder", "open folder"])
def test_root_passes_by_what_others_can_write(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, own = program(tmp_path / "theirs"), program(tmp_path / "own")
    monkeypatch.setenv("PATH", f"{tmp_path / 'theirs'}:{tmp_path / 'own'}")
    assert find_program("tool") == theirs
    if what == "open folder":
        (tmp_path / "theirs").chmod(0o777)
    else:
        os.chown(theirs if what == "program" else theirs.parent, STRANGER, STRANGER)
    assert find_program("tool") == own


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_runs_no_py_spy_below_the_home_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo -E` keeps HOME, in which Python looks for what a user installed for himself."""
    (tmp_path / "home" / ".local").mkdir(parents=True)
    theirs = program(tmp_path / "home" / ".local" / "bin", "py-spy")
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    monkeypatch.setenv("PATH", os.fspath(theirs.parent))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    scripts = {"": "/nowhere", "posix_user": os.fspath(theirs.parent)}
    monkeypatch.setattr("sysconfig.get_path", lambda _name, scheme="": scripts[scheme])
    assert find_py_spy() == theirs
    os.chown(theirs, STRANGER, STRANGER)
    assert find_py_spy() is None


def test_python_m_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    """What lies about in the application's folder under the names of what gtdiag imports."""
    for name in ("click", "rich", "psutil", "json", "tomllib", "subprocess", "elftools", "gunicorn", "tempfile"):
        (tmp_path / f"{name}.py").write_text(f"open({os.fspath(tmp_path / 'imported')!r}, 'a').write({name!r})\n")
    log = Path(__file__).parents[3] / "fixtures" / "logs" / "sync-23.0.0-timeout-urllib" / "log.txt"
    for arguments in (["ps"], ["analyze", "--exit-zero", os.fspath(log)], ["snapshot"]):
        command = [sys.executable, "-m", "gtdiag", *arguments]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert not (tmp_path / "imported").exists()
