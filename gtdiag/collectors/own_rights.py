"""gtdiag's own process to what the kernel lets it do: user, capabilities, seccomp, user namespace; the /proc mount."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

from gtdiag.model.observability import Attempt, OwnFacts

CAPABILITY_BITS = {"DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "SYSLOG": 34}
"""linux/capability.h. Those that decide what may be read of other processes, files and the kernel's log."""

WHOLE_ID_RANGE = (0, 0, 4294967295)
"""/proc/self/uid_map of the initial user namespace (user_namespaces(7))."""

HIDEPID_WORDS = {"0": "off", "1": "noaccess", "2": "invisible", "4": "ptraceable"}
"""Linux 5.8 and later show the words, older kernels the numbers (proc(5))."""
HIDEPID = re.compile(r"\bhidepid=(\w+)")


UNMAPPED_ADDRESS = 4096
"""Below vm.mmap_min_addr (65536 by default), so no process has anything there."""


class _Span(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def collect_own_facts() -> OwnFacts:
    """Look at gtdiag's own process."""
    mask = read_status_field("self", "CapEff")
    seccomp = read_status_field("self", "Seccomp")
    return OwnFacts(
        user_id=os.geteuid(),
        capabilities=None if mask is None else parse_capabilities(mask),
        seccomp=int(seccomp) if seccomp is not None and seccomp.isdigit() else None,
        vm_read=_try_own_vm_read(),
        host_users=_has_whole_id_range(),
    )


def parse_capabilities(mask: str) -> frozenset[str]:
    """A mask of /proc/PID/status to the names of the capabilities that matter here."""
    bits = int(mask, 16)
    return frozenset(name for name, bit in CAPABILITY_BITS.items() if bits >> bit & 1)


def read_status_field(pid: int | str, name: str) -> str | None:
    """A field of /proc/PID/status, None where there is none."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            field, _, value = line.partition(":")
            if field == name:
                return value.strip()
    except OSError:
        pass
    return None


def try_vm_read(pid: int) -> None:
    """Ask process_vm_readv(2), which py-spy uses, for an address where nothing is: EFAULT means "you may"."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "process_vm_readv"):
        raise OSError(0, "this C library has no process_vm_readv")
    buffer = ctypes.create_string_buffer(1)
    here = _Span(ctypes.cast(buffer, ctypes.c_void_p), 1)
    there = _Span(UNMAPPED_ADDRESS, 1)
    one = ctypes.c_ulong(1)
    done = libc.process_vm_readv(
        ctypes.c_int(pid), ctypes.byref(here), one, ctypes.byref(there), one, ctypes.c_ulong(0)
    )
    number = ctypes.get_errno()
    if done < 0 and number != errno.EFAULT:
        raise OSError(number, os.strerror(number))


def read_hidepid() -> str | None:
    """The hidepid option of the /proc that is seen here; "off" where the mount has none."""
    try:
        return parse_hidepid(Path("/proc/self/mountinfo").read_text(errors="replace"))
    except OSError:
        return None


def parse_hidepid(mounts: str) -> str | None:
    """Find the option in a mountinfo table: the mount on /proc that came last is the one that is seen."""
    found = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) > 4 and fields[4] == "/proc" and kind[:1] == ["proc"]:
            option = HIDEPID.search(after)
            found = HIDEPID_WORDS.get(option[1], option[1]) if option else "off"
    return found


def _try_own_vm_read() -> Attempt:
    try:
        try_vm_read(os.getpid())
    except OSError as error:
        return Attempt(False, error.strerror or str(error))
    return Attempt(True)


def _has_whole_id_range() -> bool | None:
    try:
        words = Path("/proc/self/uid_map").read_text().split()
        return tuple(int(word) for word in words) == WHOLE_ID_RANGE
    except (OSError, ValueError):
        return None
