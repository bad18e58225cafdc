"""A few of the many kills of `make faults`."""

from __future__ import annotations

import pytest

from tests.faults.sigkill import kill_at_random

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_the_server_does_not_notice_that_gtdiag_was_killed() -> None:
    outcome = kill_at_random(16, jobs=2, seed=7)
    assert outcome.found == []
    assert outcome.kills == 16
    assert outcome.seen["events recorded"] > 0
