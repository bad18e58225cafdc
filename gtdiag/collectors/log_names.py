"""A log file's path to what its name says: which log it is a part of, how old a part, and of which replica.

The names are those of logrotate (numbers, `dateext`), of Python's and other loggers' rotating files, of docker, of the
kubelet, and of multilog and svlogd. A name is a claim: `log_sources` checks it against the times in the files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

_COMPRESSION = re.compile(r"\.(?:gz|bz2|xz|zst|zstd|lzma)$", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:log|txt|out|err|jsonl?|ndjson)$", re.IGNORECASE)
_DATE = (
    r"(?P<year>(?:19|20)\d\d)-?(?P<month>0[1-9]|1[0-2])-?(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?P<clock>(?:[T_.-]?\d\d){3}(?:[._]\d{1,9})?Z?|(?:[T_.-]?\d\d){0,2})"
)
_DATED_END = re.compile(rf"[._-]{_DATE}$")
_DATED_STEM = re.compile(rf"(?:^|[._-]){_DATE}$")
_EPOCH_END = re.compile(r"[.-](?P<epoch>1\d{9})$")
_NUMBERED_END = re.compile(r"\.(?P<number>\d{1,4})$")
_KEPT_END = re.compile(r"\.(?:old|bak|prev)$", re.IGNORECASE)
_MULTILOG = re.compile(r"@(?P<tai>4[0-9a-f]{23})\.[stu]$")
_CONTAINER_ID = r"[0-9a-f]{64}"
_POD_FOLDER = re.compile(
    r"(?:^|/)(?P<namespace>[a-z0-9-]+)_(?P<pod>[a-z0-9.-]+)_[0-9a-f-]{32,36}/(?P<container>[\w.-]+)$"
)
_POD_FILE = re.compile(rf"(?P<pod>[a-z0-9.-]+)_(?P<namespace>[a-z0-9-]+)_(?P<container>[\w.-]+)-{_CONTAINER_ID}$")
_DOCKER_FILE = re.compile(rf"(?P<id>{_CONTAINER_ID})-json$")
_CHANNEL = re.compile(r"(?:^|(?<=[._-]))(?:errors?|err|access|stdout|stderr|out)(?=[._-]|$)", re.IGNORECASE)
_SUPERVISOR = re.compile(r"---[\w-]+-\w{6,10}$")
_KNOWN_NAMES = frozenset({"syslog", "messages", "kern", "kernel", "dmesg", "stdout", "stderr", "current", "daemon"})
_FOLDER_EXTENSIONS = frozenset({".log", ".out", ".err", ".jsonl", ".ndjson"})

_OLDEST, _NUMBERED, _KEPT, _CURRENT = range(4)

Age = tuple[int, int, str, int]
"""Sorts the parts of one log, the oldest first: restart of the container, kind of name, date, number (negative)."""


@dataclass(frozen=True, slots=True)
class LogName:
    """What a file's name says.

    `log`: the path of the log that the file is a part of; files with the same one are its rotations. `age`: see `Age`.
    `replica`: what the replica is called, as path components; logs with the same one are one server's. `known_as`: its
    name where the path holds one (Kubernetes, docker's container id). `needs_log`: it is a rotation only if the log
    itself is there too (`app.1.log`). `unsure`: no more than a number says so (`web.1` may as well be a process).
    """

    log: str
    age: Age
    replica: tuple[str, ...]
    known_as: str = ""
    needs_log: bool = False
    unsure: bool = False


def parse_log_name(path: str) -> LogName:
    """Read a path with `/` or the system's own separators; a relative one gives relative names."""
    parts = PurePath(path).parts
    folder, name = "/".join(parts[:-1]).replace("//", "/"), parts[-1] if parts else path
    stem = _without_compression(name)
    if (multilog := _MULTILOG.match(stem)) is not None or stem == "current":
        age: Age = (0, _CURRENT, "", 0) if multilog is None else (0, _OLDEST, multilog["tai"], 0)
        return LogName(_joined(folder, "current"), age, tuple(parts[:-1]))
    stem, kind, date, number = _take_rotation(stem)
    bare = _EXTENSION.sub("", stem)
    pod = _POD_FOLDER.search(folder)
    if pod is not None and bare.isdigit():
        known = f"{pod['namespace']}/{pod['pod']}/{pod['container']}"
        return LogName(folder, (int(bare), kind, date, number), (known,), known)
    if (pod := _POD_FILE.search(bare)) is not None:
        known = f"{pod['namespace']}/{pod['pod']}/{pod['container']}"
        return LogName(_joined(folder, stem), (0, kind, date, number), (known,), known)
    if (docker := _DOCKER_FILE.search(bare)) is not None:
        return LogName(_joined(folder, stem), (0, kind, date, number), (docker["id"],), docker["id"])
    replica = (*parts[:-1], _without_channel(bare))
    unsure = kind == _NUMBERED and "." not in stem and bare.lower() not in _KNOWN_NAMES
    needs_log = False
    if kind == _CURRENT and bare != stem:
        extension = stem[len(bare) :]
        if (dated := _DATED_STEM.search(bare)) is not None:
            bare, kind, date = bare[: dated.start()], _OLDEST, _date_of(dated)
        elif (numbered := _NUMBERED_END.search(bare)) is not None:
            log = _joined(folder, bare[: numbered.start()] + extension)
            return LogName(log, (0, _NUMBERED, "", -int(numbered["number"])), replica, needs_log=True)
        stem = bare + extension
        replica = (*parts[:-1], _without_channel(bare))
    return LogName(_joined(folder, stem), (0, kind, date, number), replica, "", needs_log, unsure)


def may_be_log(name: str) -> bool:
    """Whether a file of a folder is taken for a log, by its name: `*.log`, `.out`, `.err`, rotations, syslog..."""
    stem = _without_compression(name)
    if _MULTILOG.match(stem) is not None:
        return True
    stem = _take_rotation(stem)[0]
    return stem.lower() in _KNOWN_NAMES or PurePath(stem).suffix.lower() in _FOLDER_EXTENSIONS


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _without_compression(name: str) -> str:
    while (shorter := _COMPRESSION.sub("", name)) != name and shorter:
        name = shorter
    return name


def _take_rotation(stem: str) -> tuple[str, int, str, int]:
    """The name without what rotating put at its end, and that: kind, date, number."""
    kind, date, number = _CURRENT, "", 0
    for _ in range(3):
        if (dated := _DATED_END.search(stem)) is not None:
            kind, date, stem = _OLDEST, _date_of(dated), stem[: dated.start()]
        elif (epoch := _EPOCH_END.search(stem)) is not None:
            kind, date, stem = _OLDEST, epoch["epoch"], stem[: epoch.start()]
        elif (numbered := _NUMBERED_END.search(stem)) is not None:
            kind, number, stem = min(kind, _NUMBERED), -int(numbered["number"]), stem[: numbered.start()]
        elif (kept := _KEPT_END.search(stem)) is not None:
            kind, stem = min(kind, _KEPT), stem[: kept.start()]
        else:
            break
        if not stem:
            break
    return stem, kind, date, number


def _date_of(match: re.Match[str]) -> str:
    return match["year"] + match["month"] + match["day"] + re.sub(r"\D", "", match["clock"])


def _without_channel(bare: str) -> str:
    """Without the word that tells a server's error log from its access log, or its two standard outputs apart."""
    bare = _EXTENSION.sub("", _SUPERVISOR.sub("", bare))
    shorter = _CHANNEL.sub("", bare, count=1)
    return re.sub(r"[._-]{2,}", "-", shorter).strip("._-") if shorter != bare else bare
