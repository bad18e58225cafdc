"""Turns a code object's line table and an instruction offset into a line number; one function per table format.

Formats: Objects/locations.md of CPython 3.11 (and later), Objects/lnotab_notes.txt of 3.10 and of 3.9.
"""

from __future__ import annotations

import functools

_NO_LOCATION = 15
_LONG_FORM = 14
_NO_COLUMNS = 13
_ONE_LINE_FIRST = 10
_CODE_UNIT_BYTES = 2


def _read_varint(table: bytes, position: int) -> int:
    value = shift = 0
    while position < len(table) and shift < 32:
        byte = table[position]
        value |= (byte & 63) << shift
        if not byte & 64:
            break
        shift += 6
        position += 1
    return value


def parse_location_table(table: bytes, first_line: int, offset_bytes: int) -> int | None:
    """The line at `offset_bytes` from the first instruction, format of 3.11 and later. None where it has no line."""
    return _line_in_locations(table, first_line, offset_bytes)


# The same places are looked at again and again: of the frames that wait.
@functools.lru_cache(maxsize=2048)
def _line_in_locations(table: bytes, first_line: int, offset_bytes: int) -> int | None:
    line, start, position = first_line, 0, 0
    while position < len(table):
        head = table[position]
        if not head & 0x80:
            return None  # not the beginning of an entry: the table was torn
        kind = (head >> 3) & 15
        end = start + ((head & 7) + 1) * _CODE_UNIT_BYTES
        if kind in (_LONG_FORM, _NO_COLUMNS):
            delta = _read_varint(table, position + 1)
            line += -(delta >> 1) if delta & 1 else delta >> 1
        elif _ONE_LINE_FIRST <= kind < _NO_COLUMNS:
            line += kind - _ONE_LINE_FIRST
        if start <= offset_bytes < end:
            return None if kind == _NO_LOCATION else line
        start = end
        position += 1
        while position < len(table) and not table[position] & 0x80:
            position += 1
    return None


def parse_linetable(table: bytes, first_line: int, offset_bytes: int) -> int | None:
    """The line at `offset_bytes`, format of 3.10: pairs of byte length and signed line delta, -128 for "no line"."""
    line, end = first_line, 0
    for position in range(0, len(table) - 1, 2):
        length, delta = table[position], table[position + 1]
        start, end = end, end + length
        if delta == 0x80:
            if start <= offset_bytes < end:
                return None
            continue
        line += delta - 256 if delta > 127 else delta
        if start <= offset_bytes < end:
            return line
    return None


def parse_lnotab(table: bytes, first_line: int, offset_bytes: int) -> int | None:
    """The line at `offset_bytes`, format up to 3.9: pairs of address increment and signed line increment."""
    line, address = first_line, 0
    for position in range(0, len(table) - 1, 2):
        address += table[position]
        if address > offset_bytes:
            break
        delta = table[position + 1]
        line += delta - 256 if delta > 127 else delta
    return line
