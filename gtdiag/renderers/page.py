"""What is known of the place where a report will be read: its width in columns, colour or not, ASCII or not."""

from __future__ import annotations

from dataclasses import dataclass

MIN_WIDTH = 40
"""Narrower pages are laid out as if they were this wide: below it, a table is no longer one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Width in terminal columns; `colour`: ANSI styles are understood; `ascii`: nothing else can be shown.

    `root`: the folder that a reader knows the application's files from (the checkout of a CI job); empty: not known.
    """

    width: int = 80
    colour: bool = False
    ascii: bool = False
    root: str = ""
