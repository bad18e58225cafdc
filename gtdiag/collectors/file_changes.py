"""Changes of an open file to a descriptor that can be read after one: inotify(7), so that nobody has to poll."""

from __future__ import annotations

import contextlib
import os

_IN_MODIFY, _IN_ATTRIB, _IN_MOVE_SELF, _IN_DELETE_SELF = 0x2, 0x4, 0x800, 0x400
_WATCHED = _IN_MODIFY | _IN_ATTRIB | _IN_MOVE_SELF | _IN_DELETE_SELF
_NONBLOCKING_CLOSED_ON_EXEC = os.O_NONBLOCK | os.O_CLOEXEC
_MANY_BYTES = 65536


class FileChanges:
    """Follows one file at a time. It only listens: nothing of the file is read or written here."""

    def __init__(self) -> None:
        import ctypes  # some 5 ms, and only a live watch needs it

        self._descriptor: int | None = None
        self._watch: int | None = None
        try:
            self._c_library = ctypes.CDLL(None, use_errno=True)
            descriptor = self._c_library.inotify_init1(_NONBLOCKING_CLOSED_ON_EXEC)
        except (OSError, AttributeError):  # no Linux
            return
        if descriptor >= 0:  # -1: the user has too many of them (fs.inotify.max_user_instances)
            self._descriptor = descriptor

    def follow(self, descriptor: int) -> int | None:
        """What can be read when the file open as `descriptor` has changed; None where the kernel does not tell."""
        if self._descriptor is None:
            return None
        if self._watch is None:
            # By its descriptor: the name may mean another file by now.
            path = f"/proc/self/fd/{descriptor}".encode()
            watch = self._c_library.inotify_add_watch(self._descriptor, path, _WATCHED)
            if watch < 0:
                self.close()
                return None
            self._watch = watch
        return self._descriptor

    def take(self) -> bool:
        """Whether there was a change since the last call."""
        if self._descriptor is None:
            return False
        try:
            return bool(os.read(self._descriptor, _MANY_BYTES))
        except OSError:  # EAGAIN
            return False

    def leave(self) -> None:
        """Follow no file."""
        if self._descriptor is not None and self._watch is not None:
            self._c_library.inotify_rm_watch(self._descriptor, self._watch)
            self.take()
        self._watch = None

    def close(self) -> None:
        """Stop listening."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = self._watch = None
