"""Turns the circular lists in which CPython 3.14 and later keep asyncio's tasks into the addresses of those tasks."""

from __future__ import annotations

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.layout import TaskLayout
from gtdiag.interpreter.memory import ProcessMemory
from gtdiag.interpreter.threads import ThreadReader

_MAX_TASKS = 200_000
_NEXT, _PREVIOUS = 0, 8
"""struct llist_node; both are checked against what is published."""


class TaskListReader:
    """The lists of one process: one in each thread, and one in each interpreter for tasks whose thread has ended."""

    def __init__(self, memory: ProcessMemory, layout: TaskLayout, threads: ThreadReader) -> None:
        self._memory = memory
        self._layout = layout
        self._threads = threads

    def read(self) -> tuple[list[int], bool]:
        """Addresses where tasks are said to be, and whether the lists were whole."""
        node = self._layout.node
        if node is None or not self._layout.c_tasks_known:
            return [], True
        heads = [address + self._layout.interpreter_tasks for address in self._threads.interpreters()]
        heads += [thread.address + self._layout.thread_tasks for thread in self._threads.threads()]
        found: dict[int, None] = {}
        whole = True
        for head in heads:
            nodes, complete = self._follow(head, _NEXT)
            if not complete:
                # Torn where a task was put in or taken out: what lies behind it is reached from the other end.
                nodes += self._follow(head, _PREVIOUS)[0]
                whole = False
            found.update((address - node, None) for address in nodes)
        return list(found), whole

    def _follow(self, head: int, way: int) -> tuple[list[int], bool]:
        memory = self._memory
        nodes: dict[int, None] = {}
        try:
            current = memory.u64(head + way)
            if not current:
                return [], True  # this thread has not run asyncio
            before = head
            while current != head:
                if current in nodes or len(nodes) >= _MAX_TASKS or memory.u64(current + 8 - way) != before:
                    return list(nodes), False
                nodes[current] = None
                before, current = current, memory.u64(current + way)
        except InconsistentReadError:
            return list(nodes), False
        return list(nodes), True
