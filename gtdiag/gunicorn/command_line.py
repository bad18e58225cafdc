"""A process's argument list to "is this gunicorn, and with which arguments was it called"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

SCRIPT_NAMES = frozenset({"gunicorn", "gunicorn_paster", "gunicorn_django", "gunicorn-script.py"})
MODULES = frozenset({"gunicorn", "gunicorn.__main__", "gunicorn.app.wsgiapp"})
TITLE = "gunicorn: "
"""What setproctitle makes of the command line (`gunicorn: master [name]`); the arguments are lost then."""
PYTHON_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


@dataclass(frozen=True, slots=True)
class GunicornCall:
    """`role`: "master", "worker", "dirty-arbiter", "dirty-worker", or None where only the arguments are known.

    `arguments`: what follows the script, None where setproctitle has overwritten it.
    """

    role: str | None
    arguments: tuple[str, ...] | None


def parse_gunicorn_call(argv: Sequence[str]) -> GunicornCall | None:
    """Recognise gunicorn's own start commands and titles; None for everything else.

    A program that starts gunicorn from its own code (a `BaseApplication`, `airflow webserver`) is not recognised
    here: its heartbeat descriptors are the proof.
    """
    if not argv:
        return None
    if argv[0].startswith(TITLE):
        words = argv[0][len(TITLE) :].split()
        return GunicornCall(role=words[0] if words else None, arguments=None)
    if _base_name(argv[0]) in SCRIPT_NAMES:
        return GunicornCall(role=None, arguments=tuple(argv[1:]))
    if not _base_name(argv[0]).startswith(("python", "pypy")):
        return None
    index = 1
    while index < len(argv):
        word = argv[index]
        if word == "-c":
            return None
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            module = argv[index + 1] if word == "-m" and index + 1 < len(argv) else word[2:]
            if module not in MODULES:
                return None
            return GunicornCall(role=None, arguments=tuple(argv[index + (2 if word == "-m" else 1) :]))
        if word in PYTHON_OPTIONS_WITH_VALUE:
            index += 2
            continue
        if word.startswith("-") and word != "-":
            index += 1
            continue
        if _base_name(word) in SCRIPT_NAMES:
            return GunicornCall(role=None, arguments=tuple(argv[index + 1 :]))
        return None
    return None


def _base_name(path: str) -> str:
    return PurePosixPath(path).name
