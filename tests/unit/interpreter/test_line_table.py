"""Line tables of this interpreter's own code objects, against `co_lines`; older formats against examples."""

from __future__ import annotations

import inspect
import sys
from types import CodeType

import pytest

from gtdiag.interpreter.line_table import parse_linetable, parse_lnotab, parse_location_table


def all_code(code: CodeType) -> list[CodeType]:
    return [code, *(inner for item in code.co_consts if isinstance(item, CodeType) for inner in all_code(item))]


@pytest.mark.parametrize("module", [inspect, pytest, sys.modules["argparse"]], ids=lambda module: module.__name__)
def test_every_instruction_has_the_line_that_python_says(module: object) -> None:
    source = inspect.getsource(module)  # type: ignore[arg-type]
    parse = parse_location_table if sys.version_info >= (3, 11) else parse_linetable
    checked = 0
    for code in all_code(compile(source, "module", "exec")):
        for start, end, line in code.co_lines():
            for offset in range(start, end, 2):
                assert parse(code.co_linetable, code.co_firstlineno, offset) == line
                checked += 1
    assert checked > 10


def test_beyond_the_table_and_in_a_torn_one_there_is_no_line() -> None:
    code = all_code.__code__
    if sys.version_info >= (3, 11):
        assert parse_location_table(code.co_linetable, 1, 1 << 20) is None
        assert parse_location_table(code.co_linetable[1:3], 1, 0) in (None, 1)
    assert parse_location_table(b"", 1, 0) is None
    assert parse_location_table(b"\x01\x02", 1, 0) is None
    assert parse_linetable(b"", 1, 0) is None


def test_the_format_of_3_10() -> None:
    # Objects/lnotab_notes.txt of 3.10: (length in bytes, line delta), -128 for no line.
    table = bytes([4, 1, 6, 254 & 0xFF, 2, 0x80, 4, 3])
    assert [parse_linetable(table, 10, offset) for offset in (0, 2, 4, 8, 10, 12, 14, 16)] == [
        11,
        11,
        9,
        9,
        None,
        12,
        12,
        None,
    ]


def test_the_format_up_to_3_9() -> None:
    # (address increment, line increment); a line step of more than 127 or a backward one takes several pairs.
    table = bytes([0, 1, 6, 127, 0, 3, 4, 0xFF])
    assert [parse_lnotab(table, 10, offset) for offset in (0, 4, 6, 8, 10)] == [11, 11, 141, 141, 140]
