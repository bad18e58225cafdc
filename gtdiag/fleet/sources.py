"""The files that were found to sources: which are of one host, by their names alone, and what the host is called.

No file is opened here: of thousands, that is the work of those who analyze them. They check what the names say against
the times in the files (`gtdiag.collectors.log_sources`).
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from gtdiag.collectors.log_names import LogName, parse_log_name
from gtdiag.collectors.log_search import FoundFile
from gtdiag.collectors.log_sources import SHORT_ID, name_replicas
from gtdiag.collectors.remote_files import is_url
from gtdiag.fleet.work import SourceFiles

_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""Kubernetes makes the ends of names of these (k8s.io/apimachinery, util/rand)."""
_REPLICA_SET_POD = re.compile(rf"(?P<deployment>.+?)-{_SAFE}{{6,10}}-{_SAFE}{{5}}$")
_STATEFUL_POD = re.compile(r"(?P<deployment>.+?)-\d{1,4}$")
_RECORDING = re.compile(r"\.jsonl(?:\.gz|\.zst)?$", re.IGNORECASE)

Replica = tuple[str, ...]


def group_sources(found: Sequence[FoundFile]) -> list[SourceFiles]:
    """The sources that the files are, in the order of their names; the same for any order of the files."""
    says = {file.path: parse_log_name(file.path) for file in found}
    logs = {said.log for said in says.values() if not said.needs_log}
    members: dict[Replica, list[FoundFile]] = defaultdict(list)
    for file in sorted(found, key=lambda one: one.path):
        said = says[file.path]
        alone = (said.needs_log and said.log not in logs) or _RECORDING.search(file.path) is not None
        members[PurePath(file.path).parts if alone else said.replica].append(file)
    names = name_replicas({replica: _known_as(says[files[-1].path]) for replica, files in members.items()})
    sources = [
        _source_of(files, *_place(names[replica] or _last_part(replica), says[files[-1].path]))
        for replica, files in members.items()
    ]
    return sorted(sources, key=lambda source: source.key)


def _source_of(files: Sequence[FoundFile], host: str, deployment: str | None) -> SourceFiles:
    return SourceFiles(
        key=files[0].path,
        host=host,
        files=tuple(file.path for file in files),
        deployment=deployment,
        size_bytes=sum(_size_of(file) for file in files),
    )


def _place(name: str, said: LogName) -> tuple[str, str | None]:
    """Host and deployment of a replica, by its name: Kubernetes' pods, or the folder that hosts are grouped in."""
    name = _RECORDING.sub("", name)
    if said.known_as.count("/") == 2:
        namespace, pod, _container = said.known_as.split("/")
        found = _REPLICA_SET_POD.match(pod) or _STATEFUL_POD.match(pod)
        return pod, f"{namespace}/{found['deployment'] if found else pod}"
    found = _REPLICA_SET_POD.match(name)
    if found is not None:
        return name, found["deployment"]
    group, slash, host = name.rpartition("/")
    return (host, group) if slash and group else (name, None)


def _known_as(said: LogName) -> str:
    return said.known_as if "/" in said.known_as else said.known_as[:SHORT_ID]


def _last_part(replica: Replica) -> str:
    return next((part for part in reversed(replica) if part), "log")


def _size_of(file: FoundFile) -> int:
    if file.size_bytes is not None or is_url(file.path):
        return file.size_bytes or 0
    with contextlib.suppress(OSError, ValueError):
        return Path(file.path).stat().st_size
    return 0
