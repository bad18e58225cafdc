"""ELF files: this very interpreter's, and damaged ones."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path

import pytest

from gtdiag.interpreter.elf import NotAnInterpreterError, read_image
from gtdiag.interpreter.elf_file import ElfError, ElfFile

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF is Linux's")

HEADER_64_LITTLE = b"\x7fELF\x02\x01\x01" + bytes(9)


def header(*, segments: int = 0, sections_at: int = 0, entry: int = 64, sections: int = 0, names: int = 0) -> bytes:
    numbers = [(3, 2), (62, 2), (1, 4), (0, 8), (0, 8), (sections_at, 8), (0, 4), (64, 2), (56, 2), (segments, 2)]
    numbers += [(entry, 2), (sections, 2), (names, 2)]
    return HEADER_64_LITTLE + b"".join(number.to_bytes(size, "little") for number, size in numbers)


def test_a_program_that_runs_has_sections_with_names() -> None:
    with Path(sys.executable).resolve().open("rb") as stream:
        elf = ElfFile(stream)
        assert elf.address_of(".text")
        assert elf.address_of(".no_such_section") is None
        text = next(section for section in elf.sections if section.name == ".shstrtab")
        assert b"\0.text\0" in elf.data(text)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (b"#!/bin/sh\nexec python\n", "no ELF file"),
        (b"\x7fELF\x01\x01\x01" + bytes(60), "32-bit"),
        (b"\x7fELF\x02\x02\x01" + bytes(60), "big-endian"),
        (HEADER_64_LITTLE, "ends too early"),
        (header(segments=9), "ends too early"),
        (header(sections_at=1 << 63, sections=1), "impossible offset"),
        (header(entry=8, sections=1), "unknown size"),
        (header(sections_at=64, sections=1, names=7) + bytes(64), "without names"),
    ],
)
def test_damaged_files_are_said_to_be_damaged(data: bytes, why: str) -> None:
    with pytest.raises(ElfError, match=why):
        ElfFile(io.BytesIO(data))
    with pytest.raises(NotAnInterpreterError, match=why):
        read_image(io.BytesIO(data))


def test_bytes_that_were_flipped_give_an_image_or_the_documented_error() -> None:
    whole = Path(sys.executable).resolve().read_bytes()
    rng = random.Random(4711)
    sections_at = int.from_bytes(whole[40:48], "little")
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            at = rng.choice((rng.randrange(64), min(sections_at + rng.randrange(2048), len(data) - 1)))
            data[at] = rng.randrange(256)
        try:
            read_image(io.BytesIO(bytes(data)))
        except NotAnInterpreterError as error:
            assert str(error)
