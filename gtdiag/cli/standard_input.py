"""Standard input to "a recording or a log": its first bytes are looked at, and given again to who reads it."""

from __future__ import annotations

import io
import sys
from typing import IO, cast


class StandardInput:
    """The bytes of standard input from the first on (`bytes`), and what they are. `NAME` is for messages."""

    NAME = "standard input"

    def __init__(self) -> None:
        from gtdiag.collectors.log_compression import PushedBack, read_fully
        from gtdiag.recording.reader import HEAD_BYTES, is_head_of_recording

        head = read_fully(sys.stdin.buffer, HEAD_BYTES)
        self.holds_recording = is_head_of_recording(head)
        self.bytes = cast("IO[bytes]", io.BufferedReader(PushedBack(head, sys.stdin.buffer)))
