"""A log file, compressed or not, to a stream of its bytes; what it is compressed with is read from its first bytes."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO, Any, Protocol, cast

from gtdiag.errors import LogReadError


class ByteSource(Protocol):
    """What log text is read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...


_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES = 6
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_log(path: Path) -> ByteSource:
    """Open a log file for reading, decompressing as its first bytes say.

    Raises LogReadError where it is missing, not a file or not readable, or where the library for it is not installed.
    """
    try:
        if path.is_dir():
            raise LogReadError(f"{path} is a directory", "name the log files in it, e.g. the output of a shell pattern")
        raw = path.open("rb")
    except FileNotFoundError:
        raise LogReadError(f"no such file: {path}", "check the path; '-' reads standard input") from None
    except PermissionError:
        raise LogReadError(
            f"not allowed to read {path}",
            "run as a user that may read it, or pipe it in: sudo cat FILE | gtdiag analyze -",
        ) from None
    except (OSError, ValueError) as error:
        raise LogReadError(f"cannot open {path}: {error}", "check the path; '-' reads standard input") from None
    return decompress(raw, str(path))


def decompress(raw: IO[bytes] | ByteSource, name: str) -> ByteSource:
    """The plain bytes behind `raw`. `name` is for messages."""
    try:
        head = read_fully(raw, _MAGIC_BYTES)
    except OSError as error:
        raise LogReadError(f"cannot read {name}: {error.strerror or error}", "") from None
    joined = cast("IO[bytes]", io.BufferedReader(PushedBack(head, raw), 1 << 20))
    if head.startswith(_GZIP):
        return _open_gzip(joined)
    if head.startswith(_BZIP2):
        import bz2

        return bz2.BZ2File(joined)
    if head.startswith(_XZ):
        import lzma

        return lzma.LZMAFile(joined)
    if head.startswith(_ZSTD):
        return _open_zstd(joined, name)
    if head.startswith(_UTF16_MARKS) and not head.startswith(codecs.BOM_UTF32_LE):
        return Utf16Reader(joined)
    return joined


def is_compressed(path: Path) -> bool:
    """Whether the file's bytes are not the log's own: compressed, or UTF-16. Raises OSError."""
    with path.open("rb") as file:
        return file.read(_MAGIC_BYTES).startswith((_GZIP, _BZIP2, _XZ, _ZSTD, *_UTF16_MARKS))


def _open_gzip(raw: IO[bytes]) -> ByteSource:
    try:
        # A quarter of the time of zlib (gtdiag[fast]).
        from isal import igzip
    except ImportError:
        import gzip

        return gzip.GzipFile(fileobj=raw)
    return cast("ByteSource", igzip.GzipFile(fileobj=raw))  # type: ignore[no-untyped-call]


def _open_zstd(raw: IO[bytes], name: str) -> ByteSource:
    try:
        # The standard library has it from Python 3.14 on.
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        return cast("ByteSource", zstd.ZstdFile(raw))
    try:
        import zstandard
    except ImportError:
        raise LogReadError(
            f"{name} is compressed with zstd, which this Python cannot read by itself", "pip install 'gtdiag[zstd]'"
        ) from None
    return cast("ByteSource", zstandard.ZstdDecompressor().stream_reader(cast(Any, raw), read_across_frames=True))


def read_fully(source: ByteSource, size: int) -> bytes:
    """Exactly `size` bytes unless the source ends before (a pipe gives fewer at a time)."""
    data = source.read(size)
    if not data or len(data) == size:
        return data
    pieces, have = [data], len(data)
    while have < size and (data := source.read(size - have)):
        pieces.append(data)
        have += len(data)
    return b"".join(pieces)


class PushedBack(io.RawIOBase):
    """A byte source whose first bytes were read already and are given again."""

    def __init__(self, head: bytes, rest: IO[bytes] | ByteSource) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Always: it is made for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, first from what was pushed back."""
        if self._head:
            data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class GuardedSource:
    """A source that ends where it is damaged; `damage` then says how. What could be read is not lost."""

    def __init__(self, raw: ByteSource) -> None:
        # read1 gives what is there and fails only afterwards; read would lose it.
        self._read = getattr(raw, "read1", raw.read)
        self.damage = ""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end and from the damage on."""
        if self.damage:
            return b""
        try:
            return cast(bytes, self._read(size))
        except Exception as error:  # each library of compression has an error class of its own
            self.damage = str(error) or type(error).__name__
            return b""


class Utf16Reader:
    """UTF-16 text (what PowerShell's `>` writes) as UTF-8 bytes."""

    def __init__(self, raw: ByteSource) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-16")(errors="backslashreplace")
        self._ready = b""
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes of UTF-8."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            data = self._raw.read(1 << 20)
            self._ended = not data
            text = self._decoder.decode(data, final=self._ended)
            self._ready += text.encode("utf-8", "backslashreplace")
        cut = len(self._ready) if size < 0 else size
        data, self._ready = self._ready[:cut], self._ready[cut:]
        return data
