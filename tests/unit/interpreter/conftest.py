"""Runs a test once for each CPython version that has a layout and is on this machine."""

from __future__ import annotations

import pytest

from gtdiag.interpreter.layout import known_versions

from .target_process import interpreters


@pytest.fixture(params=known_versions())
def python(request: pytest.FixtureRequest) -> str:
    """Path of an interpreter of each known version."""
    path = interpreters().get(request.param)
    if path is None:
        pytest.skip(f"no CPython {request.param} on this machine")
    return path
