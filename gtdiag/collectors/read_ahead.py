"""Reads a log ahead in a thread: the next blocks are read and decompressed while the last one is searched.

Reading and decompressing happen outside the interpreter's lock, so that both processors are used.
"""

from __future__ import annotations

import queue
import threading

from gtdiag.collectors.log_compression import ByteSource, read_fully

READ_ALONE_BYTES = 16 << 20
"""A log is this large before a thread is worth it."""

_PIECE_BYTES = 1 << 20
_PIECES_AHEAD = 16


class ReadAhead:
    """A source of bytes that, from `READ_ALONE_BYTES` on, is read by a thread of its own; the bytes are the same.

    `raw` must not raise (`GuardedSource`) and must not be read by anybody else until the end, or until `close`.
    """

    def __init__(self, raw: ByteSource, alone_bytes: int = READ_ALONE_BYTES) -> None:
        self._raw = raw
        self._alone_bytes = alone_bytes
        self._pieces: queue.SimpleQueue[bytes] | None = None
        self._room = threading.Semaphore(_PIECES_AHEAD)
        self._piece = b""
        self._closed = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        if self._alone_bytes > 0:
            data = self._raw.read(size)
            self._alone_bytes -= len(data)
            return data
        if self._pieces is None:
            self._pieces = queue.SimpleQueue()
            # The first piece ends where the caller's block does: from then on no piece has to be cut.
            first = size if size > 0 else _PIECE_BYTES
            threading.Thread(target=self._fill, args=(self._pieces, first), name="read-ahead", daemon=True).start()
        if not self._piece and not self._closed:
            self._piece = self._pieces.get()
            self._closed = not self._piece
            self._room.release()
        if size < 0 or size >= len(self._piece):
            data, self._piece = self._piece, b""
        else:
            data, self._piece = self._piece[:size], self._piece[size:]
        return data

    def close(self) -> None:
        """Read no further: the thread ends with the piece it is at."""
        self._closed = True
        self._room.release()

    def _fill(self, pieces: queue.SimpleQueue[bytes], size: int) -> None:
        while not self._closed:
            piece = read_fully(self._raw, size)
            self._room.acquire()
            pieces.put(piece)
            if not piece:
                return
            size = _PIECE_BYTES
