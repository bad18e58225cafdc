"""Log files to sources: which files are one log through its rotations, in which order, and which are of one replica.

Pids say nothing across files (in a container, every master is pid 1 or 7), so files are of different replicas unless
their names say otherwise. What the names say of rotations is checked against the times in the files: parts of one log
follow each other, logs of servers that ran side by side do not.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePath
from typing import IO

from gtdiag.collectors.log_direction import Direction
from gtdiag.collectors.log_names import LogName, parse_log_name
from gtdiag.collectors.log_search import STANDARD_INPUT, FoundFile
from gtdiag.collectors.opened_log import OpenedLog, find_end_of_file, open_and_look
from gtdiag.errors import LogReadError
from gtdiag.model.identity import LogSource

KEPT_OPEN = 8
"""Files that stay open between the first look and the reading; of more, each is opened twice."""

OVERLAP_S = 10.0
"""Parts of one log may overlap by this: several writers, lines that copytruncate copies late."""

SHORT_ID = 12
"""Characters of a container's id that docker shows."""


@dataclass(slots=True)
class SurveyedFile:
    """A file that was looked at. `begin`: the time of its oldest line, `end`: of its newest, where that is known.

    `opened`: it, where it still is. `digest`: of its first bytes.
    """

    path: str
    says: LogName
    begin: datetime | None
    end: datetime | None
    direction: Direction
    newest: datetime
    digest: bytes
    regular: bool
    opened: OpenedLog | None


@dataclass(frozen=True, slots=True)
class Survey:
    """The files that can be read, and in words why others cannot."""

    files: dict[str, SurveyedFile]
    problems: tuple[str, ...] = ()


def survey_logs(found: Sequence[FoundFile], stdin: IO[bytes] | None = None) -> Survey:
    """Look at the head of each file.

    Raises LogReadError for a named file that cannot be read, and where not one can be.
    """
    files: dict[str, SurveyedFile] = {}
    problems: list[tuple[str, str]] = []
    for file in found:
        if file.problem:
            problems.append((file.problem, "run as a user that may read it"))
            continue
        try:
            opened = open_and_look(file.path, stdin)
        except LogReadError as error:
            if file.named:
                raise
            problems.append((error.message, error.hint))
            continue
        files[file.path] = _surveyed(opened, keep=len(found) <= KEPT_OPEN)
    if problems and not files:
        raise LogReadError(problems[0][0], problems[0][1])
    return Survey(files, tuple(why for why, _ in problems))


def _surveyed(opened: OpenedLog, *, keep: bool) -> SurveyedFile:
    regular = opened.path != STANDARD_INPUT and Path(opened.path).is_file()
    first = opened.first.at if opened.first is not None else None
    forward = opened.direction is Direction.OLDEST_FIRST
    return SurveyedFile(
        path=opened.path,
        says=parse_log_name("standard input" if opened.path == STANDARD_INPUT else opened.path),
        begin=first if forward else None,
        end=None if forward else first,
        direction=opened.direction,
        newest=opened.newest,
        digest=hashlib.blake2b(opened.head, digest_size=16).digest() if opened.head else b"",
        regular=regular,
        opened=opened if keep or not regular else None,
    )


def group_logs(files: Iterable[SurveyedFile], *, one_server: bool = False) -> tuple[LogSource, ...]:
    """The sources that the files are, the oldest first; the same for any order of the files.

    `one_server`: the user says that one gunicorn wrote them all.
    """
    logs = _group_by_name(sorted(files, key=lambda file: file.path))
    parts: list[tuple[tuple[str, ...], str, list[SurveyedFile]]] = []
    for members in logs.values():
        ordered = _put_in_order(_without_copies(members))
        if ordered is not None:
            parts.append((ordered[-1].says.replica, _known_as(ordered[-1]), ordered))
        else:
            # Not one log through its rotations, whatever the names say: each is a replica of its own.
            parts += [(_own_replica(file.path), "", [file]) for file in members]
    names = name_replicas({replica: known for replica, known, _ in parts})
    sources = [
        (_begin_of(members), LogSource("" if one_server else names[replica], tuple(file.path for file in members)))
        for replica, _, members in parts
    ]
    return tuple(source for _, source in sorted(sources, key=lambda one: (one[0], one[1].replica, one[1].files)))


# --- rotations ---


def _group_by_name(files: Sequence[SurveyedFile]) -> dict[str, list[SurveyedFile]]:
    whole = {file.says.log for file in files if not file.says.needs_log}
    logs: dict[str, list[SurveyedFile]] = defaultdict(list)
    for file in files:
        alone = file.says.needs_log and file.says.log not in whole
        logs[file.path if alone else file.says.log].append(file)
    return logs


def _without_copies(files: list[SurveyedFile]) -> list[SurveyedFile]:
    """Without the compressed copy of a part that is there as it was, too (`gzip -k`)."""
    kept: dict[object, SurveyedFile] = {}
    for file in files:
        kept.setdefault((file.says.age, file.digest), file)
    return list(kept.values())


def _put_in_order(files: list[SurveyedFile]) -> list[SurveyedFile] | None:
    """The parts of one log, the oldest first; None where the times in them say that they are not."""
    by_name = sorted(files, key=lambda file: (file.says.age, file.path))
    if len(files) == 1:
        return files
    for file in files:
        if file.begin is None and file.direction is not Direction.OLDEST_FIRST:
            file.begin = find_end_of_file(file.path, file.newest, whole=True)
    timed = [(file.begin, file) for file in by_name if file.begin is not None]
    # By name where one has no time: it is empty, or begins within a traceback. What the others say must still hold.
    by_time = [file for _, file in sorted(timed, key=lambda one: one[0])]
    ordered = by_time if len(timed) == len(files) else by_name
    rank = {id(file): at for at, file in enumerate(by_name)}
    known = [file for file in ordered if file.begin is not None]
    for earlier, later in pairwise(known):
        assert later.begin is not None
        end = _end_of(earlier)
        if end is None:
            if rank[id(earlier)] > rank[id(later)]:
                return None
        elif end > later.begin + timedelta(seconds=OVERLAP_S):
            return None
    return ordered


def _end_of(file: SurveyedFile) -> datetime | None:
    """The time of the newest line. Of a compressed file it is read only where its name alone is no proof."""
    if file.end is None and file.regular:
        file.end = find_end_of_file(file.path, file.newest, whole=file.says.unsure)
    return file.end


def _begin_of(files: Sequence[SurveyedFile]) -> datetime:
    return min((file.begin for file in files if file.begin is not None), default=files[0].newest)


# --- replicas ---


def _own_replica(path: str) -> tuple[str, ...]:
    return PurePath(path).parts


def name_replicas(replicas: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    """What each replica is called: as little of its path as tells it from the others; its own name where it has one."""
    named = {replica: known for replica, known in replicas.items() if known}
    unnamed = [replica for replica in replicas if replica not in named]
    if len(replicas) == 1 and unnamed:
        return {unnamed[0]: ""}
    front, back = _shared_ends(unnamed)
    for replica in unnamed:
        middle = replica[front : len(replica) - back]
        named[replica] = "/".join(part for part in middle if part != "/").strip("/") or _last_part(replica)
    counts: dict[str, int] = defaultdict(int)
    for name in named.values():
        counts[name] += 1
    return {
        replica: name if counts[name] == 1 else "/".join(replica).replace("//", "/") for replica, name in named.items()
    }


def _shared_ends(replicas: Sequence[tuple[str, ...]]) -> tuple[int, int]:
    """How many components at the front, and at the back, all of them share; at least one is left to each."""
    if len(replicas) < 2:
        return (len(replicas[0]) - 1 if replicas else 0), 0
    shortest = min(len(replica) for replica in replicas)
    front = 0
    while front < shortest - 1 and len({replica[front] for replica in replicas}) == 1:
        front += 1
    back = 0
    while back < shortest - front - 1 and len({replica[-1 - back] for replica in replicas}) == 1:
        back += 1
    return front, back


def _last_part(replica: tuple[str, ...]) -> str:
    return next((part for part in reversed(replica) if part), "log")


def _known_as(file: SurveyedFile) -> str:
    """The pod and container in its path; for docker's files the container's name, or its id as docker shortens it."""
    known = file.says.known_as
    if "/" in known or not known:
        return known
    try:
        # Beside the log in docker's own folder; what is saved elsewhere has only the id.
        settings = json.loads((Path(file.path).parent / "config.v2.json").read_bytes())
        name = settings["Name"].strip("/")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        name = ""
    return str(name) or known[:SHORT_ID]
