"""What several workers' fates, or the course of time, show together. Each module here matches one pattern.

To add a pattern: a member of `PatternKind`, a module with its `match_*` function, and a line in `_MATCHERS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from gtdiag.analysis.judging import Judge, Judgement
from gtdiag.analysis.patterns.blocking_call_in_event_loop import match_blocking_call_in_event_loop
from gtdiag.analysis.patterns.boot_loop import match_boot_loop
from gtdiag.analysis.patterns.cpu_starvation import match_cpu_starvation
from gtdiag.analysis.patterns.drain_timeout import match_drain_timeout
from gtdiag.analysis.patterns.fork_inherited_lock import match_fork_inherited_lock
from gtdiag.analysis.patterns.graceful_timeout_kill import match_graceful_timeout_kill
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.patterns.group_stall import match_group_stall
from gtdiag.analysis.patterns.idle_client import match_idle_client
from gtdiag.analysis.patterns.memory_growth import match_memory_growth
from gtdiag.analysis.patterns.memory_limit import match_memory_limit
from gtdiag.analysis.patterns.misleading_oom_message import match_misleading_oom_message
from gtdiag.analysis.patterns.pool_exhausted import match_pool_exhausted
from gtdiag.analysis.patterns.restart_loop import match_restart_loop
from gtdiag.analysis.patterns.shared_socket import match_shared_socket
from gtdiag.analysis.patterns.silent_startup_hang import match_silent_startup_hang
from gtdiag.analysis.patterns.slow_heartbeat_disk import match_slow_heartbeat_disk
from gtdiag.analysis.patterns.slow_startup import match_slow_startup
from gtdiag.analysis.patterns.startup_contention import match_startup_contention
from gtdiag.model.report import Pattern, PatternKind

_MATCHERS: tuple[Callable[[MasterGroup], list[Pattern]], ...] = (
    match_startup_contention,
    match_silent_startup_hang,
    match_restart_loop,
    match_boot_loop,
    match_blocking_call_in_event_loop,
    match_misleading_oom_message,
    match_memory_growth,
    match_memory_limit,
    match_pool_exhausted,
    match_idle_client,
    match_cpu_starvation,
    match_slow_heartbeat_disk,
    match_shared_socket,
    match_fork_inherited_lock,
    match_drain_timeout,
    match_graceful_timeout_kill,
    match_group_stall,
    match_slow_startup,
)


def find_patterns(judgements: Sequence[Judgement], judge: Judge) -> tuple[Pattern, ...]:
    """All patterns of an observation, the ones that say most first."""
    by_master: dict[tuple[str, int], list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_master[(judgement.life.stream, id(judgement.life.master))].append(judgement)
    groups = [MasterGroup(tuple(members), members[0].life.master, judge) for members in by_master.values()]
    found = [
        pattern if pattern.replica == group.replica else replace(pattern, replica=group.replica)
        for group in groups
        for match in _MATCHERS
        for pattern in match(group)
    ]
    order = list(PatternKind)
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), one.replica or "", one.master_pid or 0)))
