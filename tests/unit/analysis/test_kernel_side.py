"""The kernel's side of a wait: the condition of a peer, the connection that is waited on, agreement with the stack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gtdiag.analysis.kernel_alone import read_kernel_alone
from gtdiag.analysis.kernel_side import KernelEvidence, choose_connection, join_wait, kind_of_wait
from gtdiag.analysis.look import Look, LookEvidence, LookReader
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.analysis.peer_condition import Condition, ReceivedBytes, awaits_answer, read_condition
from gtdiag.model.report import Category, Confidence, How, WaitingOn
from gtdiag.model.stacks import Connection, KernelWait, PeerProcess, TcpTraffic, WaitedDescriptor
from gtdiag.rules.condition_words import describe_condition, describe_figures
from gtdiag.rules.frameworks import waits_for_own_pool
from tests.unit.analysis.story import LIFESPAN, LOOP, main_thread, pool_thread, task

DATABASE, CACHE, WEB = "10.0.0.5:5432", "10.0.0.6:6379", "10.0.0.7:443"


def traffic(text: str) -> TcpTraffic:
    """`sent=164 received=0 last_sent=3 last_received=3 again=2 unread=1 unsent=1` to the kernel's figures."""
    values = {name: float(value) for name, value in (word.split("=") for word in text.split())}
    return TcpTraffic(
        bytes_sent=int(values.get("sent", 0)),
        bytes_received=int(values.get("received", 0)),
        last_sent_s=values.get("last_sent"),
        last_received_s=values.get("last_received"),
        retransmits=int(values.get("again", 0)),
        unread_bytes=int(values.get("unread", 0)),
        unsent_bytes=int(values.get("unsent", 0)),
    )


def connection(peer: str, figures: str | None = "", *, fd: int = 9, state: str = "ESTABLISHED") -> Connection:
    seen = None if figures is None else traffic(figures)
    return Connection(fd, "inet", "10.0.0.1:50000", peer, state, inode=1000 + fd, traffic=seen)


def wait(call: str | None, *fds: int, kind: str = "socket", epoll: bool = False, state: str = "S") -> KernelWait:
    targets = tuple(WaitedDescriptor(fd, kind, through_epoll=epoll) for fd in fds)
    return KernelWait(100, state, None, call, targets)


# state | figures | bytes received some looks ago | the condition
CONDITIONS = """
SYN_SENT    | sent=0                                            |    | connecting
SYN_SENT    | again=3                                           |    | unreachable
ESTABLISHED | sent=8 received=0 last_sent=9 last_received=9     |    | mute
ESTABLISHED | sent=8 received=0 last_sent=9 last_received=9     | 0  | mute
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=9.1  |    | silent
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=9.1  | 40 | silent
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=0.5  | 30 | slow
ESTABLISHED | sent=8 received=40 last_sent=30 last_received=25  | 30 | -
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=0.5  |    | -
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=8.9  |    | -
ESTABLISHED | sent=8 received=40 last_sent=9 last_received=9 again=4 |    | unreachable
ESTABLISHED | sent=8 received=40 unread=12                      |    | unread
CLOSE_WAIT  | sent=8 received=40                                |    | closed_by_peer
"""


@pytest.mark.parametrize("row", CONDITIONS.strip().splitlines())
def test_condition_of_a_peer(row: str) -> None:
    state, figures, before, expected = (cell.strip() for cell in row.split("|"))
    seen = connection(DATABASE, figures, state=state)
    condition = read_condition(seen, {1009: int(before)} if before else None)
    assert (condition.value if condition else "-") == expected


def test_a_peer_that_takes_nothing_counts_only_for_a_call_that_writes() -> None:
    seen = connection(WEB, "sent=900 received=40 unsent=500 last_sent=9 last_received=9.5")
    assert read_condition(seen, writing=True) is Condition.NOT_READING
    assert read_condition(seen, writing=False) is Condition.SILENT


def test_without_figures_only_the_state_speaks() -> None:
    assert read_condition(connection(DATABASE, None)) is None
    assert read_condition(connection(DATABASE, None, state="SYN_SENT")) is Condition.CONNECTING
    assert not awaits_answer(connection(DATABASE, None))


def test_bytes_received_some_looks_ago() -> None:
    received = ReceivedBytes()
    for number in (10, 20, 30):
        received.add([connection(DATABASE, f"received={number}")])
    assert received.before() == {1009: 10}
    for _ in range(10):
        received.add([connection(DATABASE, "received=30")])
    assert received.before() == {1009: 30}


# --- which connection ------------------------------------------------------------------------------------------------

IDLE = "sent=50 received=80 last_sent=9 last_received=8.9"
ASKED = "sent=50 received=80 last_sent=9 last_received=9.5"


def test_the_descriptor_of_the_system_call_decides() -> None:
    seen = KernelEvidence(connections=(connection(DATABASE, ASKED, fd=7), connection(CACHE, ASKED, fd=8)))
    joined = join_wait("socket", Category.DATABASE, wait("recvfrom", 7), seen)
    assert (joined.waiting_on.peer, joined.waiting_on.condition, joined.agrees) == (DATABASE, "silent", True)
    assert joined.note == f"the kernel shows it in recvfrom on descriptor 7, its connection to {DATABASE}"


def test_in_an_event_loop_the_idle_connections_are_left_out() -> None:
    seen = KernelEvidence(connections=(connection(WEB, IDLE, fd=7), connection("10.0.0.8:443", ASKED, fd=8)))
    joined = join_wait("socket", Category.HTTP, wait("epoll_wait", 3, 7, 8, epoll=True), seen)
    assert (joined.waiting_on.peer, joined.sure, joined.agrees) == ("10.0.0.8:443", True, None)


def test_several_that_fit_lower_the_confidence() -> None:
    seen = (
        connection(WEB, "sent=5 received=9 last_sent=9 last_received=9.5", fd=7),
        connection("10.0.0.8:443", "sent=5 received=9 last_sent=3 last_received=9.5", fd=8),
    )
    assert choose_connection(seen, Category.HTTP) == (seen[1], False)
    chain = task(*LIFESPAN, "httpx/_client.py:AsyncClient.get")
    evidence = LookEvidence(
        threads=(main_thread(*LOOP),),
        suspended=(chain,),
        connections=seen,
        waits=(wait("epoll_wait", 7, 8, epoll=True),),
        in_startup=True,
    )
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None and look.confidence is Confidence.MEDIUM


def test_a_system_log_is_nobodys_peer() -> None:
    log = Connection(5, "unix", "", "/run/systemd/journal/dev-log", "UNIX", protocol="unix", inode=1)
    seen = KernelEvidence(connections=(log,))
    assert join_wait("socket", Category.NETWORK, wait("epoll_wait", 7, epoll=True), seen).waiting_on.peer is None
    assert join_wait("socket", Category.NETWORK, wait("recvfrom", 5), seen).waiting_on.peer == log.peer


def test_a_socket_without_a_peer() -> None:
    joined = join_wait("socket", Category.DATABASE, wait("connect", 7), KernelEvidence())
    assert joined.waiting_on.condition == "not_connected"


# --- agreement -------------------------------------------------------------------------------------------------------

# what the stack says | the kernel's side of the thread | whether they agree
AGREEMENT = [
    ("socket", wait("read", 7, kind="pipe"), False),
    ("socket", wait("futex"), None),  # a client library's own threads may do the talking
    ("sleep", wait("clock_nanosleep"), True),
    ("sleep", wait("pselect6"), True),
    ("sleep", wait("recvfrom", 7), False),
    ("lock", wait("futex"), True),
    ("lock", wait("wait4"), False),
    ("file_lock", wait("flock", 7, kind="file"), True),
    ("file_lock", wait("futex"), False),
    ("child", wait("wait4"), True),
    ("child", wait("read", 7, kind="pipe"), True),
    ("child", wait("futex"), False),
    ("cpu", wait(None, state="R"), True),
    ("disk", wait("read", 7, kind="file"), None),
]


@pytest.mark.parametrize(("kind", "seen", "agrees"), AGREEMENT)
def test_agreement_of_stack_and_kernel(kind: str, seen: KernelWait, agrees: bool | None) -> None:
    assert join_wait(kind, Category.UNKNOWN, seen, KernelEvidence()).agrees is agrees


def look_in_psycopg2(*connections: Connection, seen: KernelWait) -> Look:
    thread = main_thread("app:load", "psycopg2/__init__.py:connect")
    evidence = LookEvidence(threads=(thread,), connections=connections, waits=(seen,))
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None
    return look


def test_another_services_port_speaks_against_the_stack_and_a_web_port_does_not() -> None:
    assert look_in_psycopg2(connection(DATABASE), seen=wait("poll", 9)).kernel_agrees is True
    assert look_in_psycopg2(connection(WEB), seen=wait("poll", 9)).kernel_agrees is True
    disagrees = look_in_psycopg2(connection(CACHE), seen=wait("poll", 9))
    assert disagrees.kernel_agrees is False
    assert disagrees.kernel_note is not None and "port of redis" in disagrees.kernel_note


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (wait("read", 7, kind="pipe"), "pipe"),
        (wait("read", 7), "socket"),
        (wait("read", 7, kind="file"), "disk"),
        (wait("poll", 7, 8, kind="pipe"), "pipe"),
        (wait("epoll_wait", 7, epoll=True), "poll"),
        (wait("futex"), "lock"),
        (KernelWait(1, "S", "hrtimer_nanosleep"), "sleep"),
        (KernelWait(1, "S", "fcntl_setlk", "fcntl", (WaitedDescriptor(7, "file", "/run/app.lock"),)), "file_lock"),
        (None, None),
    ],
)
def test_kinds_of_waits(seen: KernelWait | None, kind: str | None) -> None:
    assert kind_of_wait(seen) == kind


def test_a_named_pipe_is_told_by_the_kernel_function() -> None:
    fifo = KernelWait(1, "S", "anon_pipe_read", "read", (WaitedDescriptor(7, "file", "/run/app.fifo"),))
    assert kind_of_wait(fifo) == "pipe"


def test_the_child_at_the_other_end_of_a_pipe() -> None:
    pipe = WaitedDescriptor(7, "pipe", process=PeerProcess(31, "ffmpeg"))
    thread = main_thread("app:convert")
    evidence = LookEvidence(threads=(thread,), waits=(KernelWait(1, "S", "anon_pipe_read", "read", (pipe,)),))
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None and look.waiting_on is not None
    assert (look.category, look.confidence) == (Category.SUBPROCESS, Confidence.MEDIUM)
    assert (look.waiting_on.process_name, look.waiting_on.process_pid) == ("ffmpeg", 31)


# --- a pool of one's own ---------------------------------------------------------------------------------------------

POOLS = [
    ("sqlalchemy.pool.impl:_do_get sqlalchemy.util.queue:Queue.get threading:Condition.wait", True),
    ("psycopg_pool.pool:ConnectionPool.getconn threading:Event.wait", True),
    ("asyncpg.pool:Pool._acquire asyncio.queues:Queue.get", True),
    ("redis.connection:BlockingConnectionPool.get_connection queue:Queue.get threading:Condition.wait", True),
    ("httpcore._synchronization:Event.wait threading:Event.wait threading:Condition.wait", True),
    ("aiohttp.client:request aiohttp.connector:BaseConnector._wait_for_available_connection", True),
    ("redis.connection:Connection.read_response socket:SocketIO.readinto", False),
    ("urllib3.connectionpool:urlopen urllib3.connection:getresponse socket:SocketIO.readinto", False),
    ("aiohttp.connector:TCPConnector._create_connection asyncio.base_events:create_connection", False),
    ("asyncpg.pool:Pool.acquire asyncpg.connection:connect asyncio.tasks:wait_for", False),
    ("threading:Condition.wait", False),
    ("sqlalchemy.pool.impl:_do_get", False),
]


@pytest.mark.parametrize(("stack", "waits"), POOLS)
def test_pools(stack: str, waits: bool) -> None:
    frames = [(module, function) for module, _, function in (word.partition(":") for word in stack.split())]
    assert waits_for_own_pool(frames) is waits


# --- nothing but the kernel's side -----------------------------------------------------------------------------------

MUTE = "sent=8 received=0 last_sent=9 last_received=9"


def alone(*connections: Connection, function: str | None, state: str = "S", **more: object) -> Look | None:
    evidence = LookEvidence(
        connections=connections,
        waits=(KernelWait(100, state, function),),
        **more,  # type: ignore[arg-type]
    )
    return read_kernel_alone(evidence)


def test_an_idle_worker_polls_and_is_not_blamed() -> None:
    assert alone(connection(DATABASE, MUTE), function="do_epoll_wait") is None
    assert alone(connection(DATABASE, IDLE), function="do_epoll_wait", in_startup=True) is None
    assert alone(function="futex_wait_queue") is None
    assert alone(function="do_select", stale=True) is None


def test_the_only_peer_in_trouble_is_named() -> None:
    seen = alone(connection(DATABASE, MUTE), connection(CACHE, IDLE, fd=8), function="do_epoll_wait", in_startup=True)
    assert seen is not None and seen.waiting_on is not None
    assert (seen.category, seen.how, seen.confidence) == (Category.DATABASE, How.SOCKET, Confidence.MEDIUM)
    assert (seen.call, seen.waiting_on.peer) == (None, DATABASE)


def test_two_peers_in_trouble_name_none() -> None:
    both = (connection(DATABASE, MUTE), connection(CACHE, MUTE, fd=8))
    assert alone(*both, function="do_epoll_wait", in_startup=True) is None


def test_a_port_that_says_nothing_is_less_sure() -> None:
    seen = alone(
        connection("10.0.0.5:47797", "again=3", state="SYN_SENT"), function="poll_schedule_timeout", stale=True
    )
    assert seen is not None
    assert (seen.category, seen.confidence) == (Category.NETWORK, Confidence.LOW)


@pytest.mark.parametrize(
    ("function", "category", "confidence"),
    [
        ("hrtimer_nanosleep", Category.SLEEP, Confidence.MEDIUM),
        ("do_wait", Category.SUBPROCESS, Confidence.MEDIUM),
        ("flock_lock_inode_wait", Category.LOCK, Confidence.MEDIUM),
        ("futex_wait_queue", Category.LOCK, Confidence.LOW),
        ("fuse_dev_do_read", Category.FILESYSTEM, Confidence.LOW),
    ],
)
def test_what_the_kernel_function_says(function: str, category: Category, confidence: Confidence) -> None:
    seen = alone(function=function, in_startup=True)
    assert seen is not None
    assert (seen.category, seen.how, seen.confidence) == (category, How.KERNEL, confidence)


@pytest.mark.parametrize(
    ("sleeps_for", "category", "confidence"),
    [
        (False, Category.SLEEP, Confidence.HIGH),  # time.sleep() of CPython 3.11 and later
        (None, Category.SLEEP, Confidence.HIGH),
        (True, Category.UNKNOWN, Confidence.LOW),  # SQLite that waits for a lock
    ],
)
def test_only_an_interpreters_own_sleep_is_one(
    sleeps_for: bool | None, category: Category, confidence: Confidence
) -> None:
    thread = main_thread("app:save_order")
    sleeping = KernelWait(100, "S", "hrtimer_nanosleep", "clock_nanosleep", sleeps_for=sleeps_for)
    evidence = LookEvidence(threads=(thread,), waits=(sleeping,), kernel_function="hrtimer_nanosleep")
    seen = LookReader(CodeOwnership()).read_look(evidence)
    assert seen is not None
    assert (seen.category, seen.confidence) == (category, confidence)
    assert seen.waiting_on is not None and seen.waiting_on.kind == "sleep"


@pytest.mark.parametrize(
    ("state", "system_call", "holds_gil", "category", "confidence"),
    [
        ("S", "pselect6", False, Category.SLEEP, Confidence.MEDIUM),
        ("S", "futex", False, Category.LOCK, Confidence.LOW),
        ("R", None, False, Category.CPU, Confidence.HIGH),
        ("S", "futex", True, Category.CPU, Confidence.HIGH),  # it had the interpreter's lock a moment before
    ],
)
def test_a_main_thread_of_which_py_spy_guesses_that_it_runs(
    state: str, system_call: str | None, holds_gil: bool, category: Category, confidence: Confidence
) -> None:
    """CPython up to 3.10 with several threads: no native ids, and whatever C code waits seems to run."""
    thread = replace(main_thread("app:save_order"), native_thread_id=None, active=True, holds_gil=holds_gil)
    main = KernelWait(100, state, None, system_call, sleeps_for=False if system_call == "pselect6" else None)
    other = KernelWait(101, "S", None, "pselect6", sleeps_for=False)
    seen = LookReader(CodeOwnership()).read_look(LookEvidence(threads=(thread,), waits=(main, other)))
    assert seen is not None
    assert (seen.category, seen.confidence) == (category, confidence)


@pytest.mark.parametrize(("holds_gil", "category"), [(False, Category.UNKNOWN), (True, Category.CPU)])
def test_a_pool_thread_of_which_py_spy_guesses_that_it_runs(holds_gil: bool, category: Category) -> None:
    main = replace(main_thread(*LOOP), native_thread_id=None)
    pool = replace(pool_thread("app:price", active=True), holds_gil=holds_gil)
    chain = task(*LIFESPAN, "app:warm_up", "std/asyncio/threads.py:to_thread")
    waits = (KernelWait(100, "S", None, "epoll_wait"), KernelWait(101, "S", None, "futex"))
    evidence = LookEvidence(threads=(main, pool), suspended=(chain,), waits=waits, in_startup=True)
    seen = LookReader(CodeOwnership()).read_look(evidence)
    assert seen is not None
    assert (seen.call, seen.how, seen.category) == ("price", How.EXECUTOR, category)


def test_computing_needs_a_busy_core() -> None:
    assert alone(function=None, state="R", in_startup=True, cpu_percent=20.0) is None
    seen = alone(function=None, state="R", in_startup=True, cpu_percent=99.0)
    assert seen is not None and (seen.category, seen.confidence) == (Category.CPU, Confidence.LOW)


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_condition_has_words_of_its_own() -> None:
    said = {describe_condition(WaitingOn("socket", DATABASE, condition=condition.value)) for condition in Condition}
    assert len(said) == len(Condition) and all(said)


def test_figures() -> None:
    mute = WaitingOn("socket", DATABASE, condition="mute", bytes_sent=164, bytes_received=0, last_received_s=23.94)
    assert describe_figures(mute) == "164 bytes sent, 0 received, silent for 23.9 s"
    connecting = WaitingOn("socket", DATABASE, "SYN_SENT", bytes_sent=0, retransmits=3, next_retransmit_s=7.6)
    assert describe_figures(connecting) == "SYN sent again 3 times, next in 7.6 s"
    assert describe_figures(WaitingOn("lock")) == ""


def test_a_name_server_that_is_waited_for() -> None:
    asked = Connection(4, "inet", "10.0.0.1:41750", "10.0.0.53:53", "ESTABLISHED", inode=1, protocol="udp")
    joined = join_wait("dns", Category.DNS, wait("poll", 4), KernelEvidence(connections=(asked,)))
    assert (joined.waiting_on.peer, joined.waiting_on.service, joined.agrees) == ("10.0.0.53:53", "dns", True)
    elsewhere = join_wait("dns", Category.DNS, wait("futex"), KernelEvidence(connections=(asked,)))
    assert (elsewhere.waiting_on.peer, elsewhere.agrees) == (None, None)


NAME_SERVER = Connection(4, "inet", "10.0.0.1:41750", "10.0.0.53:53", "ESTABLISHED", inode=1, protocol="udp")


def test_c_code_that_resolves_a_name_leaves_no_frame_but_asks_a_name_server() -> None:
    thread = main_thread("app:open_database", "psycopg2/__init__.py:connect")
    asks = LookEvidence(threads=(thread,), connections=(NAME_SERVER,), waits=(wait("poll", 4),))
    look = LookReader(CodeOwnership()).read_look(asks)
    assert look is not None and look.waiting_on is not None
    assert (look.category, look.library, look.confidence) == (Category.DNS, "psycopg2", Confidence.HIGH)
    assert (look.waiting_on.kind, look.waiting_on.peer) == ("dns", "10.0.0.53:53")
    # The same socket, open and not waited for.
    database = connection(DATABASE, ASKED, fd=9)
    queries = LookEvidence(threads=(thread,), connections=(NAME_SERVER, database), waits=(wait("poll", 9),))
    look = LookReader(CodeOwnership()).read_look(queries)
    assert look is not None and look.category is Category.DATABASE


def test_a_thread_of_libuv_resolves_for_its_loop() -> None:
    chain = task(*LIFESPAN, "app:connect", "std/asyncio/streams.py:open_connection")
    helper = KernelWait(101, "S", None, "poll", (WaitedDescriptor(4, "socket"),))
    evidence = LookEvidence(
        threads=(main_thread(*LOOP),),
        suspended=(chain,),
        connections=(NAME_SERVER,),
        waits=(wait("epoll_pwait", 3, epoll=True), helper),
        in_startup=True,
    )
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None and (look.category, look.confidence) == (Category.DNS, Confidence.MEDIUM)
    # With a connection of the loop's own, the name may be somebody else's.
    evidence = replace(evidence, connections=(NAME_SERVER, connection(WEB, ASKED, fd=9)))
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None and look.category is Category.NETWORK


@pytest.mark.parametrize(
    ("path", "category"),
    [("/models/price.pkl", Category.MODEL_LOAD), ("/srv/settings.fifo", Category.FILESYSTEM)],
)
def test_a_file_that_c_code_reads_without_a_frame(path: str, category: Category) -> None:
    seen = KernelWait(1, "S", "anon_pipe_read", "read", (WaitedDescriptor(7, "file", path),))
    look = LookReader(CodeOwnership()).read_look(LookEvidence(threads=(main_thread("app:load"),), waits=(seen,)))
    assert look is not None and look.waiting_on is not None
    assert (look.category, look.confidence) == (category, Confidence.MEDIUM)
    assert (look.waiting_on.kind, look.waiting_on.file) == ("disk", path)


@pytest.mark.parametrize(("threads", "sure"), [(1, Confidence.MEDIUM), (2, Confidence.LOW)])
def test_a_futex_is_a_lock_for_certain_only_where_no_other_thread_can_be_waited_for(
    threads: int, sure: Confidence
) -> None:
    waits = tuple(KernelWait(100 + number, "S", "futex_do_wait", "futex") for number in range(threads))
    look = LookReader(CodeOwnership()).read_look(LookEvidence(threads=(main_thread("app:render"),), waits=waits))
    assert look is not None and (look.category, look.confidence) == (Category.LOCK, sure)


def test_a_chain_that_leads_into_a_pool_thread_is_joined_with_that_thread() -> None:
    work = ("app:fetch", "requests/api.py:get", "std/socket.py:SocketIO.readinto")
    chain = task(*LIFESPAN, *work)
    thread = replace(pool_thread(*work), native_thread_id=101)
    other = connection("10.0.0.8:443", ASKED, fd=8)
    evidence = LookEvidence(
        threads=(main_thread(*LOOP), thread),
        suspended=(chain,),
        connections=(connection(WEB, MUTE, fd=7), other),
        waits=(wait("epoll_wait", 3, epoll=True), replace(wait("recvfrom", 8), native_thread_id=101)),
        in_startup=True,
    )
    look = LookReader(CodeOwnership()).read_look(evidence)
    assert look is not None and look.waiting_on is not None
    assert (look.waiting_on.peer, look.kernel_agrees, look.confidence) == (other.peer, True, Confidence.HIGH)
