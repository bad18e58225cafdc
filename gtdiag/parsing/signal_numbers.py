"""A signal number to its name, as Linux numbers them (signal(7)); such logs are read on any platform."""

from __future__ import annotations

_NAMES = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}

CORE_DUMP_BIT = 0x80
"""Set in a raw wait status when a core was dumped (wait(2)); gunicorn 21 to 23 print that ("was sent code 134!")."""


def parse_signal_number(number: int) -> str:
    """The name of a signal, or "signal N" for one without a name (the real-time signals)."""
    return _NAMES.get(number, f"signal {number}")


def parse_wait_status(status: int) -> tuple[str, bool]:
    """A raw wait status of a process that died of a signal: the signal's name, and whether a core was dumped."""
    return parse_signal_number(status & 0x7F), bool(status & CORE_DUMP_BIT)
