"""What shares a browser, a terminal or a folder is run by one process of pytest-xdist."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("together")
def test_groups_are_heeded(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ or not request.config.getoption("loadgroup"):
        pytest.skip("not run with --dist loadgroup")
    assert request.node.nodeid.endswith("@together"), "this pytest and this pytest-xdist do not fit each other"
