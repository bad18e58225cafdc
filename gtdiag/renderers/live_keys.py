"""The keys of the live view, and what each does to what is shown. Pure: a key and a state in, a state out."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from gtdiag.model.live_state import LiveState
from gtdiag.renderers.live_rows import incident_key, matching_incidents, matching_workers

MAX_FILTER = 80
"""Letters."""


class Action(enum.Enum):
    """What a key is for."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page_up"
    PAGE_DOWN = "page_down"
    FIRST = "first"
    LAST = "last"
    PREVIOUS = "previous"
    NEXT = "next"
    OPEN = "open"
    BACK = "back"
    FILTER = "filter"
    PAUSE = "pause"
    INCIDENTS = "incidents"
    LAST_INCIDENT = "last_incident"
    GAPS = "gaps"
    HELP = "help"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Binding:
    """Keys and their action. `shown`: the keys for eyes; `footer`: their word in the footer, where they have one."""

    action: Action
    keys: tuple[str, ...]
    shown: str
    words: str
    footer: str = ""


BINDINGS = (
    Binding(Action.UP, ("up", "k"), "Up, k", "the worker above; in a stack, a line up"),
    Binding(Action.DOWN, ("down", "j"), "Down, j", "the worker below; in a stack, a line down", "scroll"),
    Binding(Action.PAGE_UP, ("page_up", "b"), "PgUp, b", "a page up"),
    Binding(Action.PAGE_DOWN, ("page_down", "f"), "PgDn, f", "a page down"),
    Binding(Action.FIRST, ("home", "g"), "Home, g", "the first row, and stay with whatever is most urgent"),
    Binding(Action.LAST, ("end", "G"), "End, G", "the last row"),
    Binding(Action.OPEN, ("enter",), "Enter", "the worker's stack, what it waits for, and what to do", "stack"),
    Binding(Action.PREVIOUS, ("left", "h"), "Left, h", "in a stack: the worker above"),
    Binding(Action.NEXT, ("right",), "Right", "in a stack: the worker below", "next"),
    Binding(Action.FILTER, ("/",), "/", "show only what has these words: a pid, call, category, phase", "filter"),
    Binding(Action.PAUSE, ("p", " "), "p, Space", "hold the screen still; the watch goes on", "pause"),
    Binding(Action.INCIDENTS, ("i", "tab"), "i, Tab", "the incidents, and back to the workers", "incidents"),
    Binding(Action.LAST_INCIDENT, ("l",), "l", "the last incident", "last"),
    Binding(Action.GAPS, ("u",), "u", "what could not be looked at, why, and what would change that", "gaps"),
    Binding(Action.BACK, ("escape", "backspace"), "Esc", "back; no filter any more", "back"),
    Binding(Action.HELP, ("?",), "?", "this list", "keys"),
    Binding(Action.QUIT, ("q",), "q, Ctrl-C", "end the watch and print the report", "report"),
)
_FOOTER = (
    Action.QUIT,
    Action.OPEN,
    Action.FILTER,
    Action.PAUSE,
    Action.INCIDENTS,
    Action.LAST_INCIDENT,
    Action.GAPS,
    Action.HELP,
)
_TEXT_FOOTER = (Action.BACK, Action.DOWN, Action.NEXT, Action.PAUSE, Action.LAST_INCIDENT, Action.HELP, Action.QUIT)
FOOTER_BINDINGS = tuple(binding for action in _FOOTER for binding in BINDINGS if binding.action is action)
TEXT_FOOTER_BINDINGS = tuple(binding for action in _TEXT_FOOTER for binding in BINDINGS if binding.action is action)
_ACTION_OF = {key: binding.action for binding in BINDINGS for key in binding.keys}
_ARROWS = ("up", "down", "page_up", "page_down", "home", "end")
"""They move the cursor also while a filter is typed."""


class Pane(enum.Enum):
    """What fills the screen."""

    WORKERS = "workers"
    WORKER = "worker"
    INCIDENTS = "incidents"
    INCIDENT = "incident"
    GAPS = "gaps"
    HELP = "help"


LISTS = (Pane.WORKERS, Pane.INCIDENTS)
ASIDE = (Pane.HELP, Pane.GAPS)


@dataclass(frozen=True, slots=True)
class LiveUi:
    """Where the reader is. `worker`, `incident`: under the cursor, None follows the first row, whichever that is.

    `top`, `scroll`: the first row of a list and the first line of a text that are shown; `page`: rows in the window.
    `words`: the filter; `typing`: it is being typed. `held`: the state that a pause shows. `ending`: the watch ends.
    """

    pane: Pane = Pane.WORKERS
    before: Pane = Pane.WORKERS
    worker: Hashable | None = None
    incident: Hashable | None = None
    top: int = 0
    scroll: int = 0
    page: int = 10
    words: str = ""
    typing: bool = False
    held: LiveState | None = None
    ending: bool = False


def press(ui: LiveUi, key: str, state: LiveState | None) -> LiveUi:
    """What a key does. `state`: the one that is shown; None before the first look."""
    if ui.typing:
        if key in _ARROWS:
            return _move_in_list(ui, _ACTION_OF[key], state)
        return _type(ui, key)
    action = _ACTION_OF.get(key)
    if action is None:
        return ui
    if action is Action.QUIT:
        return replace(ui, ending=True)
    if action in (Action.HELP, Action.GAPS):
        return _aside(ui, Pane.HELP if action is Action.HELP else Pane.GAPS)
    if action is Action.PAUSE:
        return replace(ui, held=state if ui.held is None else None)
    if action is Action.FILTER:
        return replace(ui, typing=True, pane=_list_of(ui), scroll=0)
    if action is Action.BACK:
        return _back(ui)
    if action is Action.INCIDENTS:
        pane = Pane.WORKERS if ui.pane in (Pane.INCIDENTS, Pane.INCIDENT) else Pane.INCIDENTS
        return replace(ui, pane=pane, top=0, scroll=0)
    if action is Action.LAST_INCIDENT:
        newest = state.incidents if state is not None else ()
        pane = Pane.INCIDENT if newest else Pane.INCIDENTS
        return replace(ui, pane=pane, incident=None, words="", top=0, scroll=0)
    if ui.pane in LISTS:
        return _move_in_list(ui, action, state)
    return _move_in_text(ui, action, state)


def keys_of_rows(ui: LiveUi, state: LiveState | None) -> list[Hashable]:
    """What tells the rows of the list apart that the reader is in, in their order."""
    if state is None:
        return []
    if _list_of(ui) is Pane.INCIDENTS:
        return [incident_key(incident) for incident in matching_incidents(state, ui.words)]
    return [one.key for one in matching_workers(state, ui.words)]


def cursor_index(ui: LiveUi, keys: Sequence[Hashable]) -> int:
    """The row under the cursor. One that has gone leaves the cursor on the first row."""
    cursor = ui.incident if _list_of(ui) is Pane.INCIDENTS else ui.worker
    return keys.index(cursor) if cursor in keys else 0


def _aside(ui: LiveUi, pane: Pane) -> LiveUi:
    """To a page beside the rest; the same key leads back."""
    if ui.pane is pane:
        return replace(ui, pane=ui.before, scroll=0)
    return replace(ui, pane=pane, before=ui.before if ui.pane in ASIDE else ui.pane, scroll=0)


def _list_of(ui: LiveUi) -> Pane:
    pane = ui.before if ui.pane in ASIDE else ui.pane
    return Pane.INCIDENTS if pane in (Pane.INCIDENTS, Pane.INCIDENT) else Pane.WORKERS


def _type(ui: LiveUi, key: str) -> LiveUi:
    if key == "enter":
        return replace(ui, typing=False)
    if key == "escape":
        return replace(ui, typing=False, words="", top=0)
    if key == "backspace":
        return replace(ui, words=ui.words[:-1], top=0)
    if len(key) == 1 and key.isprintable():
        return replace(ui, words=(ui.words + key)[:MAX_FILTER], top=0)
    return ui


def _back(ui: LiveUi) -> LiveUi:
    if ui.pane in ASIDE:
        return replace(ui, pane=ui.before, scroll=0)
    if ui.pane is Pane.WORKER:
        return replace(ui, pane=Pane.WORKERS, scroll=0)
    if ui.pane is Pane.INCIDENT:
        return replace(ui, pane=Pane.INCIDENTS, scroll=0)
    if ui.words:
        return replace(ui, words="", top=0)
    return replace(ui, pane=Pane.WORKERS, top=0)


def _move_in_list(ui: LiveUi, action: Action, state: LiveState | None) -> LiveUi:
    keys = keys_of_rows(ui, state)
    if not keys:
        return ui
    if action is Action.OPEN:
        # From here on it is this one, wherever its row moves.
        opened = _with_cursor(ui, keys[cursor_index(ui, keys)])
        return replace(opened, pane=Pane.WORKER if ui.pane is Pane.WORKERS else Pane.INCIDENT, scroll=0)
    if action is Action.FIRST:
        return replace(_with_cursor(ui, None), top=0)
    steps = {Action.UP: -1, Action.DOWN: 1, Action.PAGE_UP: -ui.page, Action.PAGE_DOWN: ui.page, Action.LAST: len(keys)}
    return _with_cursor(ui, _row_after(keys, cursor_index(ui, keys), steps.get(action, 0)))


def _move_in_text(ui: LiveUi, action: Action, state: LiveState | None) -> LiveUi:
    if action is Action.OPEN:
        return _back(ui)
    if action in (Action.PREVIOUS, Action.NEXT):
        keys = keys_of_rows(ui, state)
        if ui.pane in ASIDE or not keys:
            return ui
        step = 1 if action is Action.NEXT else -1
        return replace(_with_cursor(ui, _row_after(keys, cursor_index(ui, keys), step)), scroll=0)
    if action is Action.FIRST:
        return replace(ui, scroll=0)
    far = 1_000_000
    steps = {Action.UP: -1, Action.DOWN: 1, Action.PAGE_UP: -ui.page, Action.PAGE_DOWN: ui.page, Action.LAST: far}
    return replace(ui, scroll=max(0, ui.scroll + steps[action]))


def _row_after(keys: Sequence[Hashable], index: int, steps: int) -> Hashable:
    return keys[max(0, min(len(keys) - 1, index + steps))]


def _with_cursor(ui: LiveUi, key: Hashable | None) -> LiveUi:
    return replace(ui, incident=key) if _list_of(ui) is Pane.INCIDENTS else replace(ui, worker=key)
