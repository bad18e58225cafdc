"""The part of the accuracy matrix that every test run covers; `make scenarios` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.causes import all_cells
from tests.scenarios.cell_environments import NotRunError
from tests.scenarios.cells import Cell
from tests.scenarios.grading import Grade, grade
from tests.scenarios.run_cell import run_cell
from tests.scenarios.servers import missing_server_package, stop_shared_servers

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def shared_servers() -> Iterator[None]:
    yield
    stop_shared_servers()


@pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.name) for cell in all_cells() if cell.fast])
def test_not_wrong(cell: Cell, tmp_path: Path) -> None:
    if package := missing_server_package(cell.cause.server):
        pytest.skip(f"no server for it here: apt-get install {package}")
    try:
        observed = run_cell(cell, tmp_path)
    except NotRunError as reason:
        pytest.skip(str(reason))
    graded = grade(observed)
    said = f"{observed.report['verdict']['summary']}\n{observed.log_text[-3000:]}"
    # A busy machine leaves few looks at a short hang, so less may be said; nothing else may be.
    assert graded.live.grade <= Grade.UNDECIDED, (graded.live.reasons, said)
    assert graded.log.grade is Grade.RIGHT, (graded.log.reasons, said)
    assert graded.in_time is not False, said
    assert graded.replay_differs_in == ()
