"""The lines of a block of a log."""

from __future__ import annotations


def decode_line(line: bytes) -> str:
    """A line's bytes as text; what is not UTF-8 stays visible as \\xNN."""
    return line.decode("utf-8", "backslashreplace")


def line_end(block: bytes, start: int) -> int:
    """Where the line ends that holds this position: at its newline, or with the block."""
    end = block.find(b"\n", start)
    return len(block) if end < 0 else end
