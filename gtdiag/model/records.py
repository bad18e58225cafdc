"""`dataclass` as in the standard library, made in a third of the time: some 180 of them are made at each start.

The standard library writes the text of six methods for each class and compiles each on its own (CPython 3.10 to 3.12).
Comparing, hashing, printing and refusing to change are the same for every class, so that one function does for all;
only `__init__` is compiled, as calling it is what has to be quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from operator import attrgetter
    from reprlib import recursive_repr

    _set = object.__setattr__
    _MISSING = dataclasses.MISSING
    _FACTORY = dataclasses._HAS_DEFAULT_FACTORY if hasattr(dataclasses, "_HAS_DEFAULT_FACTORY") else object()

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False):
        """See `dataclasses.dataclass`; of its parameters, those that are used here."""

        def make(plain):
            made = dataclasses.dataclass(plain, init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
            fields = dataclasses.fields(made)
            _set_methods(made, fields, frozen=frozen)
            return made

        return make if cls is None else make(cls)

    def _set_methods(made, fields, *, frozen):
        own = made.__dict__
        if "__init__" not in own:
            made.__init__ = _init_of(made, fields)
        if "__repr__" not in own:
            made.__repr__ = _repr
        if "__eq__" not in own:
            made.__eq__ = _equality(_values_of(fields))
        if own.get("__hash__") is None:
            made.__hash__ = _hashing(_values_of(fields)) if frozen else None
        if frozen:
            made.__setattr__, made.__delattr__ = _refuse_to_set, _refuse_to_delete
            if "__getstate__" not in own:
                made.__getstate__, made.__setstate__ = _getstate, _setstate

    def _init_of(made, fields):
        """`__init__(self, a, b=..., *, c=...)`, compiled with the names of its module around it."""
        given = {"_set": _set, "_FACTORY": _FACTORY}
        positional, by_name, body = [], [], []
        for field in fields:
            if not field.init:
                raise TypeError(f"{made.__qualname__}.{field.name}: init=False is the standard library's")
            name, value = field.name, field.name
            parameter = name
            if field.default is not _MISSING:
                given[f"_default_{name}"] = field.default
                parameter = f"{name}=_default_{name}"
            elif field.default_factory is not _MISSING:
                given[f"_make_{name}"] = field.default_factory
                parameter, value = f"{name}=_FACTORY", f"_make_{name}() if {name} is _FACTORY else {name}"
            (by_name if field.kw_only else positional).append(parameter)
            body.append(f"  _set(self, {name!r}, {value})")
        if hasattr(made, "__post_init__"):
            body.append("  self.__post_init__()")
        parameters = ", ".join(["self", *positional, *(["*", *by_name] if by_name else [])])
        text = f"def make({', '.join(given)}):\n def __init__({parameters}):\n" + "\n".join(body or ["  pass"])
        found = {}
        exec(f"{text}\n return __init__", vars(import_module(made.__module__)), found)
        init = found["make"](**given)
        init.__qualname__ = f"{made.__qualname__}.__init__"
        init.__annotations__ = {field.name: field.type for field in fields} | {"return": None}
        return init

    def _values_of(fields):
        """What gives the values that count as one tuple."""
        names = [field.name for field in fields if field.compare]
        if len(names) > 1:
            return attrgetter(*names)
        if names:
            get = attrgetter(names[0])
            return lambda instance: (get(instance),)
        return lambda instance: ()

    def _equality(values_of):
        def equals(self, other):
            if other.__class__ is self.__class__:
                return values_of(self) == values_of(other)
            return NotImplemented

        return equals

    def _hashing(values_of):
        def hash_of(self):
            return hash(values_of(self))

        return hash_of

    @recursive_repr()
    def _repr(self):
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def _refuse_to_set(self, name, value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _setstate(self, state):
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            _set(self, field.name, value)
