"""Tables to a folder: `-o out` gives out/events.parquet and out/incidents.parquet, both whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gtdiag.cli.output_file import MODE, OutputError
from gtdiag.errors import ToolMissingError, UsageError
from gtdiag.recording.shared_folders import ForeignPlaceError, follow_own_links

if TYPE_CHECKING:
    from gtdiag.fleet.work import SourceTables


def check_folder(output: str | None) -> str:
    """Return the folder that tables go to; raise where it is bound to fail, before anything is analyzed."""
    if output is None or output == "-":
        raise UsageError("--format parquet writes two files", hint="name a folder for them: -o FOLDER")
    if importlib.util.find_spec("pyarrow") is None:
        raise ToolMissingError(
            "--format parquet needs pyarrow, which is not installed", hint="pip install 'gtdiag[parquet]'"
        )
    if Path(output).exists() and not Path(output).is_dir():
        raise OutputError(f"cannot write tables to {output}: it is a file", hint="name a folder with -o")
    return output


def write_tables(folder: str, tables: Sequence[SourceTables]) -> None:
    """Write both files, the sources in the order given. Raises OutputError."""
    from gtdiag.fleet.tables import EVENT_COLUMNS, INCIDENT_COLUMNS, join_tables

    try:
        target = follow_own_links(folder)
    except ForeignPlaceError as error:
        raise OutputError(f"cannot write tables to {folder}: {error}", hint="give another folder with -o") from error
    written: list[tuple[Path, Path]] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, schema, parts in (
            ("events.parquet", EVENT_COLUMNS, [table.events for table in tables]),
            ("incidents.parquet", INCIDENT_COLUMNS, [table.incidents for table in tables]),
        ):
            # A name that nobody can foresee, opened here: a writer of tables would follow a link under it.
            partial = target / f".{name}.{secrets.token_hex(4)}.part"
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), MODE)
            written.append((partial, target / name))
            with open(descriptor, "wb") as file:  # noqa: PTH123 (the descriptor is open)
                join_tables(parts, schema, file)
        for partial, final in written:
            partial.replace(final)
    except OSError as error:
        raise OutputError(
            f"cannot write tables to {folder}: {error.strerror or error}", hint="give another folder with -o"
        ) from error
    finally:
        for partial, _ in written:
            with contextlib.suppress(OSError):
                partial.unlink()
