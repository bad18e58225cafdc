"""Facts of a gunicorn master and its workers to judgements: each says what was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Callable

from gtdiag.analysis.check_judgement import Judgement, limited, missing, ok, unknown
from gtdiag.model.observability import Attempt, MasterFacts, ProcessFacts

FIRST_SILENT_MAJOR = 22
"""From 22.0.0 on a worker is not timed out before its first heartbeat, and heartbeats are on the monotonic clock."""
CLOCKS_AGREE_S = 0.5
"""Far below the second in which heartbeats are counted; the offset itself is exact."""
_SOURCES = {"command_line": "the command line", "environment": "the environment", "default": "gunicorn's defaults"}


def judge_gunicorn(master: MasterFacts) -> Judgement:
    """Whether it is gunicorn, which version, and what that version does not show."""
    if master.is_gunicorn is None:
        return unknown("whether this is gunicorn cannot be told: neither its command line nor its descriptors say so")
    if master.version is None:
        return limited("a master of unknown version")
    words = [f"{master.version}, worker class {master.worker_class or 'unknown'}"]
    if master.timeout_s == 0:
        words.append("time-outs are off (timeout 0)")
    elif master.timeout_s is not None:
        words.append(f"time-out {master.timeout_s:g} s")
    if _major(master.version) >= FIRST_SILENT_MAJOR:
        words.append("does not time a worker out before its first heartbeat, and logs nothing of it")
    return ok("; ".join(words))


def judge_worker_memory(master: MasterFacts) -> Judgement:
    """Whether /proc/PID/mem of the workers could be opened and read."""
    return _of_all(master, lambda process: process.memory, "can be read")


def judge_vm_read(master: MasterFacts) -> Judgement:
    """Whether process_vm_readv of the workers was permitted."""
    return _of_all(master, lambda process: process.vm_read, "may be read that way")


def judge_system_calls(master: MasterFacts) -> Judgement:
    """Whether the system call that a worker is in, with its arguments, could be read."""
    return _of_all(master, lambda process: process.system_calls, "show their system call")


def judge_traffic(master: MasterFacts) -> Judgement:
    """Whether the kernel tells what went over a connection."""
    traffic = master.place.traffic
    if not traffic.ok:
        return missing(traffic.why, traffic.hint)
    said = "the kernel's socket diagnostics answer"
    if master.place.same_network is None:
        return unknown(f"{said}, perhaps for another network namespace: which one it is in may not be looked at")
    return ok(said)


def judge_heartbeat(master: MasterFacts) -> Judgement:
    """Of how many workers the heartbeat file can be read."""
    count = len(master.workers)
    if not count:
        return unknown("the master has no worker now", "ask again once it has workers: gtdiag doctor {pid}")
    said = f"{master.heartbeats} of {count} heartbeat files can be read"
    if master.heartbeats == count:
        return ok(said)
    denied = next((worker.descriptors for worker in master.workers if not worker.descriptors.ok), Attempt(True))
    reason = f"{said}: {denied.why}" if denied.why else said
    return missing(reason, denied.hint) if not master.heartbeats else limited(reason, denied.hint)


def judge_dumpable(master: MasterFacts) -> Judgement:
    """Whether the kernel protects a process of the server from others of the same user."""
    processes = (master.process, *master.workers)
    protected = [process for process in processes if process.dumpable is False or process.more_capable]
    if all(process.memory.ok for process in processes):
        return ok(f"{len(protected)} protected, and readable all the same" if protected else "none")
    if protected:
        undumpable = [process for process in protected if process.dumpable is False]
        why = "not dumpable" if undumpable else "with capabilities that gtdiag lacks"
        return limited(f"{why}: {_pids(undumpable or protected)}")
    if all(process.dumpable is None for process in processes):
        return unknown("the kernel does not show it for processes of root")
    return ok("none")


def judge_interpreter(master: MasterFacts) -> Judgement:
    """Whether the interpreter is one whose memory can be understood."""
    name = f"CPython {master.python}" if master.python else "of unknown version"
    attempt = master.interpreter
    if attempt is None:
        return unknown(name)
    if attempt.ok:
        return ok(f"{name}, its layout is known")
    if not master.process.memory.ok:
        known = {True: ", whose layout is known", False: ", whose layout is not known", None: ""}[master.python_known]
        said = f"{name} by the name of its files{known}" if master.python else name
        said += f"; its memory may not be read: {master.process.memory.why}"
        return missing(said) if master.python_known is False else unknown(said, master.process.memory.hint)
    return missing(attempt.why)


def judge_stacks(master: MasterFacts) -> Judgement | None:
    """Whether py-spy could take the master's stack."""
    if master.stacks is None:
        return None
    return ok("the master's stack was read") if master.stacks.ok else missing(master.stacks.why, master.stacks.hint)


def judge_master_memory(master: MasterFacts) -> Judgement:
    """Whether the memory of the master could be opened and read."""
    memory = master.process.memory
    return ok("can be read") if memory.ok else missing(memory.why, memory.hint)


def judge_settings(master: MasterFacts) -> Judgement:
    """Where the settings are from, and whether that can be wrong."""
    source = master.settings_from or "default"
    said = f"from {_SOURCES.get(source, f'the {source}'.replace('_', ' '))}"
    if master.settings_doubt:
        return limited(f"{said}; {master.settings_doubt}", master.settings_hint)
    return ok(said)


def judge_control_socket(master: MasterFacts) -> Judgement:
    """Whether it answered, in a version that has one."""
    if master.control_socket is None:
        return ok("not in this version of gunicorn" if master.version else "not tried: the version is not known")
    return ok("answers") if master.control_socket else missing("it does not answer this user")


def judge_log(master: MasterFacts) -> Judgement:
    """Whether the error log can be followed."""
    log = master.log
    if not log.followed:
        return missing(log.why, log.hint)
    if log.guessed:
        return limited(log.why, log.hint)
    return ok(log.shown)


def judge_pid_namespace(master: MasterFacts) -> Judgement:
    """Whether the log's pids are those that are seen from here."""
    place = master.place
    if place.same_pids is None:
        return unknown("its namespace may not be looked at")
    if place.same_pids:
        return ok("the same")
    if place.inner_pid is None:
        return limited("another one, whose pids are not shown")
    return ok(f"another one: it knows itself as {place.inner_pid}; the pids of its log are translated")


def judge_time_namespace(master: MasterFacts) -> Judgement:
    """Whether heartbeats are on the clock that gtdiag reads; an offset that is known is allowed for."""
    offset_s = master.place.clock_offset_s
    if offset_s is None:
        return unknown("its namespace may not be looked at")
    if abs(offset_s) < CLOCKS_AGREE_S:
        return ok("its monotonic clock is that of gtdiag")
    where = "ahead of" if offset_s > 0 else "behind"
    return ok(f"another one: its monotonic clock is {abs(offset_s):.0f} s {where} gtdiag's, which is allowed for")


def judge_mount_namespace(master: MasterFacts) -> Judgement:
    """Whether files are reached as the master sees them."""
    place = master.place
    if place.same_mounts:
        return ok("the same mounts")
    if place.root.ok:
        return ok("other mounts, reached through /proc/PID/root")
    return limited(f"its root folder may not be followed: {place.root.why}")


def judge_network(master: MasterFacts) -> Judgement:
    """Whether sockets can be listed and joined with the workers' descriptors."""
    place = master.place
    if not place.sockets.ok:
        return missing(f"its socket tables cannot be read: {place.sockets.why}")
    where = "the same network namespace" if place.same_network else "its socket tables are readable"
    if place.same_network is False:
        where = f"another network namespace; {where}"
    denied = next((worker.descriptors for worker in master.workers if not worker.descriptors.ok), None)
    if denied is not None:
        return missing(f"{where}; the workers' descriptors are not: {denied.why}", denied.hint)
    return ok(where)


def _of_all(master: MasterFacts, attempted: Callable[[ProcessFacts], Attempt], can: str) -> Judgement:
    tried = [(worker.pid, attempted(worker)) for worker in master.workers]
    whose = "workers"
    if not tried:
        tried, whose = [(master.process.pid, attempted(master.process))], "master, which has no worker now,"
    count = sum(attempt.ok for _, attempt in tried)
    said = f"{count} of {len(tried)} {whose} {can}" if whose == "workers" else f"the {whose} {can}"
    if count == len(tried):
        return ok(said)
    denied = next(attempt for _, attempt in tried if not attempt.ok)
    if not count:
        whom = f"none of {len(tried)} workers" if whose == "workers" else f"not even the {whose}"
        return missing(f"{whom} {can}: {denied.why}", denied.hint)
    pids = ", ".join(str(pid) for pid, attempt in tried if not attempt.ok)
    return limited(f"{said}, not {pids}: {denied.why}", denied.hint)


def _pids(processes: list[ProcessFacts]) -> str:
    return ", ".join(str(process.pid) for process in processes)


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 0
