"""When a virtual environment of the tests can be used as it is."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from tests.environments import is_complete


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is built there")
def test_an_environment_that_was_moved_is_not_complete(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    venv.create(here, with_pip=False, symlinks=True)
    assert not is_complete(here)
    (here / "complete").touch()
    assert is_complete(here)
    here.rename(elsewhere)
    assert not is_complete(elsewhere) and not is_complete(here)
