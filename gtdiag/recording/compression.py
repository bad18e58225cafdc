"""The bytes of a recording to the bytes of its file, compressed as the file's name says, and back to its lines."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import IO, Any, Protocol, cast

from gtdiag.errors import RecordingError

MAX_LINE_BYTES = 128 << 20
"""A longer line is no event: the longest seen, the suspended code of 10,000 tasks, has some 10 MB."""

_GZIP_MAGIC = b"\x1f\x8b"
_BZIP2_MAGIC = b"BZh"
_XZ_MAGIC = b"\xfd7zXZ\x00"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES = 6
_GZIP_WINDOW = 31
"""zlib's number for "a gzip header, and the largest window"."""
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3
_NO_ZSTD = "pip install 'gtdiag[zstd]'"


class DamagedError(Exception):
    """The compressed bytes are not what was written."""


class Compressor(Protocol):
    """What is given to it can be read back at once: every piece ends with a flush."""

    def compress(self, data: bytes) -> bytes:
        """Return what to append to the file so that `data` can be read from it."""
        ...

    def finish(self) -> bytes:
        """Return the end of the file."""
        ...


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Gzip:
    """gzip (RFC 1952) with a sync flush after each piece."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def compress(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    """Zstandard (RFC 8878) with the block ended after each piece, by the library `zstandard`."""

    def __init__(self, zstandard: Any) -> None:
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        self._flush_block = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def compress(self, data: bytes) -> bytes:
        return cast(bytes, self._stream.compress(data) + self._stream.flush(self._flush_block))

    def finish(self) -> bytes:
        return cast(bytes, self._stream.flush())


class _StandardZstd:
    """The same by the standard library, which has it from Python 3.14 on."""

    def __init__(self, zstd: Any) -> None:
        self._stream = zstd.ZstdCompressor(level=_ZSTD_LEVEL)
        self._flush_block = zstd.ZstdCompressor.FLUSH_BLOCK

    def compress(self, data: bytes) -> bytes:
        return cast(bytes, self._stream.compress(data, mode=self._flush_block))

    def finish(self) -> bytes:
        return cast(bytes, self._stream.flush())


def compressor_for(path: str) -> Compressor:
    """The compressor that the file's name asks for (.gz, .zst; none for any other).

    Raises `RecordingError` for .zst where no library for it is installed.
    """
    if path.endswith(".gz"):
        return _Gzip()
    if not path.endswith(".zst"):
        return _Plain()
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        return _StandardZstd(zstd)
    try:
        import zstandard
    except ImportError:
        raise RecordingError(
            f"{path}: this Python cannot write zstd by itself", hint=f"record to a .gz file, or {_NO_ZSTD}"
        ) from None
    return _Zstd(zstandard)


def read_head(head: bytes, size: int) -> bytes:
    """Up to `size` plain bytes of a file's first bytes, as far as they can be decompressed."""
    pieces: list[bytes] = []
    have = 0
    try:
        stream: Any = open_plain(io.BytesIO(head), "the file")
        while have < size and (piece := stream.read1(size - have)):
            pieces.append(piece)
            have += len(piece)
    except Exception:  # cut short, damaged, no library: each has an error class of its own
        pass
    return b"".join(pieces)


def open_plain(raw: IO[bytes], name: str) -> IO[bytes]:
    """The decompressed bytes behind `raw`, as its first bytes say.

    Raises `RecordingError` where it is zstd and no library for it is installed. Reading raises EOFError where the
    stream is cut short (zstandard's ends there in silence), and an error of the library's own where it is damaged.
    """
    buffered = io.BufferedReader(cast(Any, raw), 1 << 16)
    head = buffered.peek(_MAGIC_BYTES)
    if head.startswith(_GZIP_MAGIC):
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=buffered))
    if head.startswith(_BZIP2_MAGIC):
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(buffered))
    if head.startswith(_XZ_MAGIC):
        import lzma

        return cast("IO[bytes]", lzma.LZMAFile(buffered))
    if head.startswith(_ZSTD_MAGIC):
        return _open_zstd(buffered, name)
    return buffered


def _open_zstd(raw: IO[bytes], name: str) -> IO[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        return cast("IO[bytes]", zstd.ZstdFile(raw))
    try:
        import zstandard
    except ImportError:
        raise RecordingError(f"{name} is compressed with zstd, which this Python cannot read", hint=_NO_ZSTD) from None
    stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return cast("IO[bytes]", io.BufferedReader(cast(Any, stream), 1 << 16))


def iterate_lines(plain: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream up to its end, or up to where it is cut short; only the last one may lack its newline.

    Raises DamagedError, and OSError where it cannot be read at all.
    """
    while True:
        try:
            line = plain.readline(MAX_LINE_BYTES)
        except EOFError:
            return
        except OSError as error:
            if error.errno is not None:
                raise
            raise DamagedError(str(error)) from error  # gzip.BadGzipFile, and what bz2 raises
        except Exception as error:  # each library of compression has an error class of its own
            raise DamagedError(str(error) or type(error).__name__) from error
        if not line:
            return
        if len(line) >= MAX_LINE_BYTES:
            raise DamagedError(f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
        yield line
