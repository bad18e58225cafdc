"""For pytest: a test whose gunicorn had incidents fails, and says which call they were blocked in (docs/pytest.md).

pytest loads it wherever gtdiag is installed, so it imports nothing of gtdiag before a test asks for the fixture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from gtdiag import Watch
    from gtdiag.model.report import Report

_AGAIN_S = 0.1


class _HasPid(Protocol):
    """A `subprocess.Popen`, a `multiprocessing.Process`, a `psutil.Process`."""

    @property
    def pid(self) -> int: ...


class GunicornWatch:
    """What the fixture `gunicorn_watch` gives: call it with each gunicorn master that the test has started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: list[tuple[Watch, frozenset[str], Path]] = []

    def __call__(
        self,
        master: int | _HasPid,
        *,
        fail_on: str = "any",
        log: str = "auto",
        interval_s: float = 0.5,
        wait_s: float = 30.0,
    ) -> Watch:
        """Watch from now to the end of the test; the `gtdiag.Watch` shows what is known by then.

        `master`: the pid of gunicorn's master, or a process object. A process that is no gunicorn yet is given `wait_s`
        seconds to become one. `fail_on`: the kinds of incidents and patterns that fail the test, as for the command:
        comma-separated, `any` or `none`. `log`: gunicorn's error log, `auto` or `none`. `interval_s`: between two
        looks.

        Raises GtdiagError where the process cannot be watched, ValueError for a kind that there is not.
        """
        __tracebackhide__ = True
        pid = master if isinstance(master, int) else master.pid
        kinds = _read_kinds(fail_on)
        recording = self._folder / f"gtdiag-{pid}.jsonl"
        watch = _begin(pid, log, interval_s, recording, wait_s)
        self._watches.append((watch, kinds, recording))
        return watch

    def stop(self) -> list[str]:
        """End all watches; the text of each one that found what its test must not have. Again: nothing is left."""
        watches, self._watches = self._watches, []
        return [text for watch in watches if (text := _say(*watch))]


def _read_kinds(words: str) -> frozenset[str]:
    import click

    from gtdiag.cli.parameter_types import fail_on

    __tracebackhide__ = True
    try:
        return fail_on(words).kinds
    except click.BadParameter as error:
        raise ValueError(f"fail_on: {error.message}") from None


def _begin(pid: int, log: str, interval_s: float, recording: Path, wait_s: float) -> Watch:
    import gtdiag
    from gtdiag.errors import NotGunicornError

    __tracebackhide__ = True
    give_up_s = time.monotonic() + wait_s
    while True:
        try:
            return gtdiag.Watch(pid, log=log, interval_s=interval_s, record=recording)
        except NotGunicornError:  # Python is still importing gunicorn
            if time.monotonic() >= give_up_s:
                raise
        time.sleep(_AGAIN_S)


def _say(watch: Watch, kinds: frozenset[str], recording: Path) -> str:
    """The report, where the test must fail for it."""
    import gtdiag

    try:
        report = watch.stop()
    except gtdiag.IncompleteError as error:
        return f"gtdiag could not watch gunicorn {watch.master_pid} to the end: {error.message}\n{error.hint or ''}"
    if not _kinds_of(report) & kinds:
        return ""
    from gtdiag.cli.see_again import command_to_see_again

    text = gtdiag.render(report, "text").rstrip()
    again = command_to_see_again(str(recording), rules=None, redact=True)
    return f"gunicorn {watch.master_pid}: {text}\n\nTo see this report again: {again}"


def _kinds_of(report: Report) -> set[str]:
    return {incident.kind.value for incident in report.incidents} | {pattern.kind.value for pattern in report.patterns}


@pytest.fixture
def gunicorn_watch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GunicornWatch]:
    """Watch gunicorn masters while the test runs; the test fails if one of them had incidents.

    Call it with the master's pid or process: gunicorn_watch(subprocess.Popen(["gunicorn", ...]))
    """
    watch = GunicornWatch(tmp_path)
    request.node.stash[_WATCH] = watch
    yield watch
    watch.stop()


_WATCH = pytest.StashKey[GunicornWatch]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Called after the test's own function, if that did not fail: what gunicorn had fails the test."""
    watch = item.stash.get(_WATCH, None)
    if watch is not None and (texts := watch.stop()):
        pytest.fail("\n\n".join(texts), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """A test that failed by itself: what its gunicorn had meanwhile is often why."""
    watch = item.stash.get(_WATCH, None)
    if watch is not None and call.when == "call":
        for text in watch.stop():
            item.add_report_section("call", "gtdiag", text)
