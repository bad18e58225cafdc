"""Events to JSON values and back, lossless: every field that differs from its default, by the field's own type.

The types understood are those that `gtdiag.model.events` may use: numbers, strings, booleans, aware datetimes, None,
tuples, enumerations, and the frozen dataclasses of `gtdiag.model`.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from gtdiag.errors import RecordingError
from gtdiag.model.events import EVENT_CLASSES, Event

_CLASS_BY_NAME: dict[str, type[Event]] = {cls.__name__: cls for cls in EVENT_CLASSES}

KIND_KEY = "event"

Value = TypeVar("Value")


def encode_event(event: Event) -> dict[str, Any]:
    """An event as a JSON object: its class name under "event", then each field that is not its default."""
    return {KIND_KEY: type(event).__name__, **_encode_fields(event)}


def parse_event(value: dict[str, Any]) -> Event:
    """The event a JSON object stands for. Unknown fields (of a newer minor version) are ignored.

    Raises `RecordingError` for an unknown event class or a field that does not fit.
    """
    name = value.get(KIND_KEY)
    if not isinstance(name, str) or name not in _CLASS_BY_NAME:
        raise RecordingError(f"unknown event {name!r} in the recording", hint="upgrade gtdiag")
    try:
        event = _event_decoder(name)(value)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RecordingError(f"damaged event {name} in the recording: {error}", hint="") from error
    assert isinstance(event, Event)
    return event


def encode_value(value: Any) -> Any:
    """What `json.dumps` writes for a value of the model: of a dataclass each field that is not its default."""
    return _encode_value(value)


def decode_value(annotation: type[Value], value: Any) -> Value:
    """The value of that type that `encode_value` gave this for. Raises TypeError, ValueError or KeyError."""
    decode: Callable[[Any], Value] = _decoder(annotation)  # type: ignore[arg-type]
    return decode(value)


def _encode_fields(instance: Any) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        encoded[field.name] = _encode_value(value)
    return encoded


def _encode_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_encode_value(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode_fields(value)
    if isinstance(value, enum.Enum):
        return value.value
    return value


@cache
def _event_decoder(name: str) -> Callable[[Any], Any]:
    return _dataclass_decoder(_CLASS_BY_NAME[name])


@cache
def _decoder(annotation: Any) -> Callable[[Any], Any]:
    """A function that turns the JSON value back into what `annotation` says."""
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = [_decoder(a) for a in typing.get_args(annotation) if a is not type(None)]
        (decode,) = inner  # the model uses unions only as "X | None"
        return lambda value: None if value is None else decode(value)
    if origin is tuple:
        decode_item = _decoder(typing.get_args(annotation)[0])
        return lambda value: tuple(decode_item(item) for item in value)
    if annotation is datetime:
        return _aware
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return _dataclass_decoder(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return annotation
    if annotation is float:
        return _finite
    if annotation in (bool, int, str):
        return _exactly(annotation)
    return _same


def _dataclass_decoder(cls: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(cls)
    decoders = {field.name: _decoder(hints[field.name]) for field in dataclasses.fields(cls)}

    def decode(value: Any) -> Any:
        return cls(**{name: decoders[name](item) for name, item in value.items() if name in decoders})

    return decode


def _aware(value: Any) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(f"{value} has no offset from UTC")
    return at


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no figure")
    return number


def _exactly(kind: type) -> Callable[[Any], Any]:
    """A recording may have been damaged or written by hand: what is no number must not be taken for one later."""

    def decode(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r:.40} is no {kind.__name__}")
        return value

    return decode


def _same(value: Any) -> Any:
    return value
