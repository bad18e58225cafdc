"""Somebody in front of the live view, without a terminal: presses keys, and sees lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gtdiag.analysis.live_state import LiveTracker
from gtdiag.model.live_state import LiveState
from gtdiag.model.report import Report
from gtdiag.renderers.live_keys import LiveUi, press
from gtdiag.renderers.live_lines import Ink
from gtdiag.renderers.live_screen import Moment, Screen, Size, lay_out

EVENTS = tuple(f"15:06:{second:02d} worker {second} booted" for second in range(12))


def state_of(report: Report) -> LiveState:
    return LiveTracker().draw(report)


class Reader:
    def __init__(
        self, state: LiveState | None, columns: int = 80, rows: int = 24, *, ascii: bool = False, keys_off: str = ""
    ) -> None:
        self.state = state
        self.size = Size(columns, rows)
        self.ink = Ink(ascii=ascii)
        self.keys_off = keys_off
        self.ui = LiveUi()
        self.now: datetime | None = None
        self.screen: Screen = self._draw()

    def see(self, state: LiveState) -> str:
        self.state = state
        self.screen = self._draw()
        return self.text

    def press(self, *keys: str) -> str:
        for key in keys:
            self.ui = press(self.ui, key, self.ui.held or self.state)
            self.screen = self._draw()
        return self.text

    def type(self, words: str) -> str:
        return self.press(*words)

    def resize(self, columns: int, rows: int) -> str:
        self.size = Size(columns, rows)
        self.screen = self._draw()
        return self.text

    @property
    def text(self) -> str:
        return "\n".join(line.text.rstrip() for line in self.screen.lines)

    @property
    def listed(self) -> list[str]:
        """The first word of each row of the list, a pid or a time; the cursor's row begins with ">"."""
        rows = [line.text for line in self.screen.lines if line.text[:2] in ("> ", "  ") and line.text[2:3].isdigit()]
        return [row[2:].split()[0] for row in rows]

    @property
    def selected(self) -> str:
        [line] = [line for line in self.screen.lines if line.selected]
        assert line.text.startswith("> "), "the cursor shows without colours, too"
        return line.text[2:].split()[0]

    def _draw(self) -> Screen:
        screen = lay_out(self.state, self.ui, self.size, self.ink, Moment(EVENTS, self.now, self.keys_off))
        self.ui = replace(self.ui, top=screen.top, scroll=screen.scroll, page=max(1, screen.page))
        return screen
