"""The streams of the process to the facts a renderer needs: width, colour, ASCII or not."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from gtdiag.renderers.page import Page

FILE_WIDTH = 100
"""Columns of a text report that goes to a file or a pipe, where nothing says how wide its reader's window is."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees what is written to the stream as it is written."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def can_draw(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal on which the cursor can be moved."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def can_show_screens(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal that says what it is, and is this process's own to draw on.

    A job in the background leaves the terminal to the shell.
    """
    if not can_draw(stream) or not os.environ.get("TERM"):
        return False
    from gtdiag.cli.terminal_screen import is_in_foreground

    return stream is not None and is_in_foreground(stream)


def wants_colour(stream: TextIO | None) -> bool:
    """Colour on a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb says otherwise."""
    return can_draw(stream) and not os.environ.get("NO_COLOR")


def is_ascii_only(stream: TextIO | None) -> bool:
    """Whether the stream may fail on, or garble, what is not ASCII."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
    return not encoding.startswith("utf8") or (is_terminal(stream) and _locale_is_ascii())


def _locale_is_ascii() -> bool:
    """Whether the C locale was asked for. Python speaks UTF-8 in it all the same (PEP 538, PEP 540)."""
    asked = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE")
    if asked in (None, "", "C.UTF-8"):  # what PEP 538 sets where LANG is C; what it says of LANG counts
        asked = os.environ.get("LC_ALL") or os.environ.get("LANG")
    return asked in ("C", "POSIX")


def page_of(stream: TextIO | None) -> Page:
    """Return what is known of the stream. COLUMNS overrides the width, as for other programs."""
    fallback = FILE_WIDTH if not is_terminal(stream) else 80
    width = shutil.get_terminal_size((fallback, 24)).columns if is_terminal(stream) else _columns(fallback)
    return Page(width=width, colour=wants_colour(stream), ascii=is_ascii_only(stream), root=_root())


def page_of_file() -> Page:
    """Return the page of a report that is written to a file: UTF-8, no colour."""
    return Page(width=_columns(FILE_WIDTH), root=_root())


def _root() -> str:
    """Return the folder that file names are told from: a CI job's checkout, else where the command runs."""
    try:
        return os.environ.get("GITHUB_WORKSPACE") or os.getcwd()  # noqa: PTH109 (a text is wanted)
    except OSError:  # removed under us
        return ""


def _columns(fallback: int) -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) > 0 else fallback
