"""Finds every asyncio task of a process and turns each into suspended code: a name and its await chain."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from gtdiag.interpreter.await_chain import AwaitChain, AwaitChainReader
from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader
from gtdiag.interpreter.objects import ObjectReader, TypeInfo
from gtdiag.interpreter.quick_chains import QuickChainReader
from gtdiag.interpreter.task_lists import TaskListReader
from gtdiag.interpreter.threads import ThreadReader
from gtdiag.model.stacks import SuspendedCode

_TASKS_MODULE = "asyncio.tasks"
_UNNAMED = "Task-"
_NUMBERED = re.compile(r"(.*?)(\d+)$", re.DOTALL)
_TRIES = 2
_A_MOMENT_S = 0.001
"""A busy loop takes some ten steps in it (measured: 50 to 100 microseconds each)."""
"""A torn read is tried once again, then reported."""


@dataclass(frozen=True, slots=True)
class SuspendedReading:
    """One look at a process's suspended code. `problems`: what could not be read; `truncated`: there was more."""

    suspended: tuple[SuspendedCode, ...]
    truncated: bool = False
    problems: tuple[str, ...] = ()


def _by_name(code: SuspendedCode) -> tuple[str, int, str]:
    name = code.name
    if name[:5] == _UNNAMED and name[5:].isdecimal():
        return _UNNAMED, int(name[5:23]), name
    match = _NUMBERED.match(name)
    return (match.group(1), int(match.group(2)[:18]), name) if match else (name, 0, name)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A task's chain, and the links it was read from, to be confirmed."""

    task: int
    code: SuspendedCode
    links: AwaitChain


class TaskReader:
    """Reads the asyncio tasks of one process."""

    def __init__(
        self, objects: ObjectReader, frames: FrameReader, threads: ThreadReader, chains: AwaitChainReader
    ) -> None:
        self._objects = objects
        self._frames = frames
        self._threads = threads
        self._chains = chains
        self._quick = QuickChainReader(objects, frames, chains)
        self._lists = TaskListReader(objects.memory, objects.layout.task, threads)

    def _forget(self) -> None:
        self._objects.forget()
        self._frames.forget()
        self._threads.forget()

    def read(self, max_tasks: int, max_seconds: float) -> SuspendedReading:
        """Every task that is not done, sorted by name, within a number of tasks and a time."""
        deadline = time.monotonic() + max_seconds
        problems: list[str] = []
        tasks, unreadable = self._find_tasks(problems)
        truncated = unreadable
        found: list[SuspendedCode] = []
        changed: set[int] = set()
        left = tasks
        if self._quick.usable and len(tasks) > 1:
            quick = self._quick.read(tasks[:max_tasks], deadline)
            found, changed = quick.found, set(quick.torn)
            left = [*quick.torn, *quick.unusual, *quick.rest, *tasks[max_tasks:]]
        torn = 0
        slow: list[_Chain] = []
        for task in left:
            if len(found) + len(slow) >= max_tasks or time.monotonic() > deadline:
                truncated = True
                break
            if task in changed:
                self._forget()
            one = self._read_one(task)
            if isinstance(one, _Chain):
                slow.append(one)
            elif one == "torn":
                torn += 1
        held_still, moved = self._held_still(slow)
        if moved:
            self._forget()
            again = [one for chain in moved if isinstance(one := self._read_one(chain.task), _Chain)]
            calmed, _ = self._held_still(again)
            held_still += calmed
            torn += len(moved) - len(calmed)
        found += [chain.code for chain in held_still]
        if torn:
            problems.append(f"{torn} of {len(tasks)} tasks changed while they were read")
        return SuspendedReading(tuple(sorted(found, key=_by_name)), truncated, tuple(problems))

    def addresses(self) -> list[int]:
        """Where the tasks are; some of them may be done."""
        return self._task_addresses()[0]

    def _find_tasks(self, problems: list[str]) -> tuple[list[int], bool]:
        """Addresses of every task, and whether some may be missing."""
        for attempt in range(_TRIES):
            self._forget()
            try:
                found, whole = self._task_addresses()
                if whole:
                    return found, False
                if attempt == _TRIES - 1:
                    problems.append("the list of tasks changed while it was read: some may be missing")
                    return found, True
            except InconsistentReadError as error:
                if attempt == _TRIES - 1:
                    problems.append(f"the list of tasks could not be read: {error}")
        return [], True

    def _task_addresses(self) -> tuple[list[int], bool]:
        objects = self._objects
        listed, whole = self._lists.read()
        found = dict.fromkeys(self._tasks_among(listed))
        for interpreter in self._threads.interpreters():
            modules = self._threads.modules(interpreter)
            module = objects.module(modules, _TASKS_MODULE) if modules else None
            if module is None:
                continue  # asyncio is not imported here: there are no tasks
            for name in objects.layout.task.all_tasks:
                container = objects.attribute(module, name)
                if container is None:
                    continue
                if "WeakSet" in objects.type_of(container).names:
                    data = objects.attribute(container, "data")
                    targets = objects.weakref_targets(objects.set_members(data)) if data else []
                else:
                    targets = objects.set_members(container)
                found.update(dict.fromkeys(self._tasks_among(targets)))
        return list(found), whole

    def _tasks_among(self, addresses: list[int]) -> list[int]:
        """Those at which there is a task."""
        found: list[int] = []
        last: TypeInfo | None = None
        for address in addresses:
            try:
                info = self._objects.type_of(address)
            except InconsistentReadError:
                continue
            # Nearly all tasks of a program are of one type.
            if info is last or self._chains.is_task(info):
                last = info
                found.append(address)
        return found

    def _held_still(self, chains: list[_Chain]) -> tuple[list[_Chain], list[_Chain]]:
        """Those that are the same a moment later, and those that are not.

        A worker that is blocked holds still; a chain that moves on could have been put together from two moments, all
        the easier in a program that does the same again and again.
        """
        if self._objects.memory.at_rest:
            return chains, []
        still: list[_Chain] = []
        moved: list[_Chain] = []
        if chains:
            time.sleep(_A_MOMENT_S)
        for chain in chains:
            try:
                self._chains.confirm(chain.links)
                still.append(chain)
            except InconsistentReadError:
                moved.append(chain)
        return still, moved

    def _read_one(self, task: int) -> _Chain | str:
        """A task's chain, or "done" for a finished one, or "torn"."""
        for attempt in range(_TRIES):
            if attempt:
                self._forget()
            try:
                info = self._objects.type_of(task)
                if not self._chains.is_task(info) or self._chains.is_done(task, info):
                    return "done"
                name = self._chains.task_name(task)
                chain = self._chains.read_task(task)
                return _Chain(task, self._describe(name, chain), chain)
            except InconsistentReadError:
                continue
        return "torn"

    def _describe(self, name: str, chain: AwaitChain) -> SuspendedCode:
        return SuspendedCode(
            kind="task",
            name=name,
            frames=tuple(chain.frames),
            awaits=chain.awaits,
            through=tuple(chain.through),
            running=chain.running,
            complete=chain.complete,
        )
