"""The quick ones of the faults that `python -m tests.faults.storms` makes; each says what was wrong, in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.environments import NEWEST
from tests.faults.fork_storm import deaths
from tests.faults.full_disk import disk
from tests.faults.measured import CannotTryError
from tests.faults.pid_reuse import pid_reuse
from tests.faults.stepping_clock import clock_forward, set_clock

pytestmark = [pytest.mark.live, pytest.mark.slow]


def clock_back() -> list[str]:
    return set_clock(NEWEST, -3600)


@pytest.mark.parametrize(
    "fault", [deaths, disk, pid_reuse, clock_back, clock_forward], ids=lambda fault: fault.__name__
)
def test_nothing_is_found(fault: Callable[[], list[str]]) -> None:
    try:
        assert fault() == []
    except CannotTryError as error:
        pytest.skip(str(error))
