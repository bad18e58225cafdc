"""Every cell of the matrix: the CELLS of the modules in this folder, one module for each family of causes."""

from __future__ import annotations

import importlib
import pkgutil

from tests.scenarios.cells import Cell


def all_cells() -> list[Cell]:
    """The cells of every family, in the order of the modules' names."""
    cells: list[Cell] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        cells += importlib.import_module(f"{__name__}.{module.name}").CELLS
    names = [cell.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise AssertionError(f"cells of the same name (give one a note): {sorted(twice)}")
    return cells
