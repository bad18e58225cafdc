"""Which entries of a journal were there before the watch began, also where the clock is set back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gtdiag.collectors import journal_tail
from gtdiag.collectors.journal_tail import READ_BACK_S, JournalTail

ENTRY = '{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"%s"}'


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journalctl that prints what is written into a file."""
    entries = tmp_path / "entries"
    entries.write_text("")
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec tail -n +1 -f "{entries}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(journal_tail, "_dying_with_its_parent", list)
    return entries


def read(tail: JournalTail, count: int) -> list[bool]:
    """Whether each of the next entries is old."""
    found: list[bool] = []
    for _ in range(500):
        found += [line.old for line in tail.poll()]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"only {len(found)} entries came")


def test_old_is_what_was_there(journalctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_us = time.time_ns() // 1000
    tail = JournalTail(("_PID=1",))
    try:
        with journalctl.open("a") as entries:
            entries.write(f"{ENTRY % (now_us - 5_000_000, 'before')}\n{ENTRY % (now_us + 5_000_000, 'after')}\n")
        assert read(tail, 2) == [True, False]
        later_s = time.monotonic() + READ_BACK_S + 1
        with monkeypatch.context() as patched:
            patched.setattr(time, "monotonic", lambda: later_s)
            with journalctl.open("a") as entries:
                entries.write(f"{ENTRY % (now_us - 3_600_000_000, 'an hour back, and new')}\n")
            assert read(tail, 1) == [False]
    finally:
        tail.close()
