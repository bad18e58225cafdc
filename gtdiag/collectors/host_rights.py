"""The host to what concerns all its processes: Yama, hidepid, py-spy, the journal, the kernel's log, the cgroup."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gtdiag.collectors.cgroup import find_cgroup, read_cgroup
from gtdiag.collectors.own_rights import read_hidepid
from gtdiag.collectors.permissions import read_yama_scope
from gtdiag.collectors.programs import find_program
from gtdiag.collectors.stacks import find_py_spy
from gtdiag.model.observability import Attempt, CgroupFacts, HostFacts

DEADLINE_S = 4.0
"""For one program. `py-spy --version` takes 5 ms; journalctl opens every journal file, on a slow disk for seconds."""
LONGEST_COMPLAINT = 200
RECORD_BYTES = 8192
"""The longest record that /dev/kmsg gives (CONSOLE_EXT_LOG_MAX of the kernel)."""
KERNEL_MESSAGES = "/dev/kmsg"

JOURNALS = (Path("/run/log/journal"), Path("/var/log/journal"))
"""Where systemd-journald keeps it (systemd-journald.service(8))."""
NO_JOURNAL_HINT = "look into the files of /var/log; in a container, ask its runtime or its host"


def collect_host_facts(pid: int) -> HostFacts:
    """Look at the host. `pid`: whose memory cgroup is meant."""
    path = find_py_spy()
    py_spy, version = _try_py_spy(path)
    return HostFacts(
        hidepid=read_hidepid(),
        yama_scope=read_yama_scope(),
        py_spy_path=None if path is None else os.fspath(path),
        py_spy=py_spy,
        py_spy_version=version,
        journal=try_journal(),
        kernel_log=try_kernel_log(),
        cgroup=_read_cgroup_facts(pid),
    )


def try_journal() -> Attempt:
    """Ask journalctl for one entry of the kernel's: the journal that only administrators may read."""
    program = find_program("journalctl")
    if program is None:
        return Attempt(False, "journalctl is not installed", NO_JOURNAL_HINT)
    if not any(folder.is_dir() for folder in JOURNALS):
        return Attempt(False, "this system keeps no journal", NO_JOURNAL_HINT)
    code, output, complaint = _run([os.fspath(program), "--dmesg", "--lines=1", "--quiet", "--no-pager"])
    if code == 0 and output.strip():
        return Attempt(True)
    why = complaint or "it holds no entry of the kernel's that this user may read"
    return Attempt(False, why, NO_JOURNAL_HINT if os.geteuid() == 0 else "")


def try_kernel_log() -> Attempt:
    """Open the kernel's message buffer and read one record, without waiting."""
    try:
        descriptor = os.open(KERNEL_MESSAGES, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Attempt(False, f"{KERNEL_MESSAGES}: {error.strerror}{_why_restricted(error)}")
    try:
        os.read(descriptor, RECORD_BYTES)
    except (BlockingIOError, BrokenPipeError):
        pass  # an empty buffer, or records overwritten meanwhile: it may be read
    except OSError as error:
        return Attempt(False, f"{KERNEL_MESSAGES}: {error.strerror}")
    finally:
        os.close(descriptor)
    return Attempt(True)


def _why_restricted(error: OSError) -> str:
    if not isinstance(error, PermissionError):
        return ""
    try:
        restricted = Path("/proc/sys/kernel/dmesg_restrict").read_text().strip()
    except OSError:
        return ""
    return f" (kernel.dmesg_restrict is {restricted})"


def _try_py_spy(path: Path | None) -> tuple[Attempt, str | None]:
    if path is None:
        return Attempt(False, "not installed beside gtdiag, nor in PATH"), None
    code, output, complaint = _run([os.fspath(path), "--version"])
    words = output.split()
    if code == 0 and len(words) == 2:
        return Attempt(True), words[1]
    return Attempt(False, f"{path} does not run: {complaint or output[:LONGEST_COMPLAINT] or code}"), None


def _run(command: Sequence[str]) -> tuple[int | None, str, str]:
    """Exit code, output and complaint of a program; the code is None where it did not run or end in time."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return None, "", f"no answer within {DEADLINE_S:g} s"
    except OSError as error:
        return None, "", error.strerror or str(error)
    complaint = " ".join(done.stderr.decode("utf-8", "replace").split())[:LONGEST_COMPLAINT]
    return done.returncode, done.stdout.decode("utf-8", "replace"), complaint


def _read_cgroup_facts(pid: int) -> CgroupFacts | None:
    place = find_cgroup(pid)
    if place is None:
        return None
    memory = read_cgroup(place)
    return CgroupFacts(version=place.version, limit_bytes=memory.limit_bytes, oom_kill=memory.oom_kill)
