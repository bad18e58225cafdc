"""The state of a watch, the reader's place in it and the window to the lines of the screen. Pure.

From the top: the sentence that matters now, what the watch has found, the facts of the master; then the workers, the
incidents, or one of them in full; the latest events; the keys.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.live_state import LiveState, Severity
from gtdiag.renderers import phrases
from gtdiag.renderers.health_section import say_answers
from gtdiag.renderers.layout import cell_width
from gtdiag.renderers.live_detail import gap_lines, incident_lines, worker_lines
from gtdiag.renderers.live_keys import (
    BINDINGS,
    FOOTER_BINDINGS,
    LISTS,
    TEXT_FOOTER_BINDINGS,
    LiveUi,
    Pane,
    cursor_index,
    keys_of_rows,
)
from gtdiag.renderers.live_lines import Ink, Line, Span, Tone, side_by_side
from gtdiag.renderers.live_rows import (
    ATTENTION_WORDS,
    incident_row,
    matching_incidents,
    matching_workers,
    worker_header,
    worker_row,
)

LATE_AFTER_S = 3.0
"""A look comes each second at least; after this long without one the screen says that it is old."""
LOW_ROWS = 16
"""A window lower than this has no room for blank lines and events."""
TALL_ROWS = 30
_TONES = {Severity.ALARM: Tone.ALARM, Severity.WARNING: Tone.WARNING, Severity.FINE: Tone.GOOD}


@dataclass(frozen=True, slots=True)
class Size:
    """Columns and rows of the window."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What is on the screen besides the state: the latest events as lines, the time, and why keys do not work."""

    events: Sequence[str] = ()
    now: datetime | None = None
    keys_off: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """The lines, and where the lists and texts in it stand now: what the next key counts from."""

    lines: tuple[Line, ...]
    top: int = 0
    scroll: int = 0
    page: int = 1


def lay_out(state: LiveState | None, ui: LiveUi, size: Size, ink: Ink, moment: Moment = Moment()) -> Screen:
    """The screen for a window of this size; never more lines than it has rows, never wider than its columns."""
    shown = ui.held or state
    columns = size.columns
    footer = _footer(ui, moment, columns, ink)
    if shown is None:
        waiting = [ink.line([Span("gtdiag: first look ...", Tone.BOLD)], columns)]
        return Screen(_fill(waiting, footer, size))
    top = _top(shown, state, ui, size, ink, moment)
    room = max(1, size.rows - len(top) - 1)
    if ui.pane not in LISTS:
        lines, scroll = _text(shown, ui, size, ink, room)
        return Screen(_fill([*top, *lines], footer, size), ui.top, scroll, room - 1)
    keys = keys_of_rows(ui, shown)
    events = _events(moment, size, ink) if ui.pane is Pane.WORKERS else []
    rows = max(1, room - 1 - len(events))
    first = _first_row(ui, keys, rows)
    body = _incidents(shown, ui, keys, columns, ink) if ui.pane is Pane.INCIDENTS else []
    body = body or _workers(shown, ui, keys, first, rows, columns, ink)
    header, listed = body[0], body[1:]
    if ui.pane is Pane.INCIDENTS:
        listed = listed[first : first + rows]
    listed += [Line()] * (rows - len(listed))
    return Screen(_fill([*top, header, *listed, *events], footer, size), first, ui.scroll, rows)


def _first_row(ui: LiveUi, keys: Sequence[Hashable], rows: int) -> int:
    """The first row that is shown: where the reader left it, moved as little as shows the cursor."""
    cursor = cursor_index(ui, keys)
    first = min(max(ui.top, cursor - rows + 1), cursor)
    return max(0, min(first, len(keys) - rows))


def _fill(lines: list[Line], footer: Line, size: Size) -> tuple[Line, ...]:
    """The lines with the footer on the last row."""
    if size.rows <= 1:
        return tuple(lines[: max(0, size.rows)])
    lines = lines[: size.rows - 1]
    return (*lines, *[Line()] * (size.rows - 1 - len(lines)), footer)


def _top(shown: LiveState, state: LiveState | None, ui: LiveUi, size: Size, ink: Ink, moment: Moment) -> list[Line]:
    columns, low = size.columns, size.rows < LOW_ROWS
    lines = ink.paragraph(shown.headline, columns, _TONES[shown.severity], most=1 if low else 2)
    if shown.verdict and ui.pane is Pane.WORKERS and not low:
        lines += ink.paragraph(shown.verdict, columns, most=3 if size.rows < TALL_ROWS else 5)
    lines += _facts(shown, columns, ink, low)
    if ui.held is not None:
        lines += ink.paragraph(_say_held(ui.held, state), columns, Tone.WARNING, most=1)
    elif moment.now is not None and shown.at is not None:
        late_s = (moment.now - shown.at).total_seconds()
        if late_s >= LATE_AFTER_S:
            words = f"This is old: the last look was {phrases.say_seconds(late_s)} ago."
            lines += ink.paragraph(words, columns, Tone.WARNING, most=1)
    return lines if low else [*lines, Line()]


def _say_held(held: LiveState, state: LiveState | None) -> str:
    words = f"PAUSED at {phrases.say_time(held.at)}; the watch goes on"
    if state is None:
        return f"{words}."
    new = len(state.incidents) - len(held.incidents)
    if new > 0:
        words += f", {phrases.say_count(new, 'new incident')}"
    return f"{words}. p: go on."


def _facts(state: LiveState, columns: int, ink: Ink, low: bool) -> list[Line]:
    """What is watched, as many to a line as fit; the time at the right edge of the first."""
    facts = [f"master {state.master_pid or '?'}", f"gunicorn {state.version or '?'}"]
    if state.worker_class:
        facts.append(state.worker_class.rpartition(".")[2])
    expected = state.running if state.expected is None else state.expected
    facts.append(f"{state.ready} of {expected} ready")
    if state.timeout_s is not None:
        facts.append(f"timeout {state.timeout_s:g} s" if state.timeout_s else "no timeout")
    facts += [_say_log(state), phrases.say_count(len(state.gaps), "gap"), _say_incidents(state)]
    if state.health is not None:
        facts.append(f"health {say_answers(state.health)}")
    at = phrases.say_time(state.at, unknown="")
    lines: list[str] = [""]
    for fact in (ink.clean(fact) for fact in facts):
        room = columns - (len(at) + 2 if len(lines) == 1 else 0)
        if lines[-1] and cell_width(lines[-1]) + 2 + cell_width(fact) > room:
            lines.append(fact)
        else:
            lines[-1] += ("  " if lines[-1] else "") + fact
    shown = lines[:1] if low else lines
    return [
        ink.line(side_by_side([Span(line, Tone.DIM)], "" if number else at, columns), columns)
        for number, line in enumerate(shown)
    ]


def _say_incidents(state: LiveState) -> str:
    return phrases.say_count(len(state.incidents), "incident")


def _say_log(state: LiveState) -> str:
    if not state.log.files:
        return "no log"
    return "log quiet" if state.log.lag_s is None else f"log lag {state.log.lag_s:.1f} s"


def _workers(
    state: LiveState, ui: LiveUi, keys: Sequence[Hashable], first: int, rows: int, columns: int, ink: Ink
) -> list[Line]:
    found = matching_workers(state, ui.words)
    cursor = cursor_index(ui, keys)
    last = min(len(found), first + rows)
    lines = [worker_header(columns, ink, f"{first + 1} to {last} of {len(found)}" if last - first < len(found) else "")]
    if not found:
        why = f"no worker has {ui.words!r}; Esc shows all {len(state.workers)}" if ui.words else "no worker yet"
        return [*lines, ink.line([Span(f"  {why}", Tone.DIM)], columns)]
    lines += [
        worker_row(one, state.timeout_s, columns, ink, selected=first + number == cursor)
        for number, one in enumerate(found[first : first + rows])
    ]
    left_out = len(found) - first - rows
    if state.earlier_ends and left_out < 0:
        words = f"  and {phrases.say_count(state.earlier_ends, 'worker')} that ended earlier"
        lines.append(ink.line([Span(words, Tone.DIM)], columns))
    return lines


def _incidents(state: LiveState, ui: LiveUi, keys: Sequence[Hashable], columns: int, ink: Ink) -> list[Line]:
    found = matching_incidents(state, ui.words)
    cursor = cursor_index(ui, keys)
    lines = [
        ink.line([Span(f"  INCIDENTS, the latest first: {len(found)} of {len(state.incidents)}", Tone.DIM)], columns)
    ]
    if not found:
        why = f"no incident has {ui.words!r}; Esc shows all" if ui.words else "none so far"
        return [*lines, ink.line([Span(f"  {why}", Tone.DIM)], columns)]
    return lines + [
        incident_row(incident, columns, ink, selected=number == cursor) for number, incident in enumerate(found)
    ]


def _events(moment: Moment, size: Size, ink: Ink) -> list[Line]:
    if size.rows < LOW_ROWS or not moment.events:
        return []
    most = 3 if size.rows < TALL_ROWS else 8
    lines = [ink.line([Span(line, Tone.DIM)], size.columns) for line in moment.events[-most:]]
    return [Line(), *lines]


def _text(state: LiveState, ui: LiveUi, size: Size, ink: Ink, room: int) -> tuple[list[Line], int]:
    """The window on a text, and where in the text it begins."""
    lines = _text_lines(state, ui, size.columns, ink)
    if len(lines) <= room:
        return lines, 0
    rows = max(1, room - 1)
    scroll = min(ui.scroll, len(lines) - rows)
    last = min(len(lines), scroll + rows)
    place = f"lines {scroll + 1} to {last} of {len(lines)}"
    return [*lines[scroll:last], ink.line([Span(f"  {place}", Tone.DIM)], size.columns)], scroll


def _text_lines(state: LiveState, ui: LiveUi, columns: int, ink: Ink) -> list[Line]:
    if ui.pane is Pane.HELP:
        return _help(columns, ink)
    if ui.pane is Pane.GAPS:
        return gap_lines(state.gaps, columns, ink)
    keys = keys_of_rows(ui, state)
    index = cursor_index(ui, keys)
    if ui.pane is Pane.WORKER:
        if ui.worker not in keys:
            return [ink.line([Span("  this worker is not listed any more: Esc", Tone.DIM)], columns)]
        return worker_lines(matching_workers(state, ui.words)[index], state, columns, ink)
    found = matching_incidents(state, ui.words)
    return incident_lines(found[index], state, columns, ink) if found else []


def _help(columns: int, ink: Ink) -> list[Line]:
    lines = [ink.line([Span("KEYS", Tone.BOLD)], columns)]
    for binding in BINDINGS:
        lines += ink.paragraph(binding.words, columns, label=f"  {binding.shown}", indent=14)
    lines += [Line(), ink.line([Span("STATE, in the order of the rows", Tone.BOLD)], columns)]
    for words in ATTENTION_WORDS.values():
        state, _, meaning = words.partition(": ")
        lines += ink.paragraph(meaning, columns, label=f"  {state}", indent=28)
    more = "HEARTBEAT is the age of the last beat, beside the time-out; never: it has not beaten since it booted."
    return [*lines, Line(), *ink.paragraph(more, columns)]


def _footer(ui: LiveUi, moment: Moment, columns: int, ink: Ink) -> Line:
    if ui.ending:
        return ink.line([Span("ending with the report ...  Ctrl-C again quits at once", Tone.BOLD)], columns)
    if ui.typing:
        return ink.line(
            [Span("/", Tone.BOLD), Span(f"{ui.words}_"), Span("  Enter keeps it, Esc shows all", Tone.DIM)], columns
        )
    if moment.keys_off:
        return ink.line([Span(f"no keys: {moment.keys_off}; Ctrl-C ends with the report", Tone.DIM)], columns)
    spans: list[Span] = []
    if ui.words:
        spans += [Span(f"/{ui.words}", Tone.WARNING), Span("  Esc: all  ", Tone.DIM)]
    for binding in FOOTER_BINDINGS if ui.pane in LISTS else TEXT_FOOTER_BINDINGS:
        spans += [Span(binding.shown.partition(",")[0], Tone.BOLD), Span(f" {binding.footer}  ", Tone.DIM)]
    return ink.line(spans, columns)
