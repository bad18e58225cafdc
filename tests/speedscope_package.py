"""speedscope's own npm package, fetched once and kept: what its format is, said by itself."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.environments import REPOSITORY

VERSION = "1.25.0"
FOLDER = REPOSITORY / ".cache" / f"speedscope-{VERSION}"


@functools.cache
def release_folder() -> Path:
    """The folder with speedscope's page and its schema. Skips the test where npm or its registry is not there."""
    release = FOLDER / "package" / "dist" / "release"
    if not release.is_dir():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not here to fetch speedscope with")
        FOLDER.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            [npm, "pack", "--silent", f"speedscope@{VERSION}"], cwd=FOLDER, capture_output=True, text=True, timeout=120
        )
        if packed.returncode != 0:
            pytest.skip(f"npm cannot fetch speedscope: {packed.stderr.strip()[-200:]}")
        with tarfile.open(FOLDER / packed.stdout.strip().splitlines()[-1]) as archive:
            for member in archive.getmembers():  # plain files below package/ and nothing else
                if member.isfile() and member.name.startswith("package/") and ".." not in member.name:
                    archive.extract(member, FOLDER)
    return release


def format_schema() -> dict[str, Any]:
    """The JSON Schema of the file format."""
    schema = json.loads((release_folder() / "file-format-schema.json").read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema
