"""The live view on a terminal: its own thread draws and reads keys, so that a slow terminal never delays a look."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from gtdiag.analysis.live_state import LiveTracker
from gtdiag.cli.event_log import EventLog, PlainLines
from gtdiag.cli.key_sequences import KeyDecoder
from gtdiag.cli.terminal import is_ascii_only, wants_colour
from gtdiag.cli.terminal_screen import Keyboard, TerminalScreen, flush_streams, is_in_foreground, open_keyboard
from gtdiag.collectors.clock import Clock, SystemClock
from gtdiag.model.events import Event
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.live_state import LiveState
from gtdiag.model.report import Report
from gtdiag.renderers.live_keys import LiveUi, press
from gtdiag.renderers.live_lines import Ink
from gtdiag.renderers.live_screen import Moment, Size, lay_out

if TYPE_CHECKING:
    from gtdiag.rules.rule_set import RuleSet

KEPT_LINES = 50
ESCAPE_ALONE_AFTER_S = 0.05
"""The bytes of one key come together; an Escape that nothing has followed for so long is the key of that name."""
IDLE_S = 1.0
"""Without a key or a new state the screen is looked over this often, for the age of what it shows."""
SHORTEST_PAUSE_S = 0.1
"""Between two drawings for what has been seen; a key is answered at once."""
CLOSE_S = 2.0
"""How long the end waits for a terminal that takes no more output."""
_SIGNALS = (signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP)


class LiveWindow:
    """Shows a watch on the terminal's other screen. `open` starts it, `close` gives the terminal back.

    `stdin_is_log`: no keys from there. `rules`: those that the remedies come from; None: gtdiag's own.
    """

    continuous = True

    def __init__(
        self,
        stream: TextIO,
        *,
        redact: bool,
        stdin_is_log: bool = False,
        rules: RuleSet | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._stream = stream
        self._redact = redact
        self._clock = clock or SystemClock()
        self._ink = Ink(ascii=is_ascii_only(stream), redact=redact)
        self._tracker = LiveTracker(rules)
        self._log = EventLog(self._remember, ascii_only=self._ink.ascii, redact=redact)
        self._keyboard: Keyboard = open_keyboard(sys.stdin, stdin_is_log=stdin_is_log)
        self._screen = TerminalScreen(stream, self._keyboard, colour=wants_colour(stream))
        self._keys_off = self._keyboard.why
        self._decoder = KeyDecoder()
        self._ui = LiveUi()
        self._state: LiveState | None = None
        self._events: tuple[str, ...] = ()
        self._stop = threading.Event()
        self._suspend, self._resume, self._left = threading.Event(), threading.Event(), threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="live-view", daemon=True)
        self._before: dict[int, object] = {}
        self._on_quit: Callable[[], None] = lambda: None
        self._failure: Exception | None = None
        self._instead: PlainLines | None = None

    def open(self, on_quit: Callable[[], None]) -> None:
        """Take the terminal. `on_quit` is called, in another thread, when the reader wants the watch to end."""
        self._on_quit = on_quit
        flush_streams()
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._on_signal)
        self._thread.start()

    def show_event(self, event: Event) -> None:
        """Add its line to the latest events."""
        if self._failure is not None:
            self._plain_lines().show_event(event)
            return
        self._tracker.add(event)
        self._log.show_event(event)

    def show_report(self, report: Report) -> None:
        """Show the workers as they are now."""
        if self._failure is not None:
            self._plain_lines().show_report(report)
            return
        self._log.show_report(report)
        self._state = self._tracker.draw(report)
        self._wake()

    def show_incident(self, notice: IncidentNotice) -> None:
        """Add its line to the latest events."""
        if self._failure is not None:
            self._plain_lines().show_incident(notice)
            return
        self._log.show_incident(notice)

    def say_stopping(self) -> None:
        """Show that the watch ends."""
        self._ui = replace(self._ui, ending=True)
        self._wake()

    def close(self) -> None:
        """Give the terminal back, as it was."""
        self._stop.set()
        self._wake()
        try:
            if self._thread.ident is not None:
                self._thread.join(CLOSE_S)
        finally:
            if self._thread.is_alive():  # stuck in a terminal that takes no more output
                self._screen.abandon()
            else:
                self._screen.leave()
                self._keyboard.close()
            for number, handler in self._before.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._before = {}

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if is_in_foreground(self._stream):
                self._screen.enter()
            while not self._stop.is_set():
                self._change_hands()
                self._draw()
                self._wait()
        except OSError:
            pass  # the terminal is gone; the watch goes on for its recording and its report
        except Exception as error:
            self._failure = error
        finally:
            self._screen.leave()
            self._left.set()

    def _draw(self) -> None:
        columns, rows = self._screen.size()
        moment = Moment(self._events, self._clock.now(), self._keys_off)
        screen = lay_out(self._state, self._ui, Size(columns, rows), self._ink, moment)
        self._ui = replace(self._ui, top=screen.top, scroll=screen.scroll, page=max(1, screen.page))
        self._screen.draw(screen.lines, (columns, rows))

    def _wait(self) -> None:
        """Until there is something to do: a key, a state, a signal, or a second has passed."""
        began_s = time.monotonic()
        keys = self._keyboard.descriptor if not self._keys_off else None
        listened = [self._wake_read] if keys is None else [self._wake_read, keys]
        ready = select.select(listened, [], [], ESCAPE_ALONE_AFTER_S if self._decoder.waiting else IDLE_S)[0]
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if keys is not None and keys in ready:
            self._read_keys(keys)
            return
        if self._decoder.waiting:
            self._press(self._decoder.flush())
            return
        if not (self._stop.is_set() or self._suspend.is_set()):
            pause_s = SHORTEST_PAUSE_S - (time.monotonic() - began_s)
            if ready and pause_s > 0 and keys is not None:
                select.select([keys], [], [], pause_s)

    def _read_keys(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 1024)
        except OSError:
            data = b""
        if not data:
            self._keys_off = "the terminal sends no more"
            return
        self._press(self._decoder.feed(data))

    def _press(self, keys: list[str]) -> None:
        for key in keys:
            shown = self._ui.held or self._state
            was_ending = self._ui.ending
            self._ui = press(self._ui, key, shown)
            if self._ui.ending and not was_ending:
                self._on_quit()

    def _change_hands(self) -> None:
        """Give the terminal to the shell and take it again, as the signals say."""
        if self._suspend.is_set():
            self._suspend.clear()
            self._screen.leave()
            self._left.set()
        if self._resume.is_set():
            self._resume.clear()
            if is_in_foreground(self._stream):
                self._screen.reenter()

    # --- signals, in the main thread ---------------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTSTP:
            self._stop_process()
        elif number == signal.SIGCONT:
            self._resume.set()
        self._wake()

    def _stop_process(self) -> None:
        """Ctrl-Z: the terminal first, then the process, as the system would have it stopped."""
        self._left.clear()
        self._suspend.set()
        self._wake()
        self._left.wait(1.0)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        # From here on it has been continued, or never stopped (no shell is there that could continue it).
        signal.signal(signal.SIGTSTP, self._on_signal)
        self._resume.set()

    # --- between the threads -----------------------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def _remember(self, line: str) -> None:
        self._events = (*self._events[-KEPT_LINES:], line)

    def _plain_lines(self) -> PlainLines:
        if self._instead is None:
            self._instead = PlainLines(sys.stderr, redact=self._redact)
            self._instead.say(f"the live view has failed ({self._failure!r}); the watch goes on in plain lines")
        return self._instead
