"""Dataclasses made in little time do what those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from dataclasses import field

import pytest

from gtdiag.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Two numbers, and what does not count."""

    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Only by name."""

    name: str
    at: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child(Named):
    """With one more."""

    more: int


@dataclass(slots=True)
class Mutable:
    """May change."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """Refuses what it does not like."""

    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Has its own comparison and text."""

    value: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnWords)

    def __hash__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "own"


@dataclass(frozen=True)
class Empty:
    """Nothing in it."""


def test_values_defaults_and_text() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert (Point(1).y, Point(1, 3).y, Point(x=1, y=4).y) == (2, 3, 4)
    assert Point(1).seen is not Point(1).seen
    assert repr(Child(name="a", more=1)) == "Child(name='a', at=None, more=1)"
    with pytest.raises(TypeError):
        Named("a")  # type: ignore[misc]
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]


def test_comparing_and_hashing_are_by_what_counts_and_by_class() -> None:
    assert Point(1, 2, [3]) == Point(1, 2, [4])
    assert hash(Point(1, 2, [3])) == hash(Point(1, 2)) == hash((1, 2))
    assert Point(1) != Point(2)
    assert Point(1) != (1, 2)
    assert Named(name="a") != Child(name="a", more=1)
    assert {Checked(1): 1}[Checked(1)] == 1
    assert Empty() == Empty() and hash(Empty()) == hash(())
    assert OwnWords(1) == OwnWords(2) and hash(OwnWords(1)) == 7 and repr(OwnWords(1)) == "own"


def test_frozen_ones_refuse_and_others_do_not() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    changing = Mutable()
    changing.count += 1
    assert changing == Mutable(1)
    with pytest.raises(TypeError):
        hash(changing)
    with pytest.raises(AttributeError):
        changing.other = 1  # type: ignore[attr-defined]


def test_the_standard_library_knows_them() -> None:
    assert dataclasses.is_dataclass(Point)
    assert [f.name for f in dataclasses.fields(Child)] == ["name", "at", "more"]
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.asdict(Named(name="a", at=Point(1))) == {"name": "a", "at": {"x": 1, "y": 2, "seen": []}}
    assert list(inspect.signature(Point).parameters) == ["x", "y", "seen"]
    assert typing.get_type_hints(Named.__init__)["at"] == Point | None
    assert Point.__match_args__ == ("x", "y", "seen")


@pytest.mark.parametrize(
    "value", [Point(1), Named(name="a", at=Point(2)), Child(name="b", more=3), Mutable(4), Empty()]
)
def test_they_can_be_copied_and_sent(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert copy.copy(value) == value


def test_a_check_after_setting_is_made() -> None:
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)


def test_what_is_not_supported_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="standard library"):

        @dataclass(frozen=True)
        class Late:
            value: int = field(init=False)
