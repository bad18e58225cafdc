"""Turns addresses in another process into bytes: bounded reads of /proc/PID/mem through a page cache for one look.

The process is neither stopped nor written to; this file needs the same permission as a ptrace attach (proc(5)).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

from gtdiag.interpreter.errors import InterpreterGoneError, UnreadableMemoryError

PAGE_BYTES = 4096
_PAGE_SHIFT = 12
_MAX_CACHED_PAGES = 8192
"""32 MiB; 10,000 tasks of a real server fill about half of it."""
_A_MOMENT_S = 0.0005
"""Between two rounds of reading again, so that they do not fall into step with a program that goes in circles."""
_MAX_READ_BYTES = 16 * 1024 * 1024
_LOWEST_ADDRESS = 0x1000
_HIGHEST_ADDRESS = 1 << 56
"""User addresses end at 2^47 on x86-64 (2^56 with five-level paging) and at 2^52 on aarch64."""

_U64 = struct.Struct("<Q")
_unpack_u64 = _U64.unpack_from
_I64 = struct.Struct("<q")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")


class _Pages(dict[int, bytes]):
    """Pages by number; one that is not there yet is read. Reading neighbours ahead was measured to be slower."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _MAX_CACHED_PAGES:
            self.clear()
        page = self[number] = self._read(number << _PAGE_SHIFT, PAGE_BYTES)
        return page


class ProcessMemory:
    """The memory of one process. Reads raise `UnreadableMemoryError`, or `InterpreterGoneError` after its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        self.pages = _Pages(self.read_fresh)
        """What was read in this look, by page number (address / 4096); reading an item reads that page."""
        self.at_rest = False
        """The process is taken to be at rest (see stillness.py): nothing has to be read twice until that is over."""

    def close(self) -> None:
        """Close the file; reads fail from now on."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.pages.clear()

    def forget(self) -> None:
        """Begin a new look: nothing read so far is trusted any more, unless the process is taken to be at rest."""
        if not self.at_rest:
            self.pages.clear()

    def read_fresh(self, address: int, size: int) -> bytes:
        """Read past the cache; exactly `size` bytes or an error."""
        if not _LOWEST_ADDRESS <= address < _HIGHEST_ADDRESS or not 0 <= size <= _MAX_READ_BYTES:
            raise UnreadableMemoryError(f"no plausible address: {address:#x}, {size} bytes")
        try:
            data = os.pread(self._fd, size, address)
        except ProcessLookupError:
            raise InterpreterGoneError(self.pid) from None
        except (OSError, OverflowError) as error:
            raise UnreadableMemoryError(f"cannot read {address:#x}: {error}") from None
        if not data and size:
            # The kernel answers 0 bytes once the address space is gone (exit or exec), and EIO for a hole.
            raise InterpreterGoneError(self.pid)
        if len(data) != size:
            raise UnreadableMemoryError(f"only {len(data)} of {size} bytes at {address:#x}")
        return data

    def changed_pages(self, rounds: int) -> dict[int, list[bytes]]:
        """Read every page again that was read in this look, round by round: those that changed, as each round saw them.

        A page that cannot be read any more is empty. Where the first round finds not a single byte changed in all of
        them, nothing ran meanwhile, and the others are not needed. The rounds go forth and back: a program that does
        the same again and again may show each page of a chain in a state that it had, but not in every order.
        """
        changed: dict[int, list[bytes]] = {}
        if self.at_rest:
            return changed
        pages, descriptor = self.pages, self._fd
        in_order = sorted(pages)
        for done in range(rounds):
            if done:
                if not changed:
                    break
                time.sleep(_A_MOMENT_S)
            in_order.reverse()
            for number in in_order:
                try:
                    page = os.pread(descriptor, PAGE_BYTES, number << _PAGE_SHIFT)
                except OSError:
                    page = b""
                if page != pages[number]:
                    changed.setdefault(number, []).append(page)
        return changed

    def read(self, address: int, size: int) -> bytes:
        """Read through the cache; what does not fit in one or two pages is read directly."""
        offset = address & (PAGE_BYTES - 1)
        if offset + size <= PAGE_BYTES:
            return self.pages[address >> _PAGE_SHIFT][offset : offset + size]
        if size <= PAGE_BYTES:
            first = self.pages[address >> _PAGE_SHIFT][offset:]
            return first + self.pages[(address >> _PAGE_SHIFT) + 1][: size - len(first)]
        return self.read_fresh(address, size)

    def u64(self, address: int) -> int:
        """An unsigned 64-bit word (a pointer)."""
        offset = address & (PAGE_BYTES - 1)
        value: int
        if offset <= PAGE_BYTES - 8:
            (value,) = _unpack_u64(self.pages[address >> _PAGE_SHIFT], offset)
        else:
            (value,) = _U64.unpack(self.read(address, 8))
        return value

    def i64(self, address: int) -> int:
        """A signed 64-bit word (Py_ssize_t)."""
        value: int = _I64.unpack(self.read(address, 8))[0]
        return value

    def u32(self, address: int) -> int:
        """An unsigned 32-bit word."""
        value: int = _U32.unpack(self.read(address, 4))[0]
        return value

    def i32(self, address: int) -> int:
        """A signed 32-bit word (int)."""
        value: int = _I32.unpack(self.read(address, 4))[0]
        return value

    def i8(self, address: int) -> int:
        """A signed byte (signed char)."""
        value = self.read(address, 1)[0]
        return value - 256 if value > 127 else value

    def c_string(self, address: int, max_bytes: int = 256) -> bytes:
        """A string that ends in a zero byte, which has to come within `max_bytes`."""
        in_page = PAGE_BYTES - (address & (PAGE_BYTES - 1))
        data = self.read(address, min(in_page, max_bytes))
        if b"\0" not in data and in_page < max_bytes:
            data += self.read(address + in_page, max_bytes - in_page)
        text, end, _ = data.partition(b"\0")
        if not end:
            raise UnreadableMemoryError(f"a string without an end at {address:#x}")
        return text


def words(data: bytes) -> tuple[int, ...]:
    """Bytes as unsigned 64-bit words; what is left over at the end is dropped."""
    return struct.unpack_from(f"<{len(data) // 8}Q", data)
