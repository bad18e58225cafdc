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
    return _map(value, functools.lru_cache(maxsize=65_536)(transform), "")  # type: ignore[no-any-return]


def _map(value: Any, transform: StringTransform, place: str) -> Any:
    if value is None or isinstance(value, enum.Enum):
        return value
    if isinstance(value, str):
        return transform(place, value)
    if isinstance(value, tuple):
        items = [_map(item, transform, place) for item in value]
        return tuple(items) if any(map(operator.is_not, items, value)) else value
    if (places := _places_of(value.__class__)) is not None:
        changes = {}
        for field, inner in places:
            before = getattr(value, field)
            after = _map(before, transform, inner)
            if after is not before:
                changes[field] = after
        return dataclasses.replace(value, **changes) if changes else value
    return value


@functools.lru_cache(maxsize=256)
def _places_of(kind: type) -> tuple[tuple[str, str], ...] | None:
    """The fields of a dataclass, and what each is called as a place; None for any other class."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple((field.name, f"{kind.__name__}.{field.name}") for field in dataclasses.fields(kind))
