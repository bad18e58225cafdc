"""The gunicorn version of a folder of a search path."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtdiag.gunicorn.version import read_version_in


def test_version_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "gunicorn").mkdir()
    (tmp_path / "gunicorn" / "__init__.py").write_text("version_info = (21, 2, 0)\n__version__ = 'computed'\n")
    assert read_version_in(tmp_path) == "21.2.0"


def test_version_of_the_metadata(tmp_path: Path) -> None:
    (tmp_path / "gunicorn").mkdir()
    (tmp_path / "gunicorn" / "__init__.py").write_text("")
    metadata = tmp_path / "gunicorn-23.0.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: gunicorn\nVersion: 23.0.0\n")
    assert read_version_in(tmp_path) == "23.0.0"


@pytest.mark.parametrize("text", ["", "version_info = get()\n", "version_info = (a.b, 2)\n"])
def test_no_version(tmp_path: Path, text: str) -> None:
    (tmp_path / "gunicorn").mkdir()
    (tmp_path / "gunicorn" / "__init__.py").write_text(text)
    assert read_version_in(tmp_path) is None


def test_no_gunicorn(tmp_path: Path) -> None:
    assert read_version_in(tmp_path) is None
