"""A report to the same report with every string in it passed through a function (to redact, to escape)."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any, TypeVar

StringTransform = Callable[[str, str], str]
"""Takes the place of the string as "ClassName.field_name" and the string, returns what to put there."""

T = TypeVar("T")


def map_strings(value: T, transform: StringTransform) -> T:
    """Return a copy of a model dataclass with each string transformed; enumeration members stay what they are."""
    return _map(value, transform, "")  # type: ignore[no-any-return]


def _map(value: Any, transform: StringTransform, place: str) -> Any:
    if isinstance(value, enum.Enum) or value is None:
        return value
    if isinstance(value, str):
        return transform(place, value)
    if isinstance(value, tuple):
        return tuple(_map(item, transform, place) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        changes = {}
        for field in dataclasses.fields(value):
            before = getattr(value, field.name)
            after = _map(before, transform, f"{name}.{field.name}")
            if after is not before:
                changes[field.name] = after
        return dataclasses.replace(value, **changes) if changes else value
    return value
