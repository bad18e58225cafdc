"""A watch that was recorded to the command that shows its report again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TextIO

from gtdiag.shell_words import quote_command


def command_to_see_again(recording: str, *, rules: str | None, redact: bool) -> str | None:
    """Return the command; None where the recording went into a pipe or a device and is no file to be read."""
    if not Path(recording).is_file():
        return None
    words = ["gtdiag", "analyze"]
    if rules is not None:
        words += ["--rules", rules]
    if not redact:
        words.append("--no-redact")
    return quote_command([*words, f"./{recording}" if recording.startswith("-") else recording])


def say_how_to_see_again(recording: str, stream: TextIO, *, rules: str | None, redact: bool) -> None:
    """Write it as the last line of a watch."""
    command = command_to_see_again(recording, rules=rules, redact=redact)
    if command is None:
        return
    with contextlib.suppress(OSError):  # nobody may be reading any more
        stream.write(f"recorded. To see this report again: {command}\n")
        stream.flush()
