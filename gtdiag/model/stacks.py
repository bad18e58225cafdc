"""Stacks as they were seen: frames, threads, and suspended code (tasks, greenlets) with their await chains.

Order everywhere: outermost first, the innermost frame last ("most recent call last").
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One Python (or native) frame. `function` is the qualified name where the interpreter has it (3.11 and later)."""

    function: str
    file: str
    line: int | None = None
    source: str | None = None
    """The source line, where a traceback in a log shows it."""
    coroutine: bool = False
    """Code of an `async def`, where the interpreter's memory tells."""


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """The stack of one thread, running or blocked in a system call."""

    thread_id: int | None
    name: str | None
    frames: tuple[Frame, ...]
    main: bool = False
    active: bool = False
    """On a CPU (not idle in a system call) when it was looked at."""
    holds_gil: bool = False
    native_thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class SuspendedCode:
    """A task or greenlet that waits, read from the process's memory.

    `frames`: the await chain, outermost first; it leads on into awaited tasks, whose names are in `through`.
    `awaits`: the type name of the awaitable at the end of the chain ("_asyncio.Future", ...), None where the chain is
    running code or could not be followed to its end (`complete` is False then).
    """

    kind: str  # "task" | "greenlet"
    name: str
    frames: tuple[Frame, ...]
    awaits: str | None = None
    through: tuple[str, ...] = ()
    running: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """A process at the other end of a pipe or of a unix socket: its pid as seen from here, its name (proc(5), comm)."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class TcpTraffic:
    """What the kernel says went over a TCP connection (`struct tcp_info`, include/uapi/linux/tcp.h).

    Times are seconds before the look. A field is None where this kernel does not tell. `last_received_s` counts from
    the connect as long as nothing was received. `retransmits`: how often what is unanswered now was sent again (in
    SYN_SENT: the SYN); `next_retransmit_s`: seconds until the kernel sends it again. `unread_bytes`: received, and
    not read by the process; `unsent_bytes`: written, and not taken by the peer.
    """

    bytes_sent: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    last_sent_s: float | None = None
    last_received_s: float | None = None
    retransmits: int = 0
    total_retransmits: int = 0
    next_retransmit_s: float | None = None
    unread_bytes: int = 0
    unsent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WaitedDescriptor:
    """A descriptor that a system call waits for.

    `kind`: "socket", "pipe", "file", "eventfd", "epoll", "inotify", "timerfd", "signalfd", "pidfd", "io_uring",
    "terminal" or "unknown"; `name`: a file's path. `process`: who is at the other end, or (pidfd) whose end is awaited.
    `through_epoll`: it is one of an epoll instance's targets. `writing`: the call waits until it can write.
    """

    fd: int
    kind: str
    name: str | None = None
    inode: int | None = None
    process: PeerProcess | None = None
    through_epoll: bool = False
    writing: bool = False


@dataclass(frozen=True, slots=True)
class KernelWait:
    """What one thread does as the kernel sees it (proc(5): task/TID/stat, wchan, syscall).

    `state`: the one-letter state (R runs, S sleeps, D sleeps for a disk); `function`: the kernel function it sleeps in;
    `system_call`: its name, None where it runs or may not be read (it needs the right to ptrace). `process`: the child
    whose end it waits for (wait4, waitid). `sleeps_for`: it sleeps for a time (True), or as time.sleep() does: until
    a moment, or in a select of nothing (False); None where it does not sleep, or that may not be read.
    """

    native_thread_id: int
    state: str
    function: str | None = None
    system_call: str | None = None
    descriptors: tuple[WaitedDescriptor, ...] = ()
    process: PeerProcess | None = None
    sleeps_for: bool | None = None


@dataclass(frozen=True, slots=True)
class NamedHost:
    """A host that a local variable of a frame names: in a DSN, a URL, or as the host of a connection object.

    `function` and `file` say whose frame; `port` where it is named too. Nothing else of the DSN or URL is kept.
    """

    function: str
    file: str
    host: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One socket of a process and its peer.

    `state` is the kernel's TCP state name ("SYN_SENT", "ESTABLISHED", "LISTEN", ...) or "UNIX".
    `outgoing` is False for a connection accepted on one of gunicorn's own listeners.
    `protocol`: "tcp", "udp" or "unix". `peer_name`: the peer's name in the process's own /etc/hosts.
    """

    fd: int | None
    family: str  # "inet" | "inet6" | "unix"
    local: str
    peer: str | None
    state: str
    outgoing: bool = True
    inode: int | None = None
    protocol: str = "tcp"
    traffic: TcpTraffic | None = None
    peer_name: str | None = None
    process: PeerProcess | None = None
    shared_with: tuple[int, ...] = ()
    """The pids of the master and of other workers that hold this very socket: it came to them through a fork."""
