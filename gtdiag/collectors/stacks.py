"""A process to the stacks of its threads: `py-spy dump --json --nonblocking` in a subprocess with a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtdiag.collectors.left_stopped import read_state_before, set_going
from gtdiag.collectors.permissions import explain_ptrace_denial
from gtdiag.collectors.processes import is_alive
from gtdiag.collectors.programs import find_program
from gtdiag.model.stacks import Frame, ThreadStack
from gtdiag.shell_words import quote_command
from gtdiag.trusted_files import why_not_trusted

DEADLINE_S = 4.0
"""py-spy 0.4 answers in about 10 ms; reading the symbols of a large executable from a slow disk takes seconds."""
REAP_S = 1.0
LONGEST_REASON = 300
INSTALL_HINT = f"{quote_command([sys.executable])} -m pip install py-spy"
DENIED_MARKS = ("permission denied", "operation not permitted", "os error 1)", "os error 13)")


class StackReadError(Exception):
    """No stacks this time. `why` and `hint` are for a CollectionGap; `lasting`: asking again will not help;
    `gone`: the process ended meanwhile; `hung`: py-spy was ended at its deadline.
    """

    def __init__(
        self, why: str, hint: str = "", *, lasting: bool = False, gone: bool = False, hung: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.lasting = lasting
        self.gone = gone
        self.hung = hung


@dataclass(frozen=True, slots=True)
class StackReader:
    """Runs one py-spy. `command` is how it is started; `deadline_s` after how long it is killed.

    py-spy only reads memory with `--nonblocking`: it never stops the process it looks at, so killing py-spy leaves
    that process as it was. That this is so is looked at whenever it was killed.
    """

    command: tuple[str, ...]
    deadline_s: float = DEADLINE_S

    @classmethod
    def found(cls) -> StackReader:
        """The py-spy of this installation. Raises StackReadError where there is none."""
        path = find_py_spy()
        if path is None:
            raise StackReadError("py-spy is not installed beside gtdiag", INSTALL_HINT, lasting=True)
        return cls(command=(str(path),))

    def read(self, pid: int, master_pid: int | None = None) -> tuple[ThreadStack, ...]:
        """Read the stacks of all threads. Raises StackReadError."""
        try:
            return self._read_once(pid, master_pid)
        except StackReadError as error:
            if error.lasting or error.gone or error.hung:
                raise
        # The process ran on while it was read; a second look mostly finds it consistent.
        return self._read_once(pid, master_pid)

    def _read_once(self, pid: int, master_pid: int | None) -> tuple[ThreadStack, ...]:
        before = read_state_before(pid)
        try:
            process = subprocess.Popen(
                [*self.command, "dump", "--json", "--nonblocking", "--pid", str(pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in the terminal is for gtdiag alone
                env={**os.environ, "RUST_BACKTRACE": "0", "RUST_LOG": "off"},
            )
        except OSError as error:
            raise StackReadError(
                f"{self.command[0]} cannot be run: {error.strerror or error}", INSTALL_HINT, lasting=True
            ) from None
        try:
            output, complaint = process.communicate(timeout=self.deadline_s)
        except subprocess.TimeoutExpired:
            _end(process)
            left = "had been left stopped and goes on again" if set_going(pid, before) else "runs on"
            raise StackReadError(
                f"py-spy did not answer within {self.deadline_s:g} s and was ended; the watched process {left}",
                f"try it by hand: {quote_command(self.command)} dump --nonblocking --pid {pid}",
                hung=True,
            ) from None
        if process.returncode != 0:
            raise _explain(pid, master_pid, complaint.decode("utf-8", "replace"), process.returncode, self.command)
        try:
            return parse_stacks(output, pid, _seen_from_here(pid))
        except (ValueError, KeyError, TypeError) as error:
            raise StackReadError(f"py-spy's answer could not be read: {error}") from None


def find_py_spy() -> Path | None:
    """Find py-spy beside the running interpreter first, in PATH last."""
    # Who can write the first three can write gtdiag itself; the last is below $HOME, whoever set that.
    own = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts")), Path(sys.prefix) / "bin"]
    users: list[Path] = []
    with contextlib.suppress(KeyError):
        users.append(Path(sysconfig.get_path("scripts", f"{os.name}_user")))
    for folder in (*own, *users):
        path = folder / "py-spy"
        if path.is_file() and os.access(path, os.X_OK) and (folder in own or why_not_trusted(path) is None):
            return path
    return find_program("py-spy")


def parse_stacks(output: bytes | str, pid: int, outer_id: Callable[[int], int] = int) -> tuple[ThreadStack, ...]:
    """Parse py-spy's JSON (0.3 and 0.4): a list of threads, each with its frames innermost first.

    `outer_id`: turns an id by which the process knows its thread into the one that is seen from here, 0 for none.
    Raises ValueError, KeyError or TypeError where it is something else.
    """
    threads = json.loads(output)
    if not isinstance(threads, list) or not all(isinstance(thread, dict) for thread in threads):
        raise TypeError("not a list of threads")
    try:
        return tuple(_thread(thread, pid, outer_id) for thread in threads)
    except OverflowError as error:  # int(1e999)
        raise ValueError(str(error)) from None


def _seen_from_here(pid: int) -> Callable[[int], int]:
    # Imported when first needed: the package brings the reading of ELF files with it.
    from gtdiag.interpreter.thread_ids import ThreadIds

    return ThreadIds(pid).outer


def _thread(thread: dict[str, Any], pid: int, outer_id: Callable[[int], int]) -> ThreadStack:
    # py-spy gives the id that CPython (3.11 and later) keeps, which is one of the process's own PID namespace.
    native = outer_id(thread["os_thread_id"]) or None if thread.get("os_thread_id") is not None else None
    name = thread.get("thread_name")
    return ThreadStack(
        thread_id=thread.get("thread_id"),
        name=name,
        frames=tuple(_frame(frame) for frame in reversed(thread["frames"])),
        main=native == pid if native is not None else name == "MainThread",
        active=bool(thread.get("active")),
        holds_gil=bool(thread.get("owns_gil")),
        native_thread_id=native,
    )


def _frame(frame: dict[str, Any]) -> Frame:
    return Frame(function=str(frame["name"]), file=str(frame["filename"]), line=frame.get("line") or None)


def _explain(pid: int, master_pid: int | None, complaint: str, code: int, command: Sequence[str]) -> StackReadError:
    if not is_alive(pid):  # a zombie has no executable either
        return StackReadError(f"process {pid} ended while it was looked at", gone=True)
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    if any(mark in complaint.lower() for mark in DENIED_MARKS):
        obstacle = explain_ptrace_denial(pid, master_pid)
        return StackReadError(f"ptrace not permitted: {obstacle.why}", obstacle.hint, lasting=True)
    said = " ".join(lines)[:LONGEST_REASON] or f"exit code {code}"
    return StackReadError(f"py-spy: {said}", f"try it by hand: {quote_command(command)} dump --nonblocking --pid {pid}")


def _end(process: subprocess.Popen[bytes]) -> None:
    # With all that it may have started: it leads a session of its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    # A py-spy in an uninterruptible read cannot be killed at once; it must not hold up the watch.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=REAP_S)
