"""A path that somebody else chose to an open file: never waits, and does not leave the root it is looked for in.

A log, a configuration file, a library: the user of the watched server may put a pipe or a device there, which would be
waited for without end, or a link that leads out of the container.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import struct

NO_FILE = "it is not an ordinary file"
_IN_ROOT = re.compile(r"(/proc/\d+/root)(/.*)", re.DOTALL)
_OPENAT2 = 437
"""The same number on every architecture; Linux 5.6 (openat2(2))."""
_RESOLVE_IN_ROOT = 0x10
_HOW = struct.Struct("=QQQ")
"""`struct open_how`: flags, mode, resolve."""
_O_PATH = getattr(os, "O_PATH", 0)
_MISSING = (errno.ENOSYS, errno.EPERM)
"""An older kernel; a seccomp profile that does not know the call."""
_NEVER_WAITS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_foreign(path: str | os.PathLike[str]) -> io.FileIO:
    """Open an ordinary file for reading, without a buffer. Raises OSError for anything else.

    Below /proc/PID/root links are followed as that process would follow them, also one that was put there a moment ago.
    """
    descriptor = _open(os.fspath(path), os.O_RDONLY | _NEVER_WAITS | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, NO_FILE, os.fspath(path))
        return open(descriptor, "rb", buffering=0)  # noqa: PTH123 (the descriptor is open)
    except BaseException:
        os.close(descriptor)
        raise


def read_foreign(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """Read the beginning of an ordinary file. Raises OSError."""
    with open_foreign(path) as file:
        pieces = []
        while most_bytes > 0 and (piece := file.read(most_bytes)):
            pieces.append(piece)
            most_bytes -= len(piece)
        return b"".join(pieces)


def stat_foreign(path: str | os.PathLike[str]) -> os.stat_result:
    """What a path leads to, as `open_foreign` would follow it. Raises OSError."""
    text = os.fspath(path)
    if not _IN_ROOT.fullmatch(text):
        return os.stat(text)  # noqa: PTH116 (several times a second)
    descriptor = _open(text, _O_PATH | os.O_CLOEXEC)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str, flags: int) -> int:
    found = _IN_ROOT.fullmatch(path)
    if found is None:
        return os.open(path, flags)
    root = os.open(found[1], _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _open_in_root(root, found[2], flags)
    except OSError as error:
        if error.errno not in _MISSING:
            raise OSError(error.errno, error.strerror, path) from None
        return os.open(path, flags)
    finally:
        os.close(root)


def _open_in_root(root: int, path: str, flags: int) -> int:
    import ctypes  # half a millisecond, and only a container's files need it

    how = ctypes.create_string_buffer(_HOW.pack(flags, 0, _RESOLVE_IN_ROOT), _HOW.size)
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    descriptor = int(
        call(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(os.fsencode(path)),
            how,
            ctypes.c_size_t(_HOW.size),
        )
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor
