"""Finds the interpreter in a process: /proc/PID/maps and the ELF file of a mapping give the address of _PyRuntime."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from gtdiag.foreign_files import open_foreign
from gtdiag.interpreter.errors import InterpreterGoneError, InterpreterStartingError, UnsupportedInterpreterError

_LIBPYTHON = re.compile(r"/libpython(3\.\d+)(t?)d?m?\.so[^/]*$")
_PYTHON = re.compile(r"/python(3\.\d+)(t?)d?$")
_OTHER_PYTHON = re.compile(r"/(?:lib)?python(\d\.\d+)[^/]*$")
_PYPY = re.compile(r"/(?:lib)?pypy[^/]*$")
_DELETED = " (deleted)"
_WANTED_SYMBOLS = ("_PyRuntime", "Py_Version")
_RUNTIME_SECTION, _ASYNCIO_SECTION = ".PyRuntime", ".AsyncioDebug"
_ASYNCIO_MODULE = re.compile(r"/_asyncio\.[^/]*so$")
_SYMBOL = struct.Struct("<IBBHQQ")  # st_name, st_info, st_other, st_shndx, st_value, st_size
_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_MAX_TABLE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mapping:
    """The mapping of a file's beginning (offset 0) in a process."""

    start: int
    end: int
    path: str
    deleted: bool

    @property
    def map_file(self) -> str:
        """Its name in /proc/PID/map_files, which has no leading zeros."""
        return f"{self.start:x}-{self.end:x}"


@dataclass(frozen=True, slots=True)
class InterpreterImage:
    """What an ELF file says of the interpreter in it, before it is placed in a process."""

    relocatable: bool
    first_address: int
    """Virtual address of the file's first byte, as linked."""
    symbols: tuple[tuple[str, int], ...]
    runtime_section: int | None
    asyncio_section: int | None = None
    """.AsyncioDebug of 3.14 and later: in the program, the library, or the extension module _asyncio."""

    def base(self, mapping: Mapping) -> int:
        """What is to be added to an address in the file to have it in the process."""
        return mapping.start - self.first_address if self.relocatable else 0


@dataclass(frozen=True, slots=True)
class InterpreterPlace:
    """Where the interpreter lies in the process. `minor_hint`: "3.11" when the file's name says so."""

    runtime_address: int
    version_address: int | None
    path: str
    minor_hint: str | None
    asyncio_address: int | None = None
    """Of .AsyncioDebug where _asyncio is part of the program itself (3.14 and later); else see `find_asyncio`."""


class NotAnInterpreterError(Exception):
    """This file holds no interpreter that can be used; the text says why."""


_OF_A_BEGINNING = re.compile(r"^[^\n ]+ [^\n ]+ 0+ [^\n]*", re.MULTILINE)
"""A line whose offset is 0: few of a worker's thousand mappings."""


def parse_maps(text: str) -> list[Mapping]:
    """The text of /proc/PID/maps to the mappings of files' beginnings, in address order, one for each file."""
    found: list[Mapping] = []
    seen: set[str] = set()
    for line in _OF_A_BEGINNING.findall(text):
        parts = line.split(maxsplit=5)
        if len(parts) < 6 or not parts[5].startswith("/") or parts[5] in seen:
            continue
        start, _, end = parts[0].partition("-")
        try:
            first, last, offset = int(start, 16), int(end, 16), int(parts[2], 16)
        except ValueError:
            continue
        if offset != 0:
            continue
        seen.add(parts[5])
        path = parts[5].replace("\\012", "\n")
        deleted = path.endswith(_DELETED)
        found.append(Mapping(first, last, path.removesuffix(_DELETED), deleted))
    return found


def _named_symbols(symbols: bytes, strings: bytes, wanted: tuple[str, ...]) -> dict[str, int]:
    """Defined symbols only: extension modules name _PyRuntime too, undefined."""
    offsets: dict[int, str] = {}
    for name in wanted:
        text = name.encode() + b"\0"
        position = strings.find(text)
        while position >= 0:
            offsets[position] = name
            position = strings.find(text, position + 1)
    found: dict[str, int] = {}
    if offsets:
        for st_name, _, _, section, value, _ in _SYMBOL.iter_unpack(symbols[: len(symbols) // 24 * 24]):
            if section and value and st_name in offsets:
                found.setdefault(offsets[st_name], value)
    return found


def _table_of(section: Section) -> bytes:
    if section.data_size > _MAX_TABLE_BYTES:
        raise NotAnInterpreterError("its symbol table is implausibly large")
    data: bytes = section.data()
    return data


def _read_image(stream: BinaryIO) -> InterpreterImage:
    elf = ELFFile(stream)
    if elf.elfclass != 64:
        raise NotAnInterpreterError("it is a 32-bit program")
    if not elf.little_endian:
        raise NotAnInterpreterError("it is a big-endian program")
    segments = (segment for segment in elf.iter_segments("PT_LOAD") if segment["p_offset"] == 0)
    first_address = next((int(segment["p_vaddr"]) for segment in segments), 0)
    symbols: dict[str, int] = {}
    sections = list(elf.iter_sections())  # once: each look-up by name or kind would make all of them anew
    by_name = {section.name: section for section in sections}
    for kind in ("SHT_DYNSYM", "SHT_SYMTAB"):
        for table in sections:
            if table["sh_type"] == kind and "_PyRuntime" not in symbols:
                # The tables as bytes: libpython has thousands of symbols, and two of them are wanted.
                strings = _table_of(sections[table["sh_link"]])
                symbols.update(_named_symbols(_table_of(table), strings, _WANTED_SYMBOLS))
    runtime = by_name.get(_RUNTIME_SECTION)
    asyncio = by_name.get(_ASYNCIO_SECTION)
    return InterpreterImage(
        relocatable=elf["e_type"] == "ET_DYN",
        first_address=first_address,
        symbols=tuple(symbols.items()),
        runtime_section=int(runtime["sh_addr"]) if runtime is not None else None,
        asyncio_section=int(asyncio["sh_addr"]) if asyncio is not None else None,
    )


def read_image(stream: BinaryIO) -> InterpreterImage:
    """An ELF file to the addresses in it (elf(5)); `NotAnInterpreterError` when it cannot be read."""
    try:
        return _read_image(stream)
    except ELFError as error:
        raise NotAnInterpreterError(f"its ELF file cannot be read ({error})") from None
    # What pyelftools raises on a damaged file depends on what is damaged.
    except (ConstructError, struct.error, ValueError, OverflowError, AttributeError, TypeError, LookupError) as error:
        raise NotAnInterpreterError(f"its ELF file is damaged ({type(error).__name__})") from None


_images: dict[tuple[int, int, int], InterpreterImage | str] = {}
"""By device, inode and modification time: the workers of one server share their interpreter's file."""
_MAX_IMAGES = 64


def _candidates(pid: int, mapping: Mapping, is_executable: bool) -> Iterator[str]:
    # A container's files are seen through its root; a chroot without a mount namespace shows host paths in maps.
    # A file replaced on disk since (an upgrade) is only reachable through the mapping itself.
    if not mapping.deleted:
        yield f"/proc/{pid}/root{mapping.path}"
    if is_executable:
        yield f"/proc/{pid}/exe"
    yield f"/proc/{pid}/map_files/{mapping.map_file}"
    if not mapping.deleted:
        yield mapping.path


def _image_of(pid: int, mapping: Mapping, is_executable: bool) -> InterpreterImage:
    why = "its file cannot be opened"
    for path in _candidates(pid, mapping, is_executable):
        try:
            with io.BufferedReader(open_foreign(path)) as stream:
                status = os.fstat(stream.fileno())
                key = (status.st_dev, status.st_ino, status.st_mtime_ns)
                known = _images.get(key)
                if known is None:
                    if len(_images) >= _MAX_IMAGES:
                        _images.clear()
                    try:
                        known = read_image(stream)
                    except NotAnInterpreterError as error:
                        known = str(error)
                    _images[key] = known
        except OSError as error:
            why = f"its file cannot be opened ({error.strerror or error})"
            continue
        if isinstance(known, InterpreterImage):
            return known
        raise NotAnInterpreterError(known)
    raise NotAnInterpreterError(why)


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _is_gone(pid: int) -> bool:
    return _stat_fields(pid)[:1] in ([], ["Z"], ["X"])


def _is_kernel_thread(pid: int) -> bool:
    fields = _stat_fields(pid)
    return len(fields) > 6 and bool(int(fields[6]) & _PF_KTHREAD)


def find_asyncio(pid: int, maps_text: str) -> int | None:
    """The address of .AsyncioDebug in the extension module _asyncio (3.14 and later); None where that is not loaded."""
    for mapping in parse_maps(maps_text):
        if _ASYNCIO_MODULE.search(mapping.path):
            with suppress(NotAnInterpreterError):
                module = _image_of(pid, mapping, is_executable=False)
                if module.asyncio_section is not None:
                    return module.base(mapping) + module.asyncio_section
    return None


def find_interpreter(pid: int, maps_text: str) -> InterpreterPlace:
    """The interpreter of a process; `UnsupportedInterpreterError` says what the process runs instead."""
    mappings = parse_maps(maps_text)
    executable = ""
    with suppress(OSError):
        executable = str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(_DELETED)
    if not mappings:
        if _is_gone(pid):
            raise InterpreterGoneError(pid, "the process has ended")
        if _is_kernel_thread(pid):
            raise UnsupportedInterpreterError(pid, "it is a kernel thread")
        raise InterpreterStartingError(pid, "its program is only being loaded")
    libraries = [m for m in mappings if _LIBPYTHON.search(m.path)]
    programs = [m for m in mappings if m.path == executable and m not in libraries]
    programs += [m for m in mappings if _PYTHON.search(m.path) and m not in programs]
    reasons: list[str] = []
    for mapping in libraries + programs:
        try:
            image = _image_of(pid, mapping, mapping.path == executable)
        except NotAnInterpreterError as error:
            reasons.append(f"{Path(mapping.path).name}: {error}")
            continue
        name = _LIBPYTHON.search(mapping.path) or _PYTHON.search(mapping.path)
        if name and name.group(2):
            raise UnsupportedInterpreterError(pid, f"free-threaded CPython {name.group(1)}t")
        base = image.base(mapping)
        symbols = dict(image.symbols)
        runtime = symbols.get("_PyRuntime", image.runtime_section)
        if runtime is None:
            reasons.append(f"{Path(mapping.path).name}: its file defines no _PyRuntime")
            continue
        version = symbols.get("Py_Version")
        return InterpreterPlace(
            runtime_address=base + runtime,
            version_address=None if version is None else base + version,
            path=mapping.path,
            minor_hint=name.group(1) if name else None,
            asyncio_address=None if image.asyncio_section is None else base + image.asyncio_section,
        )
    if _is_gone(pid):
        raise InterpreterGoneError(pid, "the process has ended")
    if any(_PYPY.search(m.path) for m in mappings):
        raise UnsupportedInterpreterError(pid, "it runs PyPy, not CPython")
    for mapping in mappings:
        other = _OTHER_PYTHON.search(mapping.path)
        if other and not tuple(int(part) for part in other.group(1).split(".")) >= (3, 8):
            raise UnsupportedInterpreterError(pid, f"CPython {other.group(1)}, which is too old")
    if not libraries and not any(_PYTHON.search(m.path) for m in mappings):
        raise UnsupportedInterpreterError(pid, f"no Python in it ({Path(executable).name or 'no program name'})")
    raise UnsupportedInterpreterError(pid, "; ".join(reasons))
