"""Lines to a terminal's other screen, and the terminal given back as it was, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import threading
import tty
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.live_lines import Line, Tone

_ENTER = "\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[0m\x1b[2J"
"""The other screen, no wrapping at the right edge, no cursor."""
_LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_COLOURS = {
    Tone.DIM: "2",
    Tone.BOLD: "1",
    Tone.ALARM: "1;31",
    Tone.WARNING: "33",
    Tone.GOOD: "32",
    Tone.APP: "1;36",
}
_WITHOUT_COLOUR = {Tone.DIM: "2", Tone.BOLD: "1", Tone.ALARM: "1", Tone.APP: "1"}
DEFAULT_SIZE = (80, 24)


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Where keys are read from. `descriptor` None: nowhere, and `why`."""

    descriptor: int | None
    why: str = ""
    owned: bool = False
    """Whether the descriptor was opened for this, and is to be closed."""

    def close(self) -> None:
        """Close what was opened."""
        if self.owned and self.descriptor is not None:
            os.close(self.descriptor)


def open_keyboard(stdin: TextIO | None, *, stdin_is_log: bool) -> Keyboard:
    """Standard input where it is the terminal and not the log, else the terminal that the process belongs to."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        if stdin is not None and stdin.isatty():
            if stdin_is_log:
                return Keyboard(None, "standard input is the log")
            return Keyboard(stdin.fileno())
    try:
        return Keyboard(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC), owned=True)
    except OSError:
        return Keyboard(None, "there is no terminal to read them from")


def is_in_foreground(stream: TextIO) -> bool:
    """Whether the terminal is this process's to draw on: a job in the background must leave it to the shell."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # not this process's controlling terminal: nobody else's either
        return True


class TerminalScreen:
    """Draws lines; only those that have changed since the last time are written.

    `enter` and `leave` may be called from any thread, in any order and again and again.
    """

    def __init__(self, stream: TextIO, keyboard: Keyboard, *, colour: bool) -> None:
        self._output = stream.fileno()
        self._encoding = stream.encoding or "ascii"
        self._keyboard = keyboard
        self._codes = _COLOURS if colour else _WITHOUT_COLOUR
        self._lock = threading.RLock()
        self._inside = False
        self._before: list[int | list[bytes | int]] | None = None
        self._drawn: list[str] = []
        self._size = (0, 0)

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        try:
            columns, rows = os.get_terminal_size(self._output)
        except OSError:
            return DEFAULT_SIZE
        return (columns or DEFAULT_SIZE[0], rows or DEFAULT_SIZE[1])

    def enter(self) -> None:
        """Switch to the other screen, and let keys come one by one. Ctrl-C and Ctrl-Z stay signals."""
        with self._lock:
            if self._inside:
                return
            self._inside = True
            if self._keyboard.descriptor is not None:
                with contextlib.suppress(termios.error, OSError):
                    if self._before is None:
                        self._before = termios.tcgetattr(self._keyboard.descriptor)
                    tty.setcbreak(self._keyboard.descriptor, termios.TCSANOW)
            self._drawn = []
            self._write(_ENTER)

    def leave(self) -> None:
        """Give the terminal back. It never raises: a terminal that has gone away needs nothing."""
        with self._lock:
            if not self._inside:
                return
            self._inside = False
            with contextlib.suppress(OSError):
                self._write(_LEAVE)
            self._restore_modes()

    def reenter(self) -> None:
        """Take the terminal again after the process was stopped: the shell has had it meanwhile."""
        with self._lock:
            self._inside = False
            self.enter()

    def abandon(self) -> None:
        """Let go of a terminal to which another thread is stuck writing: its modes only."""
        self._inside = False
        self._restore_modes()

    def draw(self, lines: Sequence[Line], size: tuple[int, int]) -> None:
        """Show the lines, from the first row of the window on."""
        with self._lock:
            if not self._inside:
                return
            wanted = [self._encode(line) for line in lines]
            pieces = []
            if size != self._size or not self._drawn:
                pieces.append("\x1b[0m\x1b[2J")
                self._drawn, self._size = [], size
            for row, line in enumerate(wanted):
                if row >= len(self._drawn) or self._drawn[row] != line:
                    pieces.append(f"\x1b[{row + 1};1H\x1b[2K{line}")
            for row in range(len(wanted), len(self._drawn)):
                pieces.append(f"\x1b[{row + 1};1H\x1b[2K")
            self._drawn = wanted
            if pieces:
                self._write("".join(pieces))

    def _restore_modes(self) -> None:
        if self._before is not None and self._keyboard.descriptor is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._keyboard.descriptor, termios.TCSANOW, self._before)

    def _encode(self, line: Line) -> str:
        parts = []
        for span in line.spans:
            # Cleaned before; this is the last door, and nothing that a terminal obeys goes through it.
            text = escape_text(span.text)
            codes = [code for code in (self._codes.get(span.tone), "7" if line.selected else None) if code]
            parts.append(f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text)
        return "".join(parts)

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._output, data) :]


def flush_streams() -> None:
    """Write what is buffered before the terminal changes hands."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
