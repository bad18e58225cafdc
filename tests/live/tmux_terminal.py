"""A real terminal for tests: a command in a window of tmux, whose screen can be read as a person sees it.

with tmux_window(["gtdiag", "watch", "123"], columns=80, rows=24) as window:
    window.wait_for("verify_database_migrations")
    window.press("Enter")
    print(window.screen())
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here (Debian: apt-get install tmux)")

_ENDED = "THE COMMAND HAS ENDED WITH"
_POLL_S = 0.05


class Window:
    """One window of a tmux server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def screen(self, *, colours: bool = False) -> str:
        """What is on the screen, without spaces at the ends of lines."""
        text = self._tmux("capture-pane", "-p", *(["-e"] if colours else []), "-t", "0")
        return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")

    def press(self, *keys: str) -> None:
        """Send keys, by tmux's names ("Enter", "PPage", "C-z") or letters."""
        self._tmux("send-keys", "-t", "0", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        self._tmux("resize-window", "-t", "0", "-x", str(columns), "-y", str(rows))

    def wait_until(self, wanted: Callable[[str], bool], what: str, deadline_s: float = 30) -> str:
        """The screen, as soon as it is as wanted."""
        end = time.monotonic() + deadline_s
        while True:
            screen = self.screen()
            if wanted(screen):
                return screen
            assert time.monotonic() < end, f"{what} did not come:\n{screen}"
            time.sleep(_POLL_S)

    def wait_for(self, words: str, deadline_s: float = 30) -> str:
        """The screen, as soon as the words are on it."""
        return self.wait_until(lambda screen: words in screen, repr(words), deadline_s)

    def wait_for_end(self, deadline_s: float = 30) -> tuple[int, str]:
        """The exit status of the command, and everything that stands on the terminal then, scrolled out or not."""
        self.wait_for(_ENDED, deadline_s)
        text = self._tmux("capture-pane", "-p", "-S", "-", "-t", "0")
        return int(text.rpartition(_ENDED)[2].split()[0]), text.rpartition(_ENDED)[0]

    def pid(self) -> int:
        """The process that runs in the window."""
        return int(self._tmux("display-message", "-p", "-t", "0", "#{pane_pid}"))

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", os.fspath(self._socket), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"tmux {' '.join(arguments)}: {done.stderr}"
        return done.stdout


@contextlib.contextmanager
def tmux_window(
    command: Sequence[str] | str,
    *,
    columns: int = 80,
    rows: int = 24,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Window]:
    """Run a command (or a line of shell) in a window; its exit status is written there when it has ended."""
    line = command if isinstance(command, str) else shlex.join(command)
    given = {"LANG": "C.UTF-8", "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **(variables or {})}
    unset = [name for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "COLUMNS", "LINES") if name not in given]
    script = f"unset {' '.join(unset)}\n" if unset else ""
    script += "".join(f"export {name}={shlex.quote(value)}\n" for name, value in given.items())
    script += f"{line}\necho {_ENDED} $?\nsleep 600\n"
    with tempfile.TemporaryDirectory(prefix="tmux-") as folder:
        socket = Path(folder) / "socket"
        program = Path(folder) / "script.sh"
        program.write_text(script)
        size = ["-x", str(columns), "-y", str(rows)]
        start = [
            "tmux",
            "-S",
            os.fspath(socket),
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            *size,
            f"bash {program}",
        ]
        subprocess.run(start, check=True, env={**os.environ, "TERM": "xterm-256color"})
        window = Window(socket)
        try:
            yield window
        finally:
            with contextlib.suppress(AssertionError):
                window._tmux("kill-server")
