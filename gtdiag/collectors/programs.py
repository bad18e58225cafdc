"""The name of a program to the file that is run for it: never one that somebody else put on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gtdiag.trusted_files import why_not_trusted


def find_program(name: str) -> Path | None:
    """Find a program in PATH. None where there is none that this user may trust.

    A relative folder (`.`, or an empty entry, which means the same) is wherever the shell happens to be: the folder of
    the application that is looked at. And what another user can write, root does not run for a look.
    """
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).is_absolute()]
    while folders:
        found = shutil.which(name, path=os.pathsep.join(folders))
        if found is None:
            return None
        if why_not_trusted(Path(found)) is None:
            return Path(found)
        folders = folders[folders.index(os.path.dirname(found)) + 1 :]  # noqa: PTH120 (as it is written there)
    return None
