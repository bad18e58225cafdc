"""Makes a cgroup of version 1 for a test's own processes, where the test may; removes it in the end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


@contextlib.contextmanager
def own_cgroup(controller: str, limits: Mapping[str, str]) -> Iterator[Path]:
    """A new cgroup with limits (file name to content) below the controller's root; skips where it cannot be made."""
    folder = Path("/sys/fs/cgroup") / controller / f"gtdiag-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup of version 1 can be made here: {error}")
    try:
        for name, value in limits.items():
            (folder / name).write_text(value)
        yield folder
    finally:
        for _ in range(50):  # the processes in it are gone, but the kernel may take a moment to see it
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)


def command_in(folder: Path, program: Path) -> list[str]:
    """A command that joins the cgroup and then becomes the program."""
    return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$0" "$@"', os.fspath(program)]
