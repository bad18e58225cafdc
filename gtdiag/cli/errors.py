"""The border: the one place that turns errors into a line on standard error, a hint, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TextIO

import click

from gtdiag.errors import ExitCode, GtdiagError

DEBUG_VARIABLE = "GTDIAG_DEBUG"
"""Set to anything, it shows the traceback of an error that is a fault of gtdiag."""


def run_at_the_border(command: Callable[[], Any], stderr: TextIO) -> int:
    """Run a command and return its exit code; whatever it raises becomes words on `stderr`."""
    try:
        return _exit_code_of(command())
    except GtdiagError as error:
        say_error(error.message, error.hint, stderr)
        return int(error.exit_code)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.UsageError as error:
        hint = f"{error.ctx.command_path} --help" if error.ctx is not None else "gtdiag --help"
        say_error(error.format_message(), hint, stderr)
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        say_error(error.format_message(), "", stderr)
        return int(ExitCode.COULD_NOT_LOOK)
    except (KeyboardInterrupt, click.Abort):
        say_error("interrupted", "", stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        drop_standard_output()
        return int(ExitCode.NOTHING_FOUND)
    except Exception as error:
        if is_want_of_memory(error):
            say_error(
                "there is not enough memory left to go on",
                "give it more (ulimit -v, the limit of the cgroup), or record here (--record) and analyze elsewhere",
                stderr,
            )
        elif isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            say_error("gtdiag may open no more files", "raise the limit: ulimit -n 256", stderr)
        else:
            _say_bug(error, stderr)
        return int(ExitCode.COULD_NOT_LOOK)


def is_want_of_memory(error: Exception) -> bool:
    """Whether memory ran out. CPython has several names for it: a file's lock, a thread, an extension module."""
    if isinstance(error, MemoryError):
        return True
    words = str(error)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        return "can't allocate" in words or "can't start new thread" in words
    return isinstance(error, ImportError) and ("Cannot allocate memory" in words or "failed to map segment" in words)


def say_error(message: str, hint: str, stderr: TextIO) -> None:
    """Write "gtdiag: message" and "  hint: ...", escaped: names of files and processes are data."""
    from gtdiag.renderers.escaping import escape_text

    ascii_only = not (getattr(stderr, "encoding", None) or "").lower().replace("-", "").startswith("utf8")
    lines = [f"gtdiag: {message}"]
    if hint:
        lines.append(f"  hint: {hint}")
    text = "".join(escape_text(line, ascii_only=ascii_only, keep_newlines=True) + "\n" for line in lines)
    with contextlib.suppress(OSError):  # nobody may be reading any more; the exit code still tells
        stderr.write(text)
        stderr.flush()


def drop_standard_output() -> None:
    """Send what is still to be written nowhere, so that the interpreter's last flush does not fail on a closed pipe."""
    drop_output(sys.stdout)


def drop_output(stream: TextIO) -> None:
    """The same for any stream whose reader went away."""
    # Suppressed: the stream is no file descriptor (a test's buffer) or closed already.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)


def _exit_code_of(result: Any) -> int:
    return int(result) if isinstance(result, int) else int(ExitCode.NOTHING_FOUND)


def _say_bug(error: Exception, stderr: TextIO) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        stderr.write("".join(traceback.format_exception(error)))
    words = " ".join(str(error).split())
    say_error(
        f"this is a bug in gtdiag: {type(error).__name__}: {words}",
        f"run it again with {DEBUG_VARIABLE}=1 for the traceback, and please report it",
        stderr,
    )
