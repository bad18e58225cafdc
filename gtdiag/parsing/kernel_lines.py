"""Kernel log lines (dmesg, journal, syslog) about an out-of-memory kill to what they say, Linux 2.6 to 6."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PREFIX = re.compile(
    r"(?:\[ *\d+\.\d+\] |<\d>|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] |kern +:\w+ +: )*"
)

_KILL = re.compile(
    # before 4.20: "Out of memory: Kill process N (name) score S or sacrifice child", then "Killed process N (name) ..."
    # since: "Out of memory: Killed process N (name) ...", "Memory cgroup out of memory: Killed process N (name) ..."
    r"(?P<cause>(?:Memory cgroup o|O)ut of memory(?: \([^)]*\))?: )?Kill(?:ed)? process (?P<pid>\d{1,10})"
    # 2.6.32 and its kin put "UID N," between pid and name
    r"(?:(?:, UID \d+,)? \((?P<process>[^)]*)\))?,?(?P<rest>.*)"
)
_SUMMARY = re.compile(
    # since 4.19: "oom-kill:constraint=CONSTRAINT_MEMCG,...,task=NAME,pid=N,uid=U"
    r"oom-kill:constraint=(?P<constraint>\w+),.*?task=(?P<process>[^,]*),pid=(?P<pid>\d{1,10}).*"
)
_REAPED = re.compile(r"oom_reaper: reaped process (?P<pid>\d{1,10}) \((?P<process>[^)]*)\).*")
_MOST_WORDING = 160

MARK = re.compile("Kill|oom")
"""Each line about a kill holds one of these; most lines of a log hold neither."""


@dataclass(frozen=True, slots=True)
class OomKill:
    """A process that the kernel killed for memory. `pid` is the host's, in a container not the one gunicorn knows."""

    pid: int
    process: str | None
    cgroup: bool
    wording: str


def parse_oom_line(text: str) -> OomKill | None:
    """A kernel line about an out-of-memory kill, with or without the kernel's own stamp; None for any other line."""
    text = text.lstrip(" ")
    body = text[match.end() :] if (match := _PREFIX.match(text)) else text
    wording = body[:_MOST_WORDING]
    if (summary := _SUMMARY.fullmatch(body)) is not None:
        cgroup = summary["constraint"] == "CONSTRAINT_MEMCG"
        return OomKill(int(summary["pid"]), summary["process"] or None, cgroup, wording)
    if (kill := _KILL.fullmatch(body)) is not None:
        # Without its cause the line must carry the kernel's memory figures: others kill processes, too.
        if kill["cause"] is None and "-vm:" not in kill["rest"]:
            return None
        return OomKill(int(kill["pid"]), kill["process"], (kill["cause"] or "").startswith("Memory cgroup"), wording)
    if (reaped := _REAPED.fullmatch(body)) is not None:
        return OomKill(int(reaped["pid"]), reaped["process"], False, wording)
    return None
