"""Finds every suspended greenlet (gevent, eventlet) of a process and turns each into suspended code: name and stack.

Nothing in a process lists its greenlets; docs/decisions/0004-greenlets.md says how they are found and why.
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, RawFrame
from gtdiag.interpreter.layout import parse_toml
from gtdiag.interpreter.memory import words
from gtdiag.interpreter.objects import OB_TYPE, ObjectReader
from gtdiag.interpreter.threads import ThreadReader
from gtdiag.model.stacks import SuspendedCode

_GREENLET = "greenlet.greenlet"
_HUBS = (("run", "gevent/hub.py"), ("run", "eventlet/hubs/hub.py"))
"""The method that is a hub's outermost frame. Its `self` is gevent's hub greenlet, or leads to eventlet's."""
_HUB_MODULES = ("gevent.hub", "eventlet.hubs.hub")
_MAIN_STACK_STOP = (1 << 64) - 1
_TRIES = 2

_GENERATIONS = 3
_GENERATION_BYTES = 24
_GC_HEAD_BYTES = 16
_GC_FLAGS = 3
_TP_BASE = 256
_MAX_BASES = 32
_NODE = struct.Struct("<4Q")
"""PyGC_Head.next and .prev, then the object's reference count and type."""
_NODES_BETWEEN_LOOKS_AT_THE_CLOCK = 512
_LANDMARKS = 64
_LOOKS_BEFORE_A_NEW_SEARCH = 50
"""Now and then nothing that was remembered is trusted: a single wrong read must not hide a greenlet for ever."""
_MAX_KNOWN = 100_000
_WALKS_OF_A_YOUNG_GENERATION = 3
_MAX_WALK_S = 0.25
"""One look's share of the search: 300,000 objects or so. What is left is searched in the next look."""


@dataclass(frozen=True, slots=True)
class GreenletLayout:
    """Where a greenlet keeps its state. `implementation`: the pointer to it; the state lies in the object up to 1.x."""

    since: tuple[int, ...]
    stack_stop: int
    top_frame: int
    links: tuple[int, int]
    implementation: int | None = None
    back_pointer: int | None = None
    hides_outer_frames: bool = False
    """All but the innermost frame of a suspended greenlet are out of reach."""


@functools.cache
def _layout_tables() -> tuple[dict[str, Any], ...]:
    file = resources.files("gtdiag.interpreter").joinpath("layouts").joinpath("greenlet.toml")
    return tuple(parse_toml(file.read_text(encoding="utf-8"))["layout"])


def read_greenlet_layout(version: str, python: tuple[int, int]) -> GreenletLayout | None:
    """The layout of a greenlet version such as "3.1.1" on a CPython version; None for what is older than any known."""
    number = _numbers(version)
    place = 0 if python >= (3, 11) else 1
    for table in reversed(_layout_tables()):
        since = _numbers(table["since"])
        if number >= since:
            first, behind = table["links"]
            return GreenletLayout(
                since=since,
                stack_stop=table["stack_stop"][place],
                top_frame=table["top_frame"][place],
                links=(first, behind),
                implementation=table.get("implementation"),
                back_pointer=table.get("self"),
                hides_outer_frames=".".join(map(str, python)) in table.get("hides_outer_frames_on", ()),
            )
    return None


def _numbers(version: str) -> tuple[int, ...]:
    found = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)


def _may_have_greenlets(pid: int) -> bool:
    """Whether greenlet's extension module is loaded (proc(5), maps): this is read faster than a thousand modules."""
    try:
        return b"greenlet" in Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return True  # not known: the modules will tell


class GreenletReader:
    """Reads the greenlets of one process; remembers from look to look where they are."""

    def __init__(self, objects: ObjectReader, frames: FrameReader, threads: ThreadReader, runtime_address: int) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._frames = frames
        self._threads = threads
        self._runtime_address = runtime_address
        self._modules_without: tuple[int, int] | None = None
        self._type = 0
        self._layout: GreenletLayout | None = None
        self._is_greenlet_type: dict[int, bool] = {}
        self._known: dict[int, None] = {}
        self._searches: dict[int, _OldGeneration] = {}
        self._looks = 0

    def read(self, max_greenlets: int, max_seconds: float, problems: list[str]) -> tuple[list[SuspendedCode], bool]:
        """Every greenlet that is suspended, and whether there may be more; adds to `problems` what went wrong."""
        deadline = time.monotonic() + max_seconds
        self._looks += 1
        if self._looks % _LOOKS_BEFORE_A_NEW_SEARCH == 0:
            self._modules_without = None
            self._type = 0
            self._searches.clear()
        for attempt in range(_TRIES):
            self._forget()
            try:
                if not self._prepare():
                    return [], False
                break
            except InconsistentReadError as error:
                if attempt == _TRIES - 1:
                    problems.append(f"greenlets could not be read: {error}")
                    return [], True
        if self._layout is None:
            problems.append("greenlets could not be read: an unknown version of greenlet")
            return [], True
        truncated = self._find(min(deadline, time.monotonic() + _MAX_WALK_S))
        return self._read_all(max_greenlets, deadline, truncated, problems)

    def stacks(self, max_seconds: float = 0.1) -> Iterator[list[RawFrame]]:
        """The stack of each suspended greenlet, outermost first; of those found by `read`, where it came before."""
        if not self._prepare() or self._layout is None:
            return
        if not self._known:
            self._find(time.monotonic() + max_seconds)
        for address in list(self._known):
            stack = self._read_stack(address)
            if stack:
                yield stack

    def _forget(self) -> None:
        self._objects.forget()
        self._frames.forget()
        self._threads.forget()

    # Finding them

    def _prepare(self) -> bool:
        """Look up greenlet's type and version; False where it is not imported, or no hub is (SQLAlchemy imports it)."""
        objects, memory = self._objects, self._memory
        interpreters = self._threads.interpreters()
        modules = self._threads.modules(interpreters[-1]) if interpreters else 0
        if not modules:
            return False
        # Looking for a name that is not there costs milliseconds; the same dict of the same size still lacks it.
        fingerprint = (modules, memory.u64(modules + 16))
        if fingerprint == self._modules_without:
            return False
        hubs = _may_have_greenlets(memory.pid) and objects.has_any_module(modules, _HUB_MODULES)
        module = objects.module(modules, "greenlet") if hubs else None
        found = objects.attribute(module, "greenlet") if module else None
        if module is None or found is None or objects.type_at(found).name != _GREENLET:
            memory.forget()
            if fingerprint == (modules, memory.u64(modules + 16)):
                self._modules_without = fingerprint
            return False
        if found != self._type:
            self._type = found
            self._is_greenlet_type = {found: True}
            version = objects.attribute(module, "__version__")
            python = tuple(int(part) for part in objects.layout.version.split("."))
            text = objects.read_str(version) if version else ""
            self._layout = read_greenlet_layout(text, (python[0], python[1]))
        return True

    def _find(self, deadline: float) -> bool:
        """Add to the known greenlets what can be found until `deadline`; True where some may be missing."""
        for address in list(self._known):
            if not self._is_greenlet(address):
                del self._known[address]
        hub_seen = bool(self._known)
        try:
            for stack, _stable in self._threads.stacks():
                hub_seen |= self._add_hub(stack)
            # A library may import gevent for nothing: where no hub was ever seen, there is nothing to be found.
            return self._search(deadline) if hub_seen else False
        except InconsistentReadError:
            return True  # the next look goes on

    def _add_hub(self, stack: list[RawFrame]) -> bool:
        """Where `stack` is that of a hub: note its greenlet and those that it refers to."""
        try:
            hub = self._hub_of(stack)
            if hub is None:
                return False
            for found in (hub, *self._links(hub)):
                self._add(found)
        except InconsistentReadError:
            return False
        return True

    def _hub_of(self, stack: list[RawFrame]) -> int | None:
        """The hub's greenlet, where `stack` is that of a hub waiting for events."""
        if not stack:
            return None
        code = self._frames.code(stack[0].code)
        if not any(code.name == name and code.file.endswith(file) for name, file in _HUBS):
            return None
        hub = self._frames.local(stack[0], "self")
        if hub and not self._is_greenlet(hub):
            hub = self._objects.attribute(hub, "greenlet")
        return hub or 0

    def _add(self, address: int) -> None:
        if self._is_greenlet(address) and len(self._known) < _MAX_KNOWN:
            self._known[address] = None

    def _is_greenlet(self, address: int) -> bool:
        try:
            references, of_type = words(self._memory.read(address, 16))
            return bool(references) and self._is_type_of_greenlets(of_type) and self._state(address) is not None
        except InconsistentReadError:
            return False

    def _is_type_of_greenlets(self, address: int) -> bool:
        known = self._is_greenlet_type.get(address)
        if known is None:
            current = address
            try:
                for _ in range(_MAX_BASES):
                    if not current or current == self._type:
                        break
                    current = self._memory.u64(current + _TP_BASE)
            except InconsistentReadError:
                return False
            known = self._is_greenlet_type[address] = current == self._type
        return known

    def _state(self, address: int) -> int | None:
        """Where a greenlet's state begins; None where it has none (any more)."""
        layout = self._layout
        if layout is None or layout.implementation is None:
            return address
        state = self._memory.u64(address + layout.implementation)
        if state and layout.back_pointer is not None and self._memory.u64(state + layout.back_pointer) != address:
            return None
        return state or None

    def _links(self, address: int) -> Iterator[int]:
        """The greenlets that a greenlet refers to: its thread's main greenlet and its parent."""
        state = self._state(address)
        if state is None or self._layout is None:
            return
        first, behind = self._layout.links
        for word in words(self._memory.read(state + first, behind - first)):
            if word % 8 == 0 and self._is_greenlet(word):
                yield word

    def _search(self, deadline: float) -> bool:
        """Walk the garbage collector's lists for greenlets, newest objects first; True where objects are left."""
        layout = self._objects.layout.runtime
        if layout.gc_generations is None:
            return True
        interpreters = self._threads.interpreters()
        left = False
        for owner in [self._runtime_address] if layout.gc_in_runtime else interpreters:
            first = owner + layout.gc_generations
            for number in range(_GENERATIONS - 1):
                left |= not self._search_young(first + number * _GENERATION_BYTES, deadline)
            old = self._searches.setdefault(owner, _OldGeneration())
            self._memory.forget()
            old.begin(self._memory.u64(first + layout.gc_full_collections))
            left |= not self._search_old(old, first + (_GENERATIONS - 1) * _GENERATION_BYTES, deadline)
        return left

    def _search_young(self, head: int, deadline: float) -> bool:
        """Walk the whole list of a young generation, which may well change at the same time."""
        for _ in range(_WALKS_OF_A_YOUNG_GENERATION):
            self._memory.forget()
            walk = _Walk(self, head, deadline)
            try:
                for _node in walk.nodes(head):
                    pass
                return walk.at_end
            except InconsistentReadError:
                continue
        return False

    def _search_old(self, old: _OldGeneration, head: int, deadline: float) -> bool:
        """Between two full collections objects are only added at the end of the list: the rest is walked once."""
        walk = _Walk(self, head, deadline)
        landmarks: dict[int, int] = {}
        reached = False
        for node, older in walk.nodes(head):
            if old.landmarks.get(node) == older:
                reached = True
                break
            if len(landmarks) < _LANDMARKS:
                landmarks[node] = older
        if not reached:
            old.resume_at = 0 if walk.at_end else walk.node
        elif old.resume_at:
            walk = _Walk(self, head, deadline)
            for _ in walk.nodes(old.resume_at):
                pass
            old.resume_at = 0 if walk.at_end else walk.node
        if landmarks:
            kept = list(old.landmarks.items())[: _LANDMARKS - len(landmarks)] if reached else []
            old.landmarks = {**landmarks, **dict(kept)}
        return not old.resume_at

    # Reading them

    def _read_all(
        self, max_greenlets: int, deadline: float, truncated: bool, problems: list[str]
    ) -> tuple[list[SuspendedCode], bool]:
        """Each known greenlet's stack is read twice; where the two differ it ran meanwhile, and is tried again."""
        self._memory.forget()
        first = {address: self._read_stack(address) for address in list(self._known)[:max_greenlets]}
        truncated |= len(self._known) > len(first)
        self._memory.forget()
        found: list[SuspendedCode] = []
        torn = 0
        for address, stack in first.items():
            if time.monotonic() > deadline:
                truncated = True
                break
            again = self._read_stack(address)
            for _ in range(_TRIES):
                if again == stack and stack is not None:
                    break
                self._memory.forget()
                stack, again = again, self._read_stack(address)
            if again != stack or again is None:
                torn += 1
            elif again:
                try:
                    found.append(self._describe(address, again))
                except InconsistentReadError:
                    torn += 1
        if torn:
            problems.append(f"{torn} of {len(first)} greenlets changed while they were read")
        return sorted(found, key=lambda code: code.name), truncated

    def _read_stack(self, address: int) -> list[RawFrame] | None:
        """A greenlet's frames, outermost first: none while it runs, before it starts and after its end. None: torn."""
        if self._layout is None:
            return []
        try:
            state = self._state(address)
            frame = self._memory.u64(state + self._layout.top_frame) if state else 0
            return self._frames.object_stack(frame) if frame else []
        except InconsistentReadError:
            return None

    def _describe(self, address: int, stack: list[RawFrame]) -> SuspendedCode:
        kind = self._objects.type_at(self._memory.u64(address + OB_TYPE)).name.rpartition(".")[2]
        state = self._state(address)
        main = (
            self._layout is not None
            and state is not None
            and self._memory.u64(state + self._layout.stack_stop) == _MAIN_STACK_STOP
        )
        return SuspendedCode(
            kind="greenlet",
            name=f"{'main greenlet' if main else kind} at {address:#x}",
            frames=tuple(self._frames.describe(raw) for raw in stack),
            complete=self._layout is not None and not self._layout.hides_outer_frames,
        )

    def note(self, node: int, of_type: int) -> None:
        """An object met on the collector's lists."""
        if self._is_greenlet_type.get(of_type) or self._is_type_of_greenlets(of_type):
            self._add(node + _GC_HEAD_BYTES)


class _OldGeneration:
    """How far the oldest generation has been walked since its last collection."""

    def __init__(self) -> None:
        self.collections = -1
        self.landmarks: dict[int, int] = {}
        """Objects at the end of the part already walked, each with the one before it."""
        self.resume_at = 0
        """The last object met of a walk that ran out of time; 0 when it reached the beginning."""

    def begin(self, collections: int) -> None:
        """A collection may move every object to another place in the list."""
        if collections != self.collections:
            self.collections = collections
            self.landmarks = {}
            self.resume_at = 0


class _Walk:
    """One walk along one of the collector's lists, from newer to older objects."""

    def __init__(self, reader: GreenletReader, head: int, deadline: float) -> None:
        self._reader = reader
        self._memory = reader._memory
        self._head = head
        self._deadline = deadline
        self.node = head
        self.at_end = False

    def nodes(self, start: int) -> Iterator[tuple[int, int]]:
        """Each object's list node with the next older one; shows each to the reader. Raises what a torn list raises."""
        memory, head, note = self._memory, self._head, self._reader.note
        others = self._reader._is_greenlet_type
        newer = start
        node = memory.u64(start + 8) & ~_GC_FLAGS
        count = 0
        while node != head:
            newer_again, older, _references, of_type = _NODE.unpack(memory.read(node, _NODE.size))
            if newer_again & ~_GC_FLAGS != newer:
                raise InconsistentReadError("a list of objects that changed while it was walked")
            older &= ~_GC_FLAGS
            if others.get(of_type) is not False:
                note(node, of_type)
            self.node = node
            yield node, older
            newer, node = node, older
            count += 1
            if count % _NODES_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and time.monotonic() > self._deadline:
                return
        self.at_end = True
