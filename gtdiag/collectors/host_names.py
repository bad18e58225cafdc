"""The hosts file that a process itself sees (its own root directory) to names for the addresses of its peers."""

from __future__ import annotations

import ipaddress

from gtdiag.foreign_files import read_foreign
from gtdiag.gunicorn.process_root import path_in_root

LONGEST_BYTES = 256 * 1024


def read_host_names(pid: int) -> dict[str, str]:
    """Address to name by the process's /etc/hosts; empty where it cannot be read."""
    try:
        return parse_hosts(read_foreign(path_in_root(pid, "/etc/hosts"), LONGEST_BYTES).decode("utf-8", "replace"))
    except OSError:
        return {}


def parse_hosts(text: str) -> dict[str, str]:
    """Parse hosts(5): the first name of each address; loopback is left out, as its name says nothing."""
    names: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        try:
            address = ipaddress.ip_address(words[0])
        except ValueError:
            continue
        if not address.is_loopback:
            names.setdefault(str(address), words[1])
    return names


def name_of(peer: str | None, names: dict[str, str]) -> str | None:
    """The name of a peer ("10.0.3.7:5432", "[fd00::7]:5432"); None for one that has none."""
    return names.get((peer or "").rpartition(":")[0].strip("[]")) if peer else None
