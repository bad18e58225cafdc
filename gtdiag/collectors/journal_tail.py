"""The journal's entries, as they come, to lines: `journalctl -o json -f`, which is ended with the watch."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace

from gtdiag.collectors.log_tail import PipeTail, TailLine
from gtdiag.collectors.programs import find_program

READ_BACK_ENTRIES = 2500
"""How many of the latest entries are read at the start, as many as a file's 256 kB have lines."""

READ_BACK_S = 30.0
"""In which journalctl has printed them: it opens every journal file, on a slow disk for seconds."""

_WRITTEN_AT = re.compile(r'"__REALTIME_TIMESTAMP"\s*:\s*"(\d+)"')
_BLIND = re.compile(
    r"not seeing messages|insufficient permissions|No journal files were (?:found|opened)", re.IGNORECASE
)
_STDERR_BYTES = 4096


def journal_command(matches: Sequence[str]) -> list[str]:
    """What prints and follows the entries with these fields."""
    return ["journalctl", "-o", "json", "-f", "-n", str(READ_BACK_ENTRIES), "--no-pager", "-q", *matches]


def can_read_journal() -> bool:
    """Whether the journal's own reader is here."""
    return find_program("journalctl") is not None


class JournalTail:
    """Follows the journal. `vanished` is True when nothing can come, and `why_vanished` says why not.

    `matches`: fields with their values, as journalctl takes them. Entries from before it began are marked `old`.
    """

    def __init__(self, matches: Sequence[str]) -> None:
        self.vanished = False
        self.why_vanished = ""
        self.left_out_bytes = 0
        self._began_us, self._began_s = time.time_ns() // 1000, time.monotonic()
        self._process = subprocess.Popen(
            [*_dying_with_its_parent(), str(find_program("journalctl")), *journal_command(matches)[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        self._pipe = PipeTail(self._process.stdout.fileno())
        self._said = b""

    def poll(self) -> list[TailLine]:
        """Give the entries that are there; never waits."""
        lines = [self._dated(line) for line in self._pipe.poll()]
        self._listen()
        return lines

    def news(self) -> int | None:
        """What can be read when there is an entry."""
        return self._pipe.news()

    def close(self) -> list[TailLine]:
        """End journalctl; its last line is whole."""
        self._process.terminate()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return []

    def _dated(self, line: TailLine) -> TailLine:
        written = _WRITTEN_AT.search(line.text)
        old = written is not None and int(written[1]) < self._began_us
        if old and time.monotonic() - self._began_s > READ_BACK_S:
            old = False  # what was there has long been read: somebody has set the clock back
        return replace(line, old=old)

    def _listen(self) -> None:
        """What journalctl complains of: it goes on, silently, where it may read only the user's own journal."""
        assert self._process.stderr is not None
        with contextlib.suppress(BlockingIOError, OSError):
            while len(self._said) < _STDERR_BYTES and (data := os.read(self._process.stderr.fileno(), _STDERR_BYTES)):
                self._said += data
        said = self._said.decode("utf-8", "backslashreplace").strip()
        if _BLIND.search(said):
            self.vanished, self.why_vanished = True, "this user may not read the system's journal"
        elif self._process.poll() is not None:
            self.vanished = True
            self.why_vanished = said.splitlines()[-1] if said else "journalctl has ended"


def _dying_with_its_parent() -> list[str]:
    """What makes the kernel end journalctl should gtdiag be killed; nothing where util-linux has no such option."""
    command = [str(find_program("setpriv")), "--pdeathsig", "TERM"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return []
    return command
