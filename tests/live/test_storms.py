"""The quick ones of the faults that `python -m tests.faults.storms` makes; each says what was wrong, in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.environments import NEWEST
from tests.faults.fork_storm import deaths
from tests.faults.full_disk import disk
from tests.faults.measured import CannotTryError
from tests.faults.pid_reuse import pid_reuse
from tests.faults.stepping_clock import set_clock

pytestmark = [pytest.mark.live, pytest.mark.slow]

FAULTS: dict[str, Callable[[], list[str]]] = {
    "workers that die as they boot": lambda: deaths(10),
    "a full disk": lambda: disk(("html",)),
    "a pid that another worker gets": lambda: pid_reuse("worker"),
    "a pid that another process gets": lambda: pid_reuse("process"),
    "a clock that is set back": lambda: set_clock(NEWEST, -3600, watch_s=9),
    "a clock that is set forward": lambda: set_clock(NEWEST, 3600, watch_s=9),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_nothing_is_found(fault: Callable[[], list[str]]) -> None:
    try:
        assert fault() == []
    except CannotTryError as error:
        pytest.skip(str(error))
