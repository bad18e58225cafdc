"""What a cell's application uses on this machine and finds in a bad state: files, a name server, a memory cgroup.

Each is a context manager that yields an Address, as those of servers.py; for a file or folder `host` is its path.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.live.servers import Address
from tests.scenarios.cell_environments import NotRunError
from tests.scenarios.fuse import fuse_file

MEMORY_LIMIT_BYTES = 200 << 20


@contextlib.contextmanager
def mute_resolver() -> Iterator[Address]:
    """A name server that takes every question and answers none. Port 53 and a mount namespace are root's."""
    _only_root("a name server of its own")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        for last in range(1, 255):
            with contextlib.suppress(OSError):
                listener.bind((f"127.0.53.{last}", 53))
                yield Address(53, f"127.0.53.{last}")
                return
    raise NotRunError("no address of 127.0.53.0/24 has port 53 free")


@contextlib.contextmanager
def fifo() -> Iterator[Address]:
    """A FIFO that nobody opens for writing."""
    with tempfile.TemporaryDirectory(prefix="fifo-") as folder:
        path = Path(folder) / "settings.toml"
        os.mkfifo(path)
        yield Address(0, str(path))


@contextlib.contextmanager
def fed_fifo() -> Iterator[Address]:
    """A FIFO through which a pickled model comes: its beginning, then one byte a second."""
    with tempfile.TemporaryDirectory(prefix="fifo-") as folder:
        path = Path(folder) / "model.pkl"
        os.mkfifo(path)
        # Open for both, so that neither side's opening or closing ends it.
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        stop = threading.Event()

        def feed() -> None:
            os.write(descriptor, pickle.dumps(b"x" * 10_000_000)[:1000])
            while not stop.wait(1):
                with contextlib.suppress(BlockingIOError):
                    os.write(descriptor, b"x")

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield Address(0, str(path))
        finally:
            stop.set()
            feeder.join(10)
            os.close(descriptor)


@contextlib.contextmanager
def stuck_model() -> Iterator[Address]:
    """A file of numpy on a mounted filesystem whose server answers one read and then nothing more."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000,), }".ljust(117) + b"\n"
    yield from _stuck("model.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(1000))


@contextlib.contextmanager
def stuck_pickle() -> Iterator[Address]:
    """A pickle on a mounted filesystem whose server answers one read and then nothing more."""
    yield from _stuck("model.pkl", pickle.dumps(b"x" * 10_000_000))


def _stuck(name: str, content: bytes) -> Iterator[Address]:
    _only_root("a mounted filesystem")
    if not Path("/dev/fuse").exists():
        raise NotRunError("no /dev/fuse here")
    with tempfile.TemporaryDirectory(prefix="mount-") as folder, fuse_file(folder, name, content, 80_000_000):
        yield Address(0, f"{folder}/{name}")


@contextlib.contextmanager
def deep_package() -> Iterator[Address]:
    """A folder with an installed package of thousands of modules, ten packages deep, none of them compiled yet."""
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        libraries = Path(folder) / "site-packages"
        package = libraries / "shop_sdk"
        source = "".join(f"def call_{n}(a, b):\n    return [a + b * i for i in range({n})]\n" for n in range(300))
        for depth in range(10):
            package.mkdir(parents=True)
            modules = [f"part_{number}" for number in range(150)]
            for module in modules:
                (package / f"{module}.py").write_text(source)
            names = [*modules, *(["inner"] if depth < 9 else [])]
            (package / "__init__.py").write_text("".join(f"from . import {name}\n" for name in names))
            package = package / "inner"
        yield Address(0, str(libraries))


@contextlib.contextmanager
def memory_cgroup() -> Iterator[Address]:
    """A cgroup (version 1) with a limit of memory; processes join it through the file `cgroup.procs`."""
    _only_root("a memory cgroup")
    root = Path("/sys/fs/cgroup/memory")
    if not (root / "cgroup.procs").exists():
        raise NotRunError("no memory controller of cgroup version 1 here")
    folder = Path(tempfile.mkdtemp(prefix="scenario-", dir=root))
    try:
        (folder / "memory.limit_in_bytes").write_text(str(MEMORY_LIMIT_BYTES))
        yield Address(0, str(folder))
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(pid)
        folder.rmdir()


def _only_root(what: str) -> None:
    if os.geteuid() != 0:
        raise NotRunError(f"{what} needs root")


PLACES = {
    made.__name__: made
    for made in (mute_resolver, fifo, fed_fifo, stuck_model, stuck_pickle, deep_package, memory_cgroup)
}
