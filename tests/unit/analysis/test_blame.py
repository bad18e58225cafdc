"""Many looks to one blame: which call is named when a worker was seen in several, for how long, how sure."""

from __future__ import annotations

import pytest

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.look import Look
from gtdiag.model.report import Blocked, Category, Confidence, How, Owner, StackFrame, WaitingOn
from tests.unit.analysis.story import moment


def look(
    call: str, category: Category, *outer: str, peer: str | None = None, sure: Confidence = Confidence.HIGH
) -> Look:
    path = (*outer, call)
    return Look(
        category=category,
        call=call,
        file="/srv/app/main.py",
        line=1,
        path=path,
        library="lib",
        library_call="call",
        waiting_on=WaitingOn("socket", peer),
        how=How.THREAD,
        stack=tuple(StackFrame(name, "/srv/app/main.py", 1, Owner.APP) for name in path),
        rule=None,
        confidence=sure,
    )


IMPORT = look("<module>", Category.IMPORT)
DATABASE = look("migrate", Category.DATABASE, "lifespan")
ROUTES = [look(f"routes_{n}", Category.ROUTER, "lifespan", "configure_routers") for n in range(4)]


def blame(*looks: tuple[float, Look | None], end: float | None = None) -> Blocked | None:
    tally = BlameTally()
    for at, seen in looks:
        tally.add(seen, moment(at))
    return tally.conclude(moment(end))


def test_one_call_all_the_time() -> None:
    blocked = blame(*((at, DATABASE) for at in range(1, 28)), end=30)
    assert blocked is not None
    assert (blocked.call, blocked.seconds, blocked.share, blocked.samples) == ("migrate", 29.0, 1.0, 27)
    assert blocked.confidence is Confidence.HIGH


def test_a_wait_at_last_outranks_the_import_before_it() -> None:
    blocked = blame(*((at, IMPORT) for at in range(20)), *((at, DATABASE) for at in range(20, 29)), end=30)
    assert blocked is not None
    assert (blocked.call, blocked.category) == ("migrate", Category.DATABASE)
    assert blocked.share is not None and 0.3 < blocked.share < 0.4


def test_a_single_last_look_does_not() -> None:
    blocked = blame(*((at, IMPORT) for at in range(29)), (29.0, DATABASE), end=30)
    assert blocked is not None and blocked.category is Category.IMPORT


def test_many_functions_of_one_router_set_up_are_named_by_what_called_them() -> None:
    blocked = blame(*((float(at), ROUTES[at % 4]) for at in range(20)), end=20)
    assert blocked is not None
    assert (blocked.call, blocked.category) == ("configure_routers", Category.ROUTER)
    assert blocked.path == ("lifespan", "configure_routers")
    assert blocked.confidence is Confidence.HIGH


def test_computing_at_last_counts_when_it_took_a_good_part() -> None:
    half = blame(*((at, IMPORT) for at in range(10)), *((10.0 + n, ROUTES[n % 4]) for n in range(8)), end=18)
    assert half is not None and half.category is Category.ROUTER
    straw = blame(*((at, IMPORT) for at in range(16)), *((16.0 + n, ROUTES[n % 4]) for n in range(3)), end=19)
    assert straw is not None and straw.category is Category.IMPORT


def test_nothing_dominant_is_less_sure() -> None:
    calls = [look(f"f{n}", Category.CPU) for n in range(3)] + [look("g", Category.HTTP), look("h", Category.DNS)]
    blocked = blame(*((float(at), calls[at % 5]) for at in range(20)), end=20)
    assert blocked is not None and blocked.confidence is not Confidence.HIGH


@pytest.mark.parametrize(("peer", "confidence"), [(None, Confidence.MEDIUM), ("10.0.0.5:5432", Confidence.HIGH)])
def test_one_look_is_sure_only_when_the_socket_agrees(peer: str | None, confidence: Confidence) -> None:
    blocked = blame((1.0, look("migrate", Category.DATABASE, peer=peer)))
    assert blocked is not None
    assert blocked.confidence is confidence
    assert blocked.seconds is None and blocked.share is None


def test_looks_that_saw_nothing_are_no_blame() -> None:
    assert blame((1.0, None), (2.0, None), end=3) is None
    assert blame() is None


def test_memory_does_not_grow_with_looks() -> None:
    tally = BlameTally()
    for number in range(1000):
        tally.add(look(f"f{number}", Category.CPU), moment(number))
    assert len(tally._calls) <= 64
    assert len(tally._run) <= 64
    assert tally.conclude(moment(1000)) is not None
