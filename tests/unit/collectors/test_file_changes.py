"""Whether a log that is followed says by itself that there is something to read."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from gtdiag.collectors.file_changes import FileChanges
from gtdiag.collectors.log_tail import MOST_UNTOLD, FileTail, PipeTail

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify(7)")


def can_be_read(descriptor: int | None) -> bool:
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 0)[0])


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "gunicorn.log"
    path.write_text("old\n")
    return path


def test_a_line_is_told_of_until_it_is_read(log: Path) -> None:
    tail = FileTail(log)
    assert tail.news() is None, "not open yet"
    tail.poll()
    assert not can_be_read(tail.news())
    append(log, "one\n")
    assert can_be_read(tail.news())
    assert [line.text for line in tail.poll()] == ["one"]
    assert not can_be_read(tail.news())
    tail.close()


def test_a_change_that_brings_no_line_is_over_with_the_poll(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    tail.news()
    log.chmod(0o600)
    assert can_be_read(tail.news())
    assert tail.poll() == []
    assert not can_be_read(tail.news())
    tail.close()


def test_after_a_rotation_the_new_file_is_listened_to(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    tail.news()
    log.rename(log.with_suffix(".1"))
    assert can_be_read(tail.news()), "the name is gone"
    log.write_text("new\n")
    assert [line.text for line in tail.poll()] == ["new"]
    assert not can_be_read(tail.news())
    append(log.with_suffix(".1"), "nobody reads this\n")
    assert not can_be_read(tail.news())
    append(log, "newer\n")
    assert can_be_read(tail.news())
    tail.close()


def test_a_file_that_is_not_there_has_to_be_polled(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    tail.news()
    log.unlink()
    tail.poll()
    assert tail.news() is None
    tail.close()


def test_a_file_that_changes_without_a_word_is_polled_from_then_on(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileChanges, "take", lambda _self: False)
    tail = FileTail(log)
    tail.poll()
    for _ in range(MOST_UNTOLD + 1):
        assert tail.news() is not None
        append(log, "from another host\n")
        assert len(tail.poll()) == 1
    assert tail.news() is None
    tail.close()


def test_without_inotify_there_is_nothing_to_wait_for(log: Path) -> None:
    changes = FileChanges()
    changes.close()
    with log.open() as file:
        assert changes.follow(file.fileno()) is None
    assert not changes.take()
    changes.leave()


def test_nothing_is_left_open(log: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    tail = FileTail(log)
    tail.poll()
    assert tail.news() is not None
    tail.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pipe_is_its_own_news_until_it_ends() -> None:
    reader, writer = os.pipe()
    tail = PipeTail(reader)
    assert tail.news() == reader
    os.close(writer)
    tail.poll()
    assert tail.news() is None
    os.close(reader)
