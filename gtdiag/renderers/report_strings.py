"""A report to the same report with every string in it passed through a function (to redact, to escape)."""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

StringTransform = Callable[[str, str], str]
"""Takes the place of the string as "ClassName.field_name" and the string, returns what to put there."""

T = TypeVar("T")


def map_strings(value: T, transform: StringTransform) -> T:
    """Return a copy of a model dataclass with each string transformed; enumeration members stay what they are."""
    # The incidents of one server say the same again and again.
    mapper = _Mapper(functools.lru_cache(maxsize=65_536)(transform))
    return mapper.map(value, "")  # type: ignore[no-any-return]


class _Mapper:
    """Maps one report. What stands in it several times, as a stack does, is mapped once."""

    def __init__(self, transform: StringTransform) -> None:
        self._transform = transform
        self._mapped: dict[tuple[int, str], Any] = {}
        """By identity, which holds as long as the report does."""

    def map(self, value: Any, place: str) -> Any:
        if value is None or isinstance(value, enum.Enum):
            return value
        if isinstance(value, str):
            return self._transform(place, value)
        if isinstance(value, tuple):
            return self._map_tuple(value, place) if value else value
        if (places := _places_of(value.__class__)) is not None:
            return self._map_fields(value, places)
        return value

    def _map_tuple(self, value: tuple[Any, ...], place: str) -> tuple[Any, ...]:
        key = (id(value), place)
        mapped = self._mapped.get(key)
        if mapped is None:
            items = [self.map(item, place) for item in value]
            mapped = tuple(items) if any(map(operator.is_not, items, value)) else value
            self._mapped[key] = mapped
        return mapped

    def _map_fields(self, value: Any, places: tuple[tuple[str, str], ...]) -> Any:
        changes = {}
        for field, inner in places:
            before = getattr(value, field)
            after = self.map(before, inner)
            if after is not before:
                changes[field] = after
        return dataclasses.replace(value, **changes) if changes else value


@functools.lru_cache(maxsize=256)
def _places_of(kind: type) -> tuple[tuple[str, str], ...] | None:
    """The fields of a dataclass, and what each is called as a place; None for any other class."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple((field.name, f"{kind.__name__}.{field.name}") for field in dataclasses.fields(kind))
