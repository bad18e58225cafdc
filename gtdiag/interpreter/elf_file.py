"""An ELF file (64-bit, little-endian) to its sections and segments, as far as an interpreter is found by them.

The structures are those of elf(5); the numbers are the same on every machine. Two tables of a file that is mostly the
same for all workers do not justify a library whose import takes longer than all that is read with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

DYNAMIC_SYMBOLS, ALL_SYMBOLS = 11, 2
"""SHT_DYNSYM, SHT_SYMTAB."""
_LOADED = 1  # PT_LOAD
_SHARED_OBJECT = 3  # ET_DYN
_NO_BITS = 8  # SHT_NOBITS
_MAX_SECTION_BYTES = 64 * 1024 * 1024
_CLASS_AT, _DATA_AT = 4, 5
_CLASS_64, _LITTLE_ENDIAN = 2, 1
_IDENTITY_BYTES = 16
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")


class ElfError(Exception):
    """It is no ELF file of this kind; the text says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section header; `link`: the number of the section with its names."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


class ElfFile:
    """One file, whose headers are read at once and whose sections on demand. Raises ElfError."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        identity = self._read(0, _IDENTITY_BYTES)
        if not identity.startswith(b"\x7fELF"):
            raise ElfError("it is no ELF file")
        if identity[_CLASS_AT] != _CLASS_64:
            raise ElfError("it is a 32-bit program")
        if identity[_DATA_AT] != _LITTLE_ENDIAN:
            raise ElfError("it is a big-endian program")
        header = _HEADER.unpack(self._read(0, _HEADER.size))
        kind, _, _, _, segments_at, sections_at, _, _, segment_bytes, segments, section_bytes, sections, names = header
        self.relocatable = kind == _SHARED_OBJECT
        self._segments = tuple(self._table(_SEGMENT, segments_at, segment_bytes, segments))
        raw = tuple(self._table(_SECTION, sections_at, section_bytes, sections))
        self.sections: tuple[Section, ...] = tuple(self._named(raw, names))

    def first_address(self) -> int:
        """The virtual address at which the file's first byte is loaded; 0 where it is not."""
        loaded = (segment for segment in self._segments if segment[0] == _LOADED and segment[2] == 0)
        return next((int(segment[3]) for segment in loaded), 0)

    def address_of(self, name: str) -> int | None:
        """Where a section is loaded, as linked; None where there is no such section."""
        return next((section.address for section in self.sections if section.name == name), None)

    def data(self, section: Section) -> bytes:
        """A section's bytes."""
        return b"" if section.kind == _NO_BITS else self._read(section.offset, section.size)

    def linked(self, section: Section) -> Section:
        """The section that holds the names of a table of symbols."""
        if section.link >= len(self.sections):
            raise ElfError("its ELF file is damaged (a table without names)")
        return self.sections[section.link]

    def _read(self, offset: int, size: int) -> bytes:
        if size > _MAX_SECTION_BYTES:
            raise ElfError("its symbol table is implausibly large")
        try:
            self._stream.seek(offset)
            data = self._stream.read(size)
        except (ValueError, OverflowError):
            raise ElfError("its ELF file is damaged (an impossible offset)") from None
        if len(data) != size:
            raise ElfError("its ELF file is damaged (it ends too early)")
        return data

    def _table(self, entry: struct.Struct, offset: int, entry_bytes: int, count: int) -> Iterator[tuple[int, ...]]:
        if count and entry_bytes < entry.size:
            raise ElfError("its ELF file is damaged (headers of an unknown size)")
        data = self._read(offset, entry_bytes * count) if count else b""
        for at in range(0, len(data), max(entry_bytes, 1)):
            yield entry.unpack_from(data, at)

    def _named(self, raw: tuple[tuple[int, ...], ...], names: int) -> Iterator[Section]:
        if not raw:
            return
        if names >= len(raw):
            raise ElfError("its ELF file is damaged (sections without names)")
        _, _, _, _, names_at, names_bytes, *_ = raw[names]
        texts = self._read(names_at, names_bytes)
        for name_at, kind, _, address, offset, size, link, *_ in raw:
            name = texts[name_at:].split(b"\0", 1)[0] if name_at < len(texts) else b""
            yield Section(name.decode("utf-8", "replace"), kind, address, offset, size, link)
