"""What was typed of an argument to what it may become: files, words of a comma-separated list, pids of masters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

Complete = Callable[["click.Context", "click.Parameter", str], "list[CompletionItem]"]

_OF_FILES = ("FILE", "PATH")
_SHOWN_COMMAND_LINE = 60


def complete_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_by_metavar(metavar: str | None, incomplete: str) -> list[CompletionItem]:
    """Complete a value by what the help calls it: the shell's files for FILE and PATH|-|auto|none, with those words."""
    from click.shell_completion import CompletionItem

    words = (metavar or "").split("|")
    if not any(word.startswith(_OF_FILES) for word in words):
        return []
    plain = [CompletionItem(word) for word in words if word.islower() and incomplete and word.startswith(incomplete)]
    return plain or [CompletionItem(incomplete, type="file")]


def complete_list(*words: str) -> Complete:
    """Complete the last word of a comma-separated list with those of `words` that are not in it yet."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        taken = set(before.split(","))
        start = last.replace("-", "_")
        return [CompletionItem(before + comma + word) for word in words if word.startswith(start) and word not in taken]

    return complete


def complete_masters(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the pid of a master of this host, described by its command line; nothing where none can be seen."""
    from click.shell_completion import CompletionItem

    try:
        from gtdiag.gunicorn.masters import find_masters

        masters = find_masters()
    except Exception:  # a shell that completes must not be written into, whatever is wrong
        return []
    return [
        CompletionItem(str(master.pid), help=_printable(master.command_line))
        for master in masters
        if str(master.pid).startswith(incomplete)
    ]


def _printable(command_line: str) -> str:
    """A process names itself: what it says goes into the user's shell, as one short line of plain characters."""
    words = " ".join("".join(c if c.isascii() and c.isprintable() else " " for c in command_line).split())
    return words if len(words) <= _SHOWN_COMMAND_LINE else words[: _SHOWN_COMMAND_LINE - 3] + "..."
