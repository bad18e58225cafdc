"""Names for well-known ports and sockets, and the meaning of the kernel functions of waits: data of `services.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gtdiag.model.report import Category
from gtdiag.rules.toml_data import read_toml


@dataclass(frozen=True, slots=True)
class Service:
    """What usually answers on a port."""

    name: str
    category: Category


@cache
def _services() -> dict[int, Service]:
    return {
        int(port): Service(entry["service"], Category(entry["category"]))
        for port, entry in read_toml("services.toml")["ports"].items()
    }


@cache
def _kernel_waits() -> tuple[tuple[str, str], ...]:
    entries = read_toml("services.toml")["kernel_waits"].items()
    return tuple(sorted(entries, key=lambda entry: -len(entry[0])))  # the longest prefix decides


@cache
def _unix_services() -> tuple[tuple[str, Service], ...]:
    entries = read_toml("services.toml")["unix_sockets"].items()
    return tuple((part, Service(entry["service"], Category(entry["category"]))) for part, entry in entries)


@cache
def _process_services() -> dict[str, Service]:
    entries = read_toml("services.toml")["processes"].items()
    return {name: Service(entry["service"], Category(entry["category"])) for name, entry in entries}


def unix_service_part(path: str) -> str | None:
    """The part of a unix socket's path that tells its service ("redis"); None for one that tells nothing."""
    return next((part for part, _ in _unix_services() if part in path), None)


def match_peer(peer: str | None, process_name: str | None) -> Service | None:
    """The service of a peer: by the process at the other end where that is known, else by its address."""
    return _process_services().get(process_name or "") or match_service(peer)


def match_service(peer: str | None) -> Service | None:
    """The service of a peer by its port ("10.0.3.7:5432") or its path; None for one that is not well known."""
    if peer and peer.startswith(("/", "@")):
        return next((service for part, service in _unix_services() if part in peer), None)
    port = (peer or "").rpartition(":")[2]
    return _services().get(int(port)) if port.isdecimal() else None


@cache
def _files() -> tuple[tuple[str, Category], ...]:
    return tuple((suffix, Category(name)) for suffix, name in read_toml("services.toml")["files"].items())


def match_file(path: str | None) -> Category | None:
    """What a file is read for, by the end of its name ("model.pkl"); None for one that tells nothing."""
    name = (path or "").lower()
    return next((category for suffix, category in _files() if name.endswith(suffix)), None)


def match_kernel_wait(kernel_function: str | None) -> str | None:
    """The kind of wait of a kernel function or system call: sleep, lock, child, file_lock, socket, poll, pipe, disk."""
    if not kernel_function:
        return None
    name = kernel_function.removeprefix("__")
    return next((kind for prefix, kind in _kernel_waits() if name.startswith(prefix)), None)
