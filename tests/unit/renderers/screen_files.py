"""Compares what was rendered with a readable file in screens/; GTDIAG_WRITE_SCREENS=1 writes the files anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "screens"
LIVE_FOLDER = Path(__file__).parents[2] / "screens"
"""Screens of the live view."""


def is_screen(name: str, text: str, folder: Path = FOLDER) -> bool:
    """Whether the text is the one that is kept; any is while the files are written anew."""
    return bool(os.environ.get("GTDIAG_WRITE_SCREENS")) or _trimmed(text) == (folder / f"{name}.txt").read_text("utf-8")


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n") + "\n"


def assert_screen(name: str, text: str, folder: Path = FOLDER) -> None:
    path = folder / f"{name}.txt"
    text = _trimmed(text)
    if os.environ.get("GTDIAG_WRITE_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; GTDIAG_WRITE_SCREENS=1 writes it anew"
