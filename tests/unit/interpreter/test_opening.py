"""Opening: what is no CPython of a known version, what may not be read, and what is not there, each said in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gtdiag.errors import GtdiagError
from gtdiag.interpreter import (
    InterpreterAccessError,
    InterpreterGoneError,
    InterpreterStartingError,
    UnsupportedInterpreterError,
    open_interpreter,
)
from gtdiag.interpreter.elf import parse_maps

from .target_process import INTERPRETERS, PROGRAMS, TargetProcess, old_interpreters

MANY_TASKS = PROGRAMS / "many_tasks.py"

MAPS = """\
55d0c8a00000-55d0c8a01000 r--p 00000000 fe:00 42                         /usr/local/bin/python3.11
55d0c8a01000-55d0c8a02000 r-xp 00001000 fe:00 42                         /usr/local/bin/python3.11
55d0c9e5b000-55d0c9f00000 rw-p 00000000 00:00 0                          [heap]
7f1e2c000000-7f1e2c100000 r--p 00000000 fe:00 43                        /opt/a b/libpython3.11.so.1.0 (deleted)
7f1e2c200000-7f1e2c300000 r--p 00001000 fe:00 44                         /usr/lib/libc.so.6
7fff00000000-7fff00021000 rw-p 00000000 00:00 0
"""


def test_maps_give_the_beginning_of_each_file() -> None:
    first, second = parse_maps(MAPS)
    assert (first.path, first.start, first.deleted) == ("/usr/local/bin/python3.11", 0x55D0C8A00000, False)
    assert (second.path, second.deleted) == ("/opt/a b/libpython3.11.so.1.0", True)
    assert second.map_file == "7f1e2c000000-7f1e2c100000"


def test_no_such_process() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    with pytest.raises(InterpreterGoneError) as caught:
        open_interpreter(ended.pid)
    assert isinstance(caught.value, GtdiagError)
    assert caught.value.why == "no such process"
    assert str(ended.pid) in caught.value.message


@pytest.mark.live
def test_a_zombie_is_gone() -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout is not None
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    try:
        with pytest.raises(InterpreterGoneError):
            open_interpreter(zombie.pid)
    finally:
        zombie.stdout.close()
        zombie.wait()


def why_unsupported(pid: int) -> str:
    """What a program is that was just started; for a moment after exec it has no mappings at all."""
    while True:
        with pytest.raises(UnsupportedInterpreterError) as caught:
            open_interpreter(pid)
        if not isinstance(caught.value, InterpreterStartingError):
            return caught.value.why


@pytest.mark.live
def test_a_program_without_python() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleep:
        try:
            why = why_unsupported(sleep.pid)
        finally:
            sleep.kill()
    assert why.startswith("no Python in it")


@pytest.mark.live
def test_pypy_is_named(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    pypy = tmp_path / "pypy3.11"
    shutil.copy(sleep, pypy)
    with subprocess.Popen([pypy, "60"]) as process:
        try:
            why = why_unsupported(process.pid)
        finally:
            process.kill()
    assert "PyPy" in why


OTHER_INTERPRETERS = {"pypy3": "it runs PyPy, not CPython", "python-32-bit": "it is a 32-bit program"}


@pytest.mark.live
@pytest.mark.parametrize("name", OTHER_INTERPRETERS)
def test_a_real_interpreter_of_another_kind_is_named(name: str) -> None:
    python = INTERPRETERS / "bin" / name
    if not python.is_file():
        pytest.skip(f"no {name} here: tests/interpreters/set_up.py fetches it")
    with TargetProcess(str(python), MANY_TASKS, "1") as target:
        target.told()
        with pytest.raises(UnsupportedInterpreterError) as caught:
            open_interpreter(target.pid)
    assert OTHER_INTERPRETERS[name] in caught.value.why


@pytest.mark.live
def test_a_real_free_threaded_build_is_named() -> None:
    python = INTERPRETERS / "bin" / "python-free-threaded"
    if not python.exists():
        pytest.skip("no free-threaded CPython here: tests/interpreters/set_up.py --free-threaded builds one")
    with TargetProcess(str(python), MANY_TASKS, "1") as target:
        target.told()
        with pytest.raises(UnsupportedInterpreterError) as caught:
            open_interpreter(target.pid)
    assert caught.value.why.startswith("free-threaded CPython 3.")


@pytest.mark.live
@pytest.mark.parametrize("name", ["python3.11", "libpython3.11.so.1.0"])
def test_a_file_that_is_only_named_like_python(tmp_path: Path, name: str) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    named = tmp_path / name
    shutil.copy(sleep, named)
    with subprocess.Popen([named, "60"]) as process:
        try:
            why = why_unsupported(process.pid)
        finally:
            process.kill()
    assert why == f"{name}: its file defines no _PyRuntime"


@pytest.mark.live
def test_the_version_is_exact(python: str) -> None:
    truth = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:3], sep='.')"], capture_output=True, text=True
    )
    with TargetProcess(python, MANY_TASKS, "1") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            assert str(interpreter.version) == truth.stdout.strip()
            assert interpreter.version[:2] == tuple(int(part) for part in truth.stdout.split(".")[:2])


@pytest.mark.live
def test_an_interpreter_whose_file_was_replaced_on_disk(tmp_path: Path, python: str) -> None:
    """As after an upgrade of the package under a running server."""
    real = Path(python).resolve()
    library = next(iter(sorted((real.parent.parent / "lib").glob("libpython3.*.so.1.0"))), None)
    if library is None:
        pytest.skip("this CPython is not built with a shared library")
    if os.geteuid() != 0:
        pytest.skip("/proc/PID/map_files needs root")
    copy = tmp_path / library.name
    shutil.copy(library, copy)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    with subprocess.Popen(
        [python, MANY_TASKS, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as target:
        assert target.stdout is not None
        try:
            target.stdout.readline()
            if str(tmp_path) not in Path(f"/proc/{target.pid}/maps").read_text():
                pytest.skip("this CPython finds its library by itself")
            copy.unlink()
            with open_interpreter(target.pid) as interpreter:
                assert len(interpreter.read_suspended().suspended) == 4
        finally:
            target.kill()


@pytest.mark.live
@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_an_old_python_is_named(version: str) -> None:
    python = old_interpreters().get(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    with TargetProcess(python, "-c", "print('true'); import sys; sys.stdout.flush(); sys.stdin.read()") as target:
        target.told()
        with pytest.raises(UnsupportedInterpreterError) as caught:
            open_interpreter(target.pid)
    assert caught.value.why.startswith(f"CPython {version}")


@pytest.mark.live
@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root and unshare (util-linux)")
def test_a_process_that_sees_other_files(tmp_path: Path) -> None:
    """As in a container: its interpreter's path means nothing out here."""
    script = (
        'mount -t tmpfs none "$1" && cp -L "$2" "$1/python-inside" && PYTHONHOME="$3" exec "$1/python-inside" -S "$4" 3'
    )
    python = sys.executable
    arguments = [str(tmp_path), str(Path(python).resolve()), sys.base_prefix, str(MANY_TASKS)]
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script, "sh", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as target:
        assert target.stdout is not None
        try:
            if not target.stdout.readline():
                pytest.skip("this machine does not let root make a mount namespace")
            assert list(tmp_path.iterdir()) == []
            with open_interpreter(target.pid) as interpreter:
                assert len(interpreter.read_suspended().suspended) == 4
        finally:
            target.kill()


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as another user")
def test_another_users_process_is_refused_with_the_command_that_helps() -> None:
    """Read by nobody: what this user may not read, and why."""
    code = (
        "import os, sys; os.setgid(65534); os.setuid(65534)\n"
        "from gtdiag.interpreter import InterpreterAccessError, open_interpreter\n"
        "try: open_interpreter(int(sys.argv[1]))\n"
        "except InterpreterAccessError as error: print(error.why); print(error.hint)\n"
    )
    # The refused process imports everything before it gives up its rights: the tests may run in root's own folder.
    code = "import gtdiag.interpreter, gtdiag.interpreter.access, pwd\n" + code
    with TargetProcess(sys.executable, MANY_TASKS, "1") as target:
        target.told()
        said = subprocess.run(
            [sys.executable, "-c", code, str(target.pid)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.splitlines()
    assert said[0] == "it runs as uid 0, gtdiag as uid 65534"
    assert said[1] == f'sudo env "PATH=$PATH" gtdiag snapshot {target.pid}'


@pytest.mark.live
@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="needs root and setpriv (util-linux)")
def test_root_without_the_capability_is_told_of_it() -> None:
    """As in a container: root, but without CAP_SYS_PTRACE, and the process has more capabilities."""
    code = (
        "import sys\n"
        "from gtdiag.interpreter import InterpreterAccessError, open_interpreter\n"
        "try: open_interpreter(int(sys.argv[1]))\n"
        "except InterpreterAccessError as error: print(error.why); print(error.hint)\n"
    )
    with TargetProcess(sys.executable, MANY_TASKS, "1") as target:
        target.told()
        drop = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
        said = subprocess.run(
            [*drop, sys.executable, "-c", code, str(target.pid)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.splitlines()
    assert "CAP_SYS_PTRACE" in said[0]
    assert "SYS_PTRACE" in said[1]


def test_an_access_error_carries_why_and_hint() -> None:
    error = InterpreterAccessError("the memory of process 7 may not be read", "because", "sudo gtdiag snapshot 7")
    assert isinstance(error, GtdiagError)
    assert (error.why, error.hint) == ("because", "sudo gtdiag snapshot 7")
