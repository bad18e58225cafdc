"""Turns addresses of Python objects into types, strings, numbers, containers and attributes.

None of them is trusted. Every check that fails raises `InconsistentReadError`: memory changes while it is read, and an
address may be stale.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gtdiag.interpreter.errors import InconsistentReadError, UnreadableMemoryError
from gtdiag.interpreter.layout import Layout
from gtdiag.interpreter.memory import ProcessMemory, words
from gtdiag.interpreter.remembered import ByBytes, Positions, Source

# The same in every CPython from 3.8 to 3.15 (64-bit); the source is each version's headers.
OB_TYPE = 8
OB_SIZE = 16
_TP_NAME, _TP_BASICSIZE, _TP_FLAGS, _TP_BASE, _TP_DICT, _TP_DICTOFFSET, _TP_MRO = 24, 32, 168, 256, 264, 288, 344
_LIST_ITEMS = 24
_DICT_KEYS, _DICT_VALUES = 32, 40
_SET_MASK, _SET_TABLE = 32, 40
_STR_LENGTH, _STR_STATE = 16, 32
BYTES_DATA = 32
_FLOAT_VALUE = 16
_MODULE_DICT = 16
_WEAKREF_OBJECT = 16
_CELL_CONTENT = 16
_MANAGED_DICT_FLAG = 1 << 4
_HEAP_TYPE_FLAG = 1 << 9
_INLINE_VALUES_FLAG = 1 << 2
_MANAGED_DICT_AT = -24
_MANAGED_VALUES_AT = -32

_NO_HASH = (1 << 64) - 1

_MAX_STRING_CHARACTERS = 4096
_MAX_BASES = 32
_MAX_DICT_ENTRIES = 200_000
_MAX_SET_SLOTS = 1 << 20
_MAX_ITEMS = 100_000
_MAX_INT_DIGITS = 9
_DIGIT_BITS = 30

Simple = int | float | str | bytes | bool | None


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """A type as far as it is needed. `names`: its own and those of the bases that shape its memory (tp_base)."""

    address: int
    name: str
    names: tuple[str, ...]
    flags: int
    basic_size: int
    dict_offset: int


class KnownObjects:
    """What is remembered for all interpreters that are forks of one process."""

    def __init__(self) -> None:
        self.types: ByBytes[TypeInfo] = ByBytes()
        self.positions = Positions()


_NEVER_READY = ("async_generator_asend", "async_generator_athrow", "async_generator_wrapped_value")
"""Static types that CPython up to 3.9 gives no base (does not make ready) until somebody asks for an attribute."""


class ObjectReader:
    """Reads objects of one interpreter; remembers types for one look, and for others as `remembered.py` says."""

    def __init__(self, memory: ProcessMemory, layout: Layout, known: KnownObjects | None = None) -> None:
        self.memory = memory
        self.layout = layout
        self._types: dict[int, TypeInfo] = {}
        self._known = known or KnownObjects()

    def forget(self) -> None:
        """Begin a new look."""
        self.memory.forget()
        if not self.memory.at_rest:
            self._types.clear()

    # Types

    def type_of(self, address: int) -> TypeInfo:
        """The type of the object at `address`."""
        type_address = self.memory.u64(address + OB_TYPE)
        return self._types.get(type_address) or self.type_at(type_address)

    def type_at(self, address: int) -> TypeInfo:
        """The type object at `address`, its chain of bases followed."""
        known = self._types.get(address)
        if known is not None:
            return known
        remembered = self._known.types.find(address, self.memory)
        if remembered is not None:
            self._types[address] = remembered
            return remembered
        names: list[str] = []
        source: Source = []
        current = address
        while current and len(names) < _MAX_BASES:
            names.append(self._type_name(current, source))
            current = self.memory.u64(current + _TP_BASE)
        info = TypeInfo(
            address=address,
            name=names[0] if names else "",
            names=tuple(names),
            flags=self.memory.u64(address + _TP_FLAGS),
            basic_size=self.memory.i64(address + _TP_BASICSIZE),
            dict_offset=self.memory.i64(address + _TP_DICTOFFSET),
        )
        # Every type but `object` itself ends in `object`; anything else is no type, but for those without a base yet.
        based = bool(names) and (names[-1] == "object" or (len(names) == 1 and info.name in _NEVER_READY))
        if not based or not 0 < info.basic_size < 1 << 20:
            raise InconsistentReadError(f"no type at {address:#x}")
        self._types[address] = info
        self._known.types.keep(address, source, info)
        return info

    def _type_name(self, address: int, source: Source) -> str:
        source.append((address + _TP_NAME, self.memory.read(address + _TP_NAME, _TP_DICTOFFSET + 8 - _TP_NAME)))
        at = self.memory.u64(address + _TP_NAME)
        raw = self.memory.c_string(at)
        source.append((at, raw + b"\0"))
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise InconsistentReadError(f"no type name at {address:#x}") from None
        if not name.isprintable() or not name:
            raise InconsistentReadError(f"no type name at {address:#x}")
        return name

    # Strings and numbers

    def read_str(self, address: int, max_characters: int = _MAX_STRING_CHARACTERS) -> str:
        """A str; longer ones are cut at `max_characters`."""
        if "str" not in self.type_of(address).names:
            raise InconsistentReadError(f"no str at {address:#x}")
        return self._str_text(address, max_characters)

    def text_source(self, address: int) -> Source:
        """What a str was read from, to be remembered with what was made of it; ValueError for one that was cut."""
        length = self.memory.i64(address + _STR_LENGTH)
        state = self.memory.u32(address + _STR_STATE)
        kind, compact, ascii_only = (state >> 2) & 7, (state >> 5) & 1, (state >> 6) & 1
        if not compact or not 0 <= length < _MAX_STRING_CHARACTERS:
            raise ValueError("header and text lie apart, or only a part of the text was read")
        layout = self.layout.object
        header = layout.str_header_ascii if ascii_only else layout.str_header_compact
        return [(address + OB_TYPE, self.memory.read(address + OB_TYPE, header + kind * length - OB_TYPE))]

    def _str_text(self, address: int, max_characters: int) -> str:
        length = self.memory.i64(address + _STR_LENGTH)
        state = self.memory.u32(address + _STR_STATE)
        kind, compact, ascii_only = (state >> 2) & 7, (state >> 5) & 1, (state >> 6) & 1
        if length < 0 or kind not in (1, 2, 4):
            raise InconsistentReadError(f"no str at {address:#x}")
        layout = self.layout.object
        if compact:
            start = address + (layout.str_header_ascii if ascii_only else layout.str_header_compact)
        else:
            start = self.memory.u64(address + layout.str_data_pointer)
        data = self.memory.read(start, min(length, max_characters) * kind)
        encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind]
        return data.decode(encoding, "replace")

    def read_bytes(self, address: int, max_bytes: int) -> bytes:
        """A bytes object of at most `max_bytes`; a longer one is an error, since a cut table would be misread."""
        if self.type_of(address).name != "bytes":
            raise InconsistentReadError(f"no bytes at {address:#x}")
        size = self.memory.i64(address + OB_SIZE)
        if not 0 <= size <= max_bytes:
            raise InconsistentReadError(f"bytes of {size} at {address:#x}")
        return self.memory.read(address + BYTES_DATA, size)

    def read_int(self, address: int) -> int:
        """An int (or bool) of at most nine 30-bit digits."""
        if "int" not in self.type_of(address).names:
            raise InconsistentReadError(f"no int at {address:#x}")
        size_word = self.memory.i64(address + OB_SIZE)
        if self.layout.object.int_format == "tag":
            sign = 1 - (size_word & 3)
            count = size_word >> 3
        else:
            sign = (size_word > 0) - (size_word < 0)
            count = abs(size_word)
        if not 0 <= count <= _MAX_INT_DIGITS:
            raise InconsistentReadError(f"an int of {count} digits at {address:#x}")
        digits = struct.unpack(f"<{count}I", self.memory.read(address + OB_SIZE + 8, 4 * count))
        value: int = sign * sum(digit << (_DIGIT_BITS * place) for place, digit in enumerate(digits))
        return value

    def simple_value(self, address: int) -> Simple:
        """A number, string, bytes, bool or None; any other type gives None too (`type_of` tells which it was)."""
        names = self.type_of(address).names
        if names[0] == "bool":
            return bool(self.read_int(address))
        if "int" in names:
            return self.read_int(address)
        if "str" in names:
            return self.read_str(address)
        if "float" in names:
            value: float = struct.unpack("<d", self.memory.read(address + _FLOAT_VALUE, 8))[0]
            return value
        if names[0] == "bytes":
            return self.read_bytes(address, _MAX_STRING_CHARACTERS)
        return None

    # Containers

    def items(self, address: int) -> tuple[int, ...]:
        """The addresses of a list's or tuple's items."""
        names = self.type_of(address).names
        size = self.memory.i64(address + OB_SIZE)
        if not 0 <= size <= _MAX_ITEMS:
            raise InconsistentReadError(f"a sequence of {size} at {address:#x}")
        if "tuple" in names:
            return words(self.memory.read(address + self.layout.object.tuple_items, 8 * size))
        if "list" in names:
            return words(self.memory.read(self.memory.u64(address + _LIST_ITEMS), 8 * size)) if size else ()
        raise InconsistentReadError(f"no list or tuple at {address:#x}")

    def set_members(self, address: int, max_slots: int = _MAX_SET_SLOTS) -> list[int]:
        """The addresses of a set's members."""
        if not {"set", "frozenset"} & set(self.type_of(address).names):
            raise InconsistentReadError(f"no set at {address:#x}")
        mask = self.memory.u64(address + _SET_MASK)
        if mask + 1 > max_slots or mask & (mask + 1):
            raise InconsistentReadError(f"a set of {mask + 1} slots at {address:#x}")
        table = words(self.memory.read_fresh(self.memory.u64(address + _SET_TABLE), 16 * (mask + 1)))
        # A member that was taken out leaves a marker, which is no object, with a hash that none has (setobject.c).
        return [key for key, digest in zip(table[::2], table[1::2], strict=True) if key and digest != _NO_HASH]

    def _dict_table(self, keys: int) -> tuple[int, int, int, bool]:
        """Address and number of a keys object's entries, the words in each, and whether a hash comes first."""
        memory = self.memory
        if self.layout.object.dict_keys_format == "log2":
            log2_size, log2_index_bytes, kind = memory.read(keys + 8, 3)
            count = memory.i64(keys + 24)
            if log2_size > 24 or log2_index_bytes > 28 or kind > 2 or not 0 <= count <= _MAX_DICT_ENTRIES:
                raise InconsistentReadError(f"no dict keys at {keys:#x}")
            return keys + 32 + (1 << log2_index_bytes), count, (3 if kind == 0 else 2), kind == 0
        size, count = memory.i64(keys + 8), memory.i64(keys + 32)
        if not 0 < size <= 1 << 24 or size & (size - 1) or not 0 <= count <= _MAX_DICT_ENTRIES:
            raise InconsistentReadError(f"no dict keys at {keys:#x}")
        index_bytes = 1 if size <= 0xFF else 2 if size <= 0xFFFF else 4
        return keys + 40 + size * index_bytes, count, 3, True

    def _table_entries(self, keys: int, values: int) -> Iterator[tuple[int, int]]:
        """(key, value) addresses of a keys object and, for a split table, its array of values."""
        start, count, width, with_hash = self._dict_table(keys)
        table = words(self.memory.read(start, 8 * width * count)) if count else ()
        found_keys = table[1::3] if with_hash else table[0::2]
        if values:
            found_values = words(self.memory.read(values, 8 * count)) if count else ()
        else:
            found_values = table[2::3] if with_hash else table[1::2]
        yield from zip(found_keys, found_values, strict=False)

    def _dict_parts(self, address: int) -> tuple[int, int]:
        """Addresses of a dict's keys object and of its array of values (0 where they lie with the keys)."""
        if "dict" not in self.type_of(address).names:
            raise InconsistentReadError(f"no dict at {address:#x}")
        keys, values = words(self.memory.read(address + _DICT_KEYS, 16))
        return keys, values + self.layout.object.values_first if values else 0

    def dict_entries(self, address: int) -> list[tuple[int, int]]:
        """The (key, value) addresses of a dict, in insertion order."""
        return [(key, value) for key, value in self._table_entries(*self._dict_parts(address)) if key and value]

    def dict_get(self, address: int, name: str) -> int | None:
        """The value of a str key. Where it was found last time is tried first: `sys.modules` has a thousand entries."""
        keys, values = self._dict_parts(address)
        position = self._known.positions.find(address, name)
        if position is not None and not values:
            start, count, width, _ = self._dict_table(keys)
            if position < count:
                key, value = words(self.memory.read(start + 8 * width * position, 8 * width))[-2:]
                if key and value and self._str_equals(key, name):
                    return value
        return self._find(list(self._table_entries(keys, values)), name, address)

    def _find(self, entries: list[tuple[int, int]], name: str, owner: int) -> int | None:
        """The value of a name among entries, some of which may be empty."""
        hint = self._known.positions.find(owner, name)
        if hint is not None and hint < len(entries):
            key, value = entries[hint]
            if key and value and self._str_equals(key, name):
                return value
        for position, (key, value) in enumerate(entries):
            if key and value and self._str_equals(key, name):
                self._known.positions.keep(owner, name, position)
                return value
        return None

    def _str_is_one_of(self, address: int, texts: Collection[str]) -> bool:
        try:
            length = self.memory.u64(address + _STR_LENGTH)
            candidates = [text for text in texts if len(text) == length]
            return bool(candidates) and self.read_str(address) in candidates
        except UnreadableMemoryError:
            return False

    def _str_equals(self, address: int, text: str) -> bool:
        memory = self.memory
        try:
            if memory.u64(address + _STR_LENGTH) != len(text):
                return False
            return self.read_str(address) == text
        except UnreadableMemoryError:
            return False

    # Attributes

    def instance_entries(self, address: int) -> list[tuple[int, int]]:
        """The (name, value) addresses of an instance's own attributes, however this version stores them."""
        info = self.type_of(address)
        if "module" in info.names:
            return self.dict_entries(self.memory.u64(address + _MODULE_DICT))
        how = self.layout.object.attributes
        if info.flags & _MANAGED_DICT_FLAG and how != "dict":
            return self._managed_entries(address, info, how)
        if info.dict_offset > 0:
            own = self.memory.u64(address + info.dict_offset)
            return self.dict_entries(own) if own else []
        return []

    def _managed_entries(self, address: int, info: TypeInfo, how: str) -> list[tuple[int, int]]:
        values = 0
        own = self.memory.u64(address + _MANAGED_DICT_AT)
        if how == "values_or_dict":
            values = self.memory.u64(address + _MANAGED_VALUES_AT)
        elif how == "tagged":
            if own & 1:
                values, own = own + 1, 0
        elif how == "inline" and not own and info.flags & _INLINE_VALUES_FLAG:
            values = address + info.basic_size
        if values and info.flags & _HEAP_TYPE_FLAG:
            keys = self.memory.u64(info.address + self.layout.object.type_cached_keys)
            first = values + self.layout.object.values_first
            return [(key, value) for key, value in self._table_entries(keys, first) if key and value]
        return self.dict_entries(own) if own else []

    def attribute(self, address: int, name: str) -> int | None:
        """An instance's own attribute, else the class attribute of the nearest base that has it. Runs no descriptor."""
        info = self.type_of(address)
        if "module" in info.names:
            return self.dict_get(self.memory.u64(address + _MODULE_DICT), name)
        own = self._find(self.instance_entries(address), name, address)
        if own is not None:
            return own
        for base in self.items(self.memory.u64(info.address + _TP_MRO))[:_MAX_BASES]:
            namespace = self.memory.u64(base + _TP_DICT)
            if namespace:
                found = self.dict_get(namespace, name)
                if found is not None:
                    return found
        return None

    def module(self, modules: int, name: str) -> int | None:
        """A module of `sys.modules`, whose dict is at `modules`."""
        found = self.dict_get(modules, name)
        return found if found is not None and "module" in self.type_of(found).names else None

    def has_any_module(self, modules: int, names: Collection[str]) -> bool:
        """Whether one of these is imported; for names that mostly are not, so that the whole dict has to be seen."""
        return any(self._str_is_one_of(key, names) for key, _ in self.dict_entries(modules))

    def weakref_targets(self, references: list[int]) -> list[int]:
        """What these weak references point to; dead ones, and objects of another type, are left out."""
        targets: list[int] = []
        kinds: dict[int, bool] = {}
        for reference in references:
            try:
                type_address = self.memory.u64(reference + OB_TYPE)
                is_reference = kinds.get(type_address)
                if is_reference is None:
                    names = self.type_at(type_address).names
                    is_reference = kinds[type_address] = "weakref.ReferenceType" in names or "weakref" in names
                target = self.memory.u64(reference + _WEAKREF_OBJECT) if is_reference else 0
            except InconsistentReadError:
                continue
            if target:
                targets.append(target)
        return targets

    def cell_content(self, address: int) -> int:
        """What a cell holds (0 when it is empty); the object itself where it is no cell."""
        if self.type_of(address).name == "cell":
            return self.memory.u64(address + _CELL_CONTENT)
        return address
