"""Turns what this machine permits into skips with a reason: tests marked `live` read other processes' memory."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import Environment, standard_environment

_YAMA_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


@functools.cache
def why_no_live_tests() -> str | None:
    """Why tests with real gunicorn cannot run here, with the command that would change it; None when they can."""
    if not sys.platform.startswith("linux"):
        return "live tests read /proc: Linux only"
    # A sibling is what gtdiag reads in these tests (both are children of pytest), and what Yama's scope 1 forbids.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as sibling:
        read = f"import os; os.close(os.open('/proc/{sibling.pid}/mem', os.O_RDONLY))"
        allowed = subprocess.run([sys.executable, "-c", read], capture_output=True, check=False).returncode == 0
        sibling.communicate(b"\n")
    if allowed:
        return None
    scope = _YAMA_SCOPE.read_text().strip() if _YAMA_SCOPE.exists() else "0"
    if scope != "0":
        return f"ptrace is not permitted ({_YAMA_SCOPE} is {scope}): sudo sysctl kernel.yama.ptrace_scope=0"
    return "ptrace is not permitted: run the tests as root, or give the container --cap-add=SYS_PTRACE"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip every test marked `live` where it cannot tell anything."""
    live = [item for item in items if item.get_closest_marker("live")]
    if live and not config.option.collectonly and (reason := why_no_live_tests()):
        for item in live:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def newest_environment() -> Environment:
    """gunicorn 27 and everything the applications of tests/live need."""
    return standard_environment()


@pytest.fixture(scope="session")
def environment_21() -> Environment:
    """gunicorn 21.2.0, the last line that kills a worker hanging in start-up, and everything the applications need."""
    return standard_environment("21.2.0")
