"""How many descriptors a watch holds open to be cheaper, by what it may open."""

from __future__ import annotations

import resource

import pytest

from gtdiag.collectors.own_descriptors import descriptors_to_spare


@pytest.mark.parametrize(
    ("limit", "spare"), [(16, 0), (63, 0), (64, 16), (1024, 256), (1 << 20, 256), (resource.RLIM_INFINITY, 256)]
)
def test_a_quarter_within_bounds(limit: int, spare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (limit, resource.RLIM_INFINITY))
    assert descriptors_to_spare() == spare
