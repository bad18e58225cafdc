"""The help of every command to the man page that `make man` writes to docs/gtdiag.1."""

from __future__ import annotations

import inspect
import sys
import textwrap

import click

from gtdiag import __version__
from gtdiag.cli.main import COMMANDS, cli
from tests.environments import REPOSITORY

PAGE = REPOSITORY / "docs" / "gtdiag.1"

_INTRODUCTION = r""".\" Made from the help of the commands by `make man`; do not edit it.
.TH GTDIAG 1 "" "gtdiag {version}" "User Commands"
.SH NAME
gtdiag \- tell which call each gunicorn worker was blocked in
.SH SYNOPSIS
.B gtdiag
.I COMMAND
.RI [ OPTION .\|.\|.]
.RI [ ARGUMENT .\|.\|.]
"""

_END = r"""
.SH FILES
.TP
.I gtdiag.toml
In the working directory or above it: defaults of options, one table for each command, and rules.
.TP
.I pyproject.toml
The same below [tool.gtdiag], where there is no
.I gtdiag.toml
beside it.
.PP
A file that another user can write decides nothing unless
.B \-\-config
names it.
.SH ENVIRONMENT
.TP
.BI GTDIAG_ COMMAND _ OPTION
Sets the option of the command; the command line comes before it, the configuration file after it.
.TP
.B GTDIAG_CONFIG
The configuration file of all commands, or none.
.TP
.B GTDIAG_DEBUG
Set to anything: show the traceback of an error that is a fault of gtdiag.
.TP
.BR NO_COLOR ,\  COLUMNS ,\  TERM
Do what they do elsewhere.
.SH SEE ALSO
.BR py\-spy (1),
.BR ss (8),
.BR proc (5)
"""


_ROFF = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})


def render_page() -> str:
    """The whole page."""
    top = click.Context(cli, info_name="gtdiag", auto_envvar_prefix="GTDIAG")
    examples, words = _without_examples(inspect.cleandoc(cli.help or ""))
    parts = [_INTRODUCTION.replace("{version}", _escape(__version__)).lstrip()]
    parts += [".SH DESCRIPTION\n", _paragraphs(words), ".SH COMMANDS\n"]
    for name, entry in COMMANDS.items():
        parts.append(f".TP\n.B gtdiag {_escape(name)}\n{_text(entry.short_help)}")
    parts += [".SH EXAMPLES\n", _paragraphs(examples)]
    for name in COMMANDS:
        parts.append(_command(name, top))
    parts += [".SH EXIT STATUS\n", _paragraphs(inspect.cleandoc(cli.epilog or ""))]
    return "".join(parts) + _END.lstrip()


def _command(name: str, top: click.Context) -> str:
    command = cli.get_command(top, name)
    assert command is not None
    ctx = click.Context(command, info_name=name, parent=top)
    parts = [f'.SH "GTDIAG {_escape(name.upper())}"\n.B gtdiag {_escape(name)}\n']
    parts.append(_text(" ".join(command.collect_usage_pieces(ctx))))
    parts.append(".PP\n" + _paragraphs(inspect.cleandoc(command.help or "")))
    for parameter in command.params:  # without --help, which each has
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            names, words = record
            parts.append(f".TP\n.B {_escape(names)}\n{_paragraphs(words, within=True)}")
    return "".join(parts) + _paragraphs(inspect.cleandoc(command.epilog or ""), before=".PP\n")


def _without_examples(text: str) -> tuple[str, str]:
    """The paragraph of examples, and the others."""
    paragraphs = text.split("\n\n")
    examples = [paragraph for paragraph in paragraphs if "Example" in paragraph.partition(":")[0]]
    return "\n\n".join(examples), "\n\n".join(paragraph for paragraph in paragraphs if paragraph not in examples)


def _paragraphs(text: str, *, within: bool = False, before: str = "") -> str:
    """Paragraphs of click's help; one that begins with a line of \\b keeps its lines."""
    parts = []
    for number, paragraph in enumerate(part.strip("\n") for part in text.split("\n\n") if part.strip()):
        if number or before:
            parts.append(".IP\n" if within else ".PP\n")
        if paragraph.startswith("\b"):
            parts.append(f".nf\n{_lines(paragraph.lstrip(chr(8)).strip(chr(10)))}.fi\n")
        else:
            parts += [_text(line) for line in textwrap.wrap(paragraph, 76, break_on_hyphens=False)]
    return "".join(parts)


def _lines(text: str) -> str:
    return "".join(_text(line) if line.strip() else ".sp\n" for line in text.split("\n"))


def _text(line: str) -> str:
    escaped = _escape(line)
    return ("\\&" if escaped.startswith((".", "'")) else "") + escaped + "\n"


def _escape(text: str) -> str:
    """Every hyphen becomes a minus sign: what is copied from the page is typed on a command line."""
    return text.translate(_ROFF)


def main() -> int:
    """Write the page."""
    PAGE.write_text(render_page(), encoding="utf-8")
    print(f"{PAGE} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
