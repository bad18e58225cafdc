"""A real mounted filesystem with one file whose server answers one read and no more, spoken to /dev/fuse itself.

Like a network filesystem that has lost its server, and whose waits can be interrupted. A second read of an open file
is answered (EINTR) only when a signal interrupts it, so its process can be killed. Layouts: include/uapi/linux/fuse.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading
from collections.abc import Iterator

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE, _FLUSH, _INIT, _OPENDIR = (
    1,
    2,
    3,
    14,
    15,
    17,
    18,
    25,
    26,
    27,
)
_INTERRUPT, _BATCH_FORGET = 36, 42
_ROOT, _FILE = 1, 2
_DIRECT_IO = 1
_MNT_DETACH = 2
_HEADER = struct.Struct("<IIQQIIII")
"""struct fuse_in_header: length, opcode, unique, node, uid, gid, pid, padding."""


@contextlib.contextmanager
def fuse_file(folder: str, name: str, content: bytes, size: int) -> Iterator[None]:
    """Mount on `folder`; `content` is how the file begins, `size` what it claims to hold in bytes. Root only."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"shop-models", folder.encode(), b"fuse.shop", 0, options.encode()):
        os.close(device)
        raise OSError(ctypes.get_errno(), f"cannot mount {folder}")
    stop_reader, stop_writer = os.pipe()
    server = threading.Thread(target=_serve, args=(device, stop_reader, name, content, size), daemon=True)
    server.start()
    try:
        yield
    finally:
        os.close(stop_writer)
        server.join(10)
        libc.umount2(folder.encode(), _MNT_DETACH)
        os.close(device)  # ends the connection: whoever still waits gets an error
        os.close(stop_reader)


def _serve(device: int, stop: int, name: str, content: bytes, size: int) -> None:
    has_read: set[int] = set()
    opened = 0
    while True:
        ready, _, _ = select.select([device, stop], [], [])
        if stop in ready:
            return
        try:
            request = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue  # the request was taken back
            return
        _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
        body = request[_HEADER.size :]
        if opcode in (_FORGET, _BATCH_FORGET):
            continue
        if opcode == _INTERRUPT:
            _reply(device, struct.unpack_from("<Q", body)[0], -errno.EINTR)
            continue
        if opcode == _READ:
            (handle,) = struct.unpack_from("<Q", body)
            if handle in has_read:
                continue
            has_read.add(handle)
        opened += opcode == _OPEN
        answer = _answer(opcode, node, body, name, content, size, opened)
        if answer is None:
            _reply(device, unique, -errno.ENOENT if opcode == _LOOKUP else -errno.ENOSYS)
        else:
            _reply(device, unique, 0, answer)


def _reply(device: int, unique: int, problem: int, answer: bytes = b"") -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        os.write(device, struct.pack("<IiQ", 16 + len(answer), problem, unique) + answer)


def _answer(opcode: int, node: int, body: bytes, name: str, content: bytes, size: int, opened: int) -> bytes | None:
    if opcode == _INIT:
        _, _, readahead, _ = struct.unpack_from("<IIII", body)
        # major, minor, readahead, flags, background requests, congestion, largest write, time granularity
        return struct.pack("<IIIIHHII", 7, 19, readahead, 0, 12, 9, 65536, 1) + bytes(64 - 28)
    if opcode == _LOOKUP:
        if body.rstrip(b"\0").decode() != name:
            return None
        return struct.pack("<QQQQII", _FILE, 0, 3600, 3600, 0, 0) + _attributes(_FILE, size)
    if opcode == _GETATTR:
        return struct.pack("<QII", 3600, 0, 0) + _attributes(node, size)
    if opcode in (_OPEN, _OPENDIR):
        return struct.pack("<QII", opened, _DIRECT_IO if opcode == _OPEN else 0, 0)
    if opcode == _READ:
        _, offset, length = struct.unpack_from("<QQI", body)
        return content[offset : offset + min(length, 128)]
    if opcode == _STATFS:
        return bytes(80)
    if opcode in (_FLUSH, _RELEASE):
        return b""
    return None


def _attributes(node: int, size: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
    blocks = size // 512
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, blocks, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
