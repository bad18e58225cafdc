"""Turns addresses in another process into bytes: bounded reads of /proc/PID/mem through a page cache for one look.

The process is neither stopped nor written to; this file needs the same permission as a ptrace attach (proc(5)).
"""

from __future__ import annotations

import os
import struct

from gtdiag.interpreter.errors import InterpreterGoneError, UnreadableMemoryError

PAGE_BYTES = 4096
_PAGE_SHIFT = 12
_MAX_CACHED_PAGES = 8192
"""32 MiB; 10,000 tasks of a real server fill about half of it."""
_MAX_READ_BYTES = 16 * 1024 * 1024
_LOWEST_ADDRESS = 0x1000
_HIGHEST_ADDRESS = 1 << 56
"""User addresses end at 2^47 on x86-64 (2^56 with five-level paging) and at 2^52 on aarch64."""

_U64 = struct.Struct("<Q")
_I64 = struct.Struct("<q")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")


class ProcessMemory:
    """The memory of one process. Reads raise `UnreadableMemoryError`, or `InterpreterGoneError` after its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        self._pages: dict[int, bytes] = {}
        self.reads = 0

    def close(self) -> None:
        """Close the file; reads fail from now on."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._pages.clear()

    def forget(self) -> None:
        """Begin a new look: nothing read so far is trusted any more."""
        self._pages.clear()

    def read_fresh(self, address: int, size: int) -> bytes:
        """Read past the cache; exactly `size` bytes or an error."""
        if not _LOWEST_ADDRESS <= address < _HIGHEST_ADDRESS or not 0 <= size <= _MAX_READ_BYTES:
            raise UnreadableMemoryError(f"no plausible address: {address:#x}, {size} bytes")
        self.reads += 1
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

    def _page(self, number: int) -> bytes:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= _MAX_CACHED_PAGES:
                self._pages.clear()
            page = self.read_fresh(number << _PAGE_SHIFT, PAGE_BYTES)
            self._pages[number] = page
        return page

    def read(self, address: int, size: int) -> bytes:
        """Read through the cache; what does not fit in one or two pages is read directly."""
        offset = address & (PAGE_BYTES - 1)
        if offset + size <= PAGE_BYTES:
            return self._page(address >> _PAGE_SHIFT)[offset : offset + size]
        if size <= PAGE_BYTES:
            first = self._page(address >> _PAGE_SHIFT)[offset:]
            return first + self._page((address >> _PAGE_SHIFT) + 1)[: size - len(first)]
        return self.read_fresh(address, size)

    def u64(self, address: int) -> int:
        """An unsigned 64-bit word (a pointer)."""
        offset = address & (PAGE_BYTES - 1)
        value: int
        if offset <= PAGE_BYTES - 8:
            (value,) = _U64.unpack_from(self._page(address >> _PAGE_SHIFT), offset)
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
