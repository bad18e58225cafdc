"""gunicorn's configuration for the DNS cells: a mount namespace of its own, in which $RESOLVER is the name server.

As in a container; nothing outside changes. Needs root.
"""

import ctypes
import os
import tempfile

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, flags):
    if libc.mount(source, target, None, flags, None):
        raise OSError(ctypes.get_errno(), "mount")


if libc.unshare(CLONE_NEWNS):
    raise OSError(ctypes.get_errno(), "unshare")
mount(b"none", b"/", MS_REC | MS_PRIVATE)
with tempfile.NamedTemporaryFile("w", prefix="resolv.conf-") as resolv_conf:
    resolv_conf.write(f"nameserver {os.environ['RESOLVER']}\noptions timeout:30 attempts:5\n")
    resolv_conf.flush()
    mount(resolv_conf.name.encode(), b"/etc/resolv.conf", MS_BIND)
