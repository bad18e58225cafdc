"""What a worker was seen in, to the call that is blamed: one row a case, each category at least once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gtdiag.analysis.look import Look, LookEvidence, LookReader
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.model.report import Category, Confidence, How, Owner
from gtdiag.model.stacks import KernelWait, SuspendedCode, ThreadStack
from tests.unit.analysis.story import LIFESPAN, LOOP, frames, greenlet, main_thread, pool_thread, task, to_peer

IMPORTING = ("std/importlib/__init__.py:import_module", "<frozen importlib._bootstrap>:_find_and_load")


def look(evidence: LookEvidence, application: str | None = None) -> Look | None:
    ownership = CodeOwnership()
    ownership.set_application(application, None)
    return LookReader(ownership).read_look(evidence)


# category | library | the stack of the main thread, outermost first
RUNNING_OR_BLOCKED = """
database   | psycopg2   | app:connect_db psycopg2/__init__.py:connect
database   | SQLAlchemy | app:load sqlalchemy/engine/base.py:Engine.connect psycopg2/__init__.py:connect
database   | django     | app:view django/db/models/query.py:QuerySet.get psycopg2/__init__.py:connect
cache      | redis      | app:warm redis/client.py:Redis.get redis/connection.py:read_response std/socket.py:recv_into
broker     | pika       | app:send pika/adapters/blocking_connection.py:__init__ std/select.py:poll
http       | requests   | app:fetch requests/api.py:get urllib3/connection.py:getresponse std/socket.py:readinto
http       | urllib     | app:fetch std/urllib/request.py:urlopen std/http/client.py:begin std/socket.py:readinto
dns        | socket     | app:fetch requests/api.py:get urllib3/util/connection.py:connect std/socket.py:getaddrinfo
router     | fastapi    | app:add_routes fastapi/applications.py:FastAPI.include_router fastapi/routing.py:get
router     | flask      | app:create_app flask/app.py:Flask.register_blueprint flask/blueprints.py:add
router     | flask      | app:create_app flask/sansio/blueprints.py:Blueprint.__init__ std/importlib/util.py:find_spec
router     | django     | app:urls django/urls/resolvers.py:URLResolver._populate
model_load | joblib     | app:load_model joblib/numpy_pickle.py:load std/pickle.py:load
filesystem | io         | app:read std/pathlib.py:Path.read_text
lock       | threading  | app:compute std/threading.py:Condition.wait
lock       | filelock   | app:compute filelock/_api.py:BaseFileLock.acquire
lock       | threading  | app:stream std/queue.py:Queue.get std/threading.py:Condition.wait
subprocess | subprocess | app:convert std/subprocess.py:run std/subprocess.py:Popen.communicate std/selectors.py:select
network    | socket     | app:ask std/socket.py:create_connection
network    | websockets | app:stream websockets/sync/connection.py:recv std/threading.py:Condition.wait
cpu        | re         | app:clean std/re/__init__.py:sub
cpu        | computation| app:graph networkx/algorithms/d_separation.py:is_d_separator
sleep      | tenacity   | app:call tenacity/nap.py:sleep
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in RUNNING_OR_BLOCKED.strip().splitlines()]


@pytest.mark.parametrize(
    ("category", "library", "stack"), ROWS, ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(ROWS)]
)
def test_main_thread(category: str, library: str, stack: str) -> None:
    described = stack.split()
    seen = look(LookEvidence(threads=(main_thread("gunicorn/arbiter.py:Arbiter.run", *described),)))
    assert seen is not None
    assert seen.category.value == category
    assert (seen.library or "").lower().startswith(library.lower())
    assert seen.call == described[0].partition(":")[2]
    assert seen.how is How.THREAD
    assert seen.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("wchan", "active", "category", "kind"),
    [
        ("hrtimer_nanosleep", False, Category.SLEEP, "sleep"),
        ("do_wait", False, Category.SUBPROCESS, "child"),
        ("flock_lock_inode_wait", False, Category.LOCK, "file_lock"),
        ("fifo_open", False, Category.FILESYSTEM, "disk"),
        ("0", True, Category.CPU, "cpu"),
        ("something_unheard_of", False, Category.UNKNOWN, "unknown"),
    ],
)
def test_a_c_call_leaves_no_frame_and_the_kernel_tells(wchan: str, active: bool, category: Category, kind: str) -> None:
    thread = main_thread("gunicorn/arbiter.py:Arbiter.run", "app:handler", active=active)
    seen = look(LookEvidence(threads=(thread,), kernel_function=wchan))
    assert seen is not None
    assert seen.category is category
    assert seen.waiting_on is not None and seen.waiting_on.kind == kind
    assert (seen.confidence is Confidence.LOW) == (category is Category.UNKNOWN)


def test_a_futex_alone_is_no_proof_of_a_lock() -> None:
    seen = look(LookEvidence(threads=(main_thread("app:handler"),), kernel_function="futex_wait_queue"))
    assert seen is not None
    assert (seen.category, seen.confidence) == (Category.LOCK, Confidence.LOW)


def test_the_only_peer_names_the_service_where_no_library_is_seen() -> None:
    thread = main_thread("app:run_query")  # cursor.execute is C and has no frame
    seen = look(
        LookEvidence(
            threads=(thread,), connections=(to_peer("10.0.0.5:5432"),), kernel_function="poll_schedule_timeout"
        )
    )
    assert seen is not None
    assert (seen.category, seen.confidence) == (Category.DATABASE, Confidence.MEDIUM)
    assert seen.waiting_on is not None and seen.waiting_on.service == "postgresql"


def test_with_two_peers_none_is_named() -> None:
    peers = (to_peer("10.0.0.5:7000"), to_peer("10.0.0.6:7001"))
    thread = main_thread("app:fetch", "requests/api.py:get")
    seen = look(LookEvidence(threads=(thread,), connections=peers))
    assert seen is not None and seen.waiting_on is not None
    assert seen.waiting_on.peer is None


def test_the_peer_whose_port_fits_the_category_is_named() -> None:
    peers = (to_peer("10.0.0.5:5432"), to_peer("10.0.0.6:443", "SYN_SENT"))
    thread = main_thread("app:load", "asyncpg/connection.py:connect")
    seen = look(LookEvidence(threads=(thread,), connections=peers))
    assert seen is not None and seen.waiting_on is not None
    assert (seen.waiting_on.peer, seen.waiting_on.service) == ("10.0.0.5:5432", "postgresql")


def test_an_import_of_a_library() -> None:
    stack = ("app/main.py:<module>", *IMPORTING, "tensorflow/__init__.py:<module>", "tensorflow/python/ops.py:<module>")
    seen = look(LookEvidence(threads=(main_thread("gunicorn/util.py:import_app", *stack, active=True),)))
    assert seen is not None
    assert (seen.category, seen.library, seen.library_call) == (Category.IMPORT, "tensorflow", "import")


def test_importing_a_client_library_is_an_import_not_a_call() -> None:
    stack = ("app/main.py:<module>", *IMPORTING, "google/cloud/storage/__init__.py:<module>")
    seen = look(LookEvidence(threads=(main_thread(*stack, active=True),)))
    assert seen is not None and seen.category is Category.IMPORT


def test_a_library_that_downloads_while_it_is_imported_is_an_http_call() -> None:
    stack = (
        "app/main.py:<module>",
        *IMPORTING,
        "nltk/__init__.py:<module>",
        "requests/api.py:get",
        "std/socket.py:SocketIO.readinto",
    )
    seen = look(LookEvidence(threads=(main_thread(*stack),)))
    assert seen is not None and seen.category is Category.HTTP


def test_a_slow_module_of_the_application_itself() -> None:
    stack = ("app/main.py:<module>", *IMPORTING, "app/tables.py:<module>")
    seen = look(LookEvidence(threads=(main_thread(*stack, active=True),)))
    assert seen is not None
    assert (seen.category, seen.file) == (Category.IMPORT, "/srv/app/tables.py")


def test_a_call_at_import_is_that_call() -> None:
    stack = ("app/main.py:<module>", *IMPORTING, "app/db.py:<module>", "psycopg2/__init__.py:connect")
    seen = look(LookEvidence(threads=(main_thread(*stack),)))
    assert seen is not None and seen.category is Category.DATABASE


def test_an_idle_event_loop_leads_to_the_task_of_the_lifespan() -> None:
    chain = task(*LIFESPAN, "app:verify_migrations", "asyncpg/connection.py:connect")
    background = task("app:refresh_for_ever", "std/asyncio/tasks.py:sleep", name="Task-3")
    server = task("uvicorn/server.py:Server.startup", "std/asyncio/locks.py:Event.wait", name="Task-1")
    seen = look(
        LookEvidence(
            threads=(main_thread(*LOOP),),
            suspended=(server, background, chain),
            connections=(to_peer("10.0.0.5:5432", "SYN_SENT"),),
            in_startup=True,
        )
    )
    assert seen is not None
    assert (seen.call, seen.category, seen.how) == ("verify_migrations", Category.DATABASE, How.ASYNCIO_TASK)
    assert seen.path == ("lifespan", "verify_migrations")
    assert (seen.library, seen.library_call) == ("asyncpg", "connect")
    assert seen.waiting_on is not None and seen.waiting_on.state == "SYN_SENT"
    assert not seen.in_event_loop


SERVER_MESSAGE = ("uvicorn/lifespan/on.py:LifespanOn.receive", "std/asyncio/queues.py:Queue.get")
MIDDLEWARE = "app:TimingMiddleware.__call__"
REQUEST = (
    "uvicorn/protocols/http/h11_impl.py:RequestResponseCycle.run_asgi",
    MIDDLEWARE,
    "starlette/routing.py:Router.app",
    "app:price_order",
)


@pytest.mark.parametrize("receive", ["uvicorn/lifespan/on.py:LifespanOn.receive", "gunicorn/asgi/lifespan.py:_receive"])
def test_an_idle_worker_whose_own_middleware_awaits_the_shut_down(receive: str) -> None:
    idle = task("uvicorn/lifespan/on.py:LifespanOn.main", MIDDLEWARE, receive, "std/asyncio/queues.py:Queue.get")
    assert look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(idle,))) is None
    busy = task(*REQUEST, "httpx/_client.py:get", name="Task-5")
    seen = look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(idle, busy)))
    assert seen is not None and (seen.call, seen.category) == ("price_order", Category.HTTP)


def test_a_start_up_that_awaits_a_message_which_never_comes() -> None:
    chain = task("uvicorn/lifespan/on.py:LifespanOn.main", "app:application", *SERVER_MESSAGE)
    seen = look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(chain,), in_startup=True))
    assert seen is not None and seen.call == "application"


def test_background_work_of_the_application_is_no_request() -> None:
    background = task("app:refresh_for_ever", "std/asyncio/tasks.py:sleep", name="Task-3")
    assert look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(background,))) is None
    busy = task(*REQUEST, "httpx/_client.py:get", name="Task-10")
    seen = look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(background, busy)))
    assert seen is not None and (seen.call, seen.confidence) == ("price_order", Confidence.HIGH)


def test_of_several_requests_the_oldest_is_told() -> None:
    waiting = task(*REQUEST, "std/asyncio/locks.py:Semaphore.acquire", name="Task-10")
    holding = task(*REQUEST, "app:fetch_rates", "httpx/_client.py:get", name="Task-9")
    seen = look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(waiting, holding)))
    assert seen is not None and (seen.call, seen.confidence) == ("fetch_rates", Confidence.MEDIUM)


def test_uvloop_shows_no_frame_of_its_poll() -> None:
    loop = ("uvicorn/workers.py:UvicornWorker.run", "uvloop/__init__.py:run", "std/asyncio/runners.py:Runner.run")
    seen = look(
        LookEvidence(
            threads=(main_thread(*loop),), suspended=(task(*LIFESPAN, "httpx/_client.py:get"),), in_startup=True
        )
    )
    assert seen is not None and (seen.call, seen.category) == ("lifespan", Category.HTTP)


def test_a_loop_that_the_application_started_itself_keeps_its_frames() -> None:
    stack = ("app:<module>", "std/asyncio/runners.py:run", "std/selectors.py:EpollSelector.select")
    seen = look(LookEvidence(threads=(main_thread(*stack),), suspended=(task("app:load", "httpx/_client.py:get"),)))
    assert seen is not None
    assert seen.path == ("<module>", "load")


def test_an_idle_worker_is_not_blocked() -> None:
    server = task("uvicorn/server.py:Server.main_loop", "std/asyncio/tasks.py:sleep", name="Task-1")
    assert look(LookEvidence(threads=(main_thread(*LOOP),), suspended=(server,))) is None
    assert look(LookEvidence(threads=(main_thread("gunicorn/workers/sync.py:SyncWorker.run"),))) is None
    assert look(LookEvidence()) is None


def test_a_call_handed_to_a_thread_leads_to_that_thread() -> None:
    chain = task(*LIFESPAN, "app:warm_up", "std/asyncio/threads.py:to_thread")
    seen = look(
        LookEvidence(
            threads=(main_thread(*LOOP), pool_thread("app:read_all", "requests/api.py:get"), pool_thread()),
            suspended=(chain,),
            in_startup=True,
        )
    )
    assert seen is not None
    assert (seen.call, seen.category, seen.how) == ("read_all", Category.HTTP, How.EXECUTOR)
    assert seen.path == ("lifespan", "warm_up", "read_all")
    assert seen.confidence is Confidence.HIGH


def test_of_two_busy_threads_neither_is_sure() -> None:
    chain = task(*LIFESPAN, "app:warm_up", "std/asyncio/threads.py:to_thread")
    busy = (pool_thread("app:read_all", "requests/api.py:get"), pool_thread("app:other", "redis/client.py:get"))
    seen = look(LookEvidence(threads=(main_thread(*LOOP), *busy), suspended=(chain,), in_startup=True))
    assert seen is not None and seen.confidence is Confidence.MEDIUM


GEVENT_HUB = main_thread("gevent/hub.py:Hub.run")
EVENTLET_HUB = main_thread("eventlet/hubs/hub.py:BaseHub.run", "eventlet/hubs/poll.py:Hub.wait")
LOADS = ("gunicorn/arbiter.py:Arbiter.spawn_worker", "gunicorn/util.py:import_app", *IMPORTING, "app:<module>")
HANDLES = (
    "gunicorn/workers/base_async.py:AsyncWorker.handle",
    "gunicorn/workers/ggevent.py:GeventWorker.handle_request",
)
GET = ("requests/api.py:get", "std/socket.py:SocketIO.readinto", "gevent/_socket3.py:SocketMixin.recv_into")
GEVENT_BEATS = greenlet(
    "gunicorn/arbiter.py:Arbiter.spawn_worker",
    "gunicorn/workers/ggevent.py:GeventWorker.run",
    "gevent/hub.py:sleep",
    name="main greenlet at 0x7f01",
)
EVENTLET_BEATS = greenlet(
    "gunicorn/arbiter.py:Arbiter.spawn_worker",
    "gunicorn/workers/geventlet.py:EventletWorker.run",
    "eventlet/greenthread.py:sleep",
    "eventlet/hubs/hub.py:BaseHub.switch",
    name="main greenlet at 0x7f01",
)
ACCEPTS = greenlet(
    "eventlet/greenthread.py:GreenThread.main",
    "gunicorn/workers/geventlet.py:_eventlet_serve",
    "eventlet/greenio/base.py:GreenSocket.accept",
)
KEEPS_ALIVE = greenlet(HANDLES[0], "gunicorn/http/unreader.py:SocketUnreader.chunk", "gevent/_socket3.py:recv")
BACKGROUND = greenlet("app:refresh_for_ever", "gevent/hub.py:sleep", name="Greenlet at 0x7f02")


@pytest.mark.parametrize("hub", [GEVENT_HUB, EVENTLET_HUB])
def test_an_idle_hub_leads_to_the_main_greenlet_that_starts_up(hub: ThreadStack) -> None:
    starting = greenlet(*LOADS, "app:load_flags", *GET, name="main greenlet at 0x7f01")
    seen = look(LookEvidence(threads=(hub,), suspended=(BACKGROUND, ACCEPTS, starting), in_startup=True))
    assert seen is not None
    assert (seen.call, seen.category, seen.how) == ("load_flags", Category.HTTP, How.GREENLET)
    assert (seen.path, seen.library, seen.library_call) == (("<module>", "load_flags"), "requests", "get")
    assert seen.confidence is Confidence.HIGH


def test_a_start_up_that_waits_in_a_library_before_the_application_runs() -> None:
    starting = greenlet(LOADS[0], "gunicorn/util.py:import_app", *IMPORTING, "shop/wsgi.py:<module>", *GET)
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(BACKGROUND, starting), in_startup=True))
    assert seen is not None and (seen.call, seen.category) == (None, Category.HTTP)


@pytest.mark.parametrize("in_startup", [True, False])
@pytest.mark.parametrize("beats", [GEVENT_BEATS, EVENTLET_BEATS])
def test_greenlets_that_wait_for_work_explain_nothing(beats: SuspendedCode, in_startup: bool) -> None:
    suspended = (beats, ACCEPTS, KEEPS_ALIVE, BACKGROUND, greenlet("gevent/pool.py:Pool._wait", "gevent/hub.py:wait"))
    assert look(LookEvidence(threads=(GEVENT_HUB,), suspended=suspended, in_startup=in_startup)) is None


def test_an_application_that_embeds_gunicorn_is_not_what_its_beat_waits_for() -> None:
    embedding = replace(GEVENT_BEATS, frames=(*frames("app:<module>", "app:main"), *GEVENT_BEATS.frames))
    assert look(LookEvidence(threads=(GEVENT_HUB,), suspended=(embedding,))) is None


def test_while_serving_the_request_counts_and_not_the_background() -> None:
    request = greenlet(*HANDLES, "app:handler", "redis/client.py:Redis.get", name="Greenlet at 0x7f09")
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(BACKGROUND, GEVENT_BEATS, KEEPS_ALIVE, request)))
    assert seen is not None
    assert (seen.call, seen.category, seen.confidence) == ("handler", Category.CACHE, Confidence.HIGH)


def test_a_request_of_gevent_s_own_server() -> None:
    request = greenlet("gevent/pywsgi.py:WSGIHandler.run_application", "app:handler", *GET)
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(GEVENT_BEATS, request)))
    assert seen is not None and seen.call == "handler"


def test_of_two_requests_in_different_calls_neither_is_sure() -> None:
    one = greenlet(*HANDLES, "app:handler", *GET, name="Greenlet at 0x7f08")
    other = greenlet(*HANDLES, "app:report", "psycopg2/__init__.py:connect", name="Greenlet at 0x7f09")
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(one, other)))
    assert seen is not None and seen.confidence is Confidence.MEDIUM
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(one, one)))
    assert seen is not None and seen.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("category", "calls"),
    [
        (Category.SLEEP, ("gevent/hub.py:sleep",)),
        (Category.SLEEP, ("eventlet/greenthread.py:sleep", "eventlet/hubs/hub.py:BaseHub.switch")),
        (Category.DNS, ("requests/api.py:get", "gevent/_socketcommon.py:getaddrinfo", "gevent/resolver/thread.py:get")),
        (Category.NETWORK, ("gevent/_socket3.py:SocketMixin.recv",)),
        (Category.LOCK, ("std/threading.py:Condition.wait", "gevent/thread.py:LockType.acquire")),
        (Category.DATABASE, ("psycopg2/__init__.py:connect", "psycogreen/gevent.py:gevent_wait_callback")),
    ],
)
def test_what_a_patched_call_is(category: Category, calls: tuple[str, ...]) -> None:
    seen = look(LookEvidence(threads=(GEVENT_HUB,), suspended=(greenlet(*LOADS, "app:f", *calls),), in_startup=True))
    assert seen is not None
    assert (seen.category, seen.call) == (category, "f")


@pytest.mark.parametrize(
    ("front_end", "worker", "idle", "sure"),
    [
        (
            ("gevent/pool.py:GroupMappingMixin.apply",),
            ("gevent/threadpool.py:_WorkerGreenlet.run",),
            ("gevent/threadpool.py:_WorkerGreenlet.run", "gevent/_threading.py:Queue.get"),
            Confidence.MEDIUM,  # a pool of greenlets has the same `apply`
        ),
        (
            ("eventlet/tpool.py:execute", "eventlet/event.py:Event.wait", "eventlet/hubs/hub.py:BaseHub.switch"),
            ("std/threading.py:Thread.run", "eventlet/tpool.py:tworker"),
            ("std/threading.py:Thread.run", "eventlet/tpool.py:tworker", "std/queue.py:Queue.get"),
            Confidence.HIGH,
        ),
    ],
)
def test_a_greenlet_s_call_handed_to_a_thread_leads_to_that_thread(
    front_end: tuple[str, ...], worker: tuple[str, ...], idle: tuple[str, ...], sure: Confidence
) -> None:
    waiting = greenlet(*HANDLES, "app:handler", *front_end)
    threads = tuple(
        ThreadStack(thread_id=number, name=None, frames=frames(*stack))
        for number, stack in enumerate((idle, (*worker, "app:read_all", "psycopg2/__init__.py:connect")), start=2)
    )
    seen = look(LookEvidence(threads=(GEVENT_HUB, *threads), suspended=(waiting,)))
    assert seen is not None
    assert (seen.call, seen.category, seen.how, seen.confidence) == ("read_all", Category.DATABASE, How.EXECUTOR, sure)
    seen = look(LookEvidence(threads=(GEVENT_HUB, threads[0]), suspended=(waiting,)))
    assert seen is not None and (seen.call, seen.how) == ("handler", How.GREENLET)


def test_a_call_that_blocks_the_hub_is_the_thread_s_own() -> None:
    blocked = main_thread(*HANDLES, "app:handler", "psycopg2/__init__.py:connect")
    seen = look(LookEvidence(threads=(blocked,), suspended=(GEVENT_BEATS, greenlet(*HANDLES, "app:other", *GET))))
    assert seen is not None and (seen.call, seen.how) == ("handler", How.THREAD)


def test_a_synchronous_call_on_the_loop_is_marked() -> None:
    stack = (*LOOP[:3], "std/asyncio/events.py:Handle._run", "app:handler", "requests/api.py:get")
    seen = look(LookEvidence(threads=(main_thread(*stack),)))
    assert seen is not None
    assert (seen.category, seen.in_event_loop) == (Category.HTTP, True)


def test_owners() -> None:
    ownership = CodeOwnership()
    stack = (
        *frames("gunicorn/arbiter.py:run", "requests/api.py:get", "std/socket.py:recv", "app:handler"),
        *frames("<frozen importlib._bootstrap>:_load", "app/.venv/lib/python3.12/site-packages/x/y.py:z"),
    )
    assert [f.owner for f in ownership.own_frames(stack)] == [
        Owner.GUNICORN,
        Owner.LIBRARY,
        Owner.STDLIB,
        Owner.APP,
        Owner.STDLIB,
        Owner.LIBRARY,
    ]


@pytest.mark.parametrize(
    ("file", "owner", "module"),
    [
        ("C:\\Python312\\Lib\\threading.py", Owner.STDLIB, "threading"),
        ("C:\\app\\venv\\Lib\\site-packages\\requests\\api.py", Owner.LIBRARY, "requests.api"),
        ("/usr/lib/python3/dist-packages/psycopg2/__init__.py", Owner.LIBRARY, "psycopg2"),
        (".../networkx/algorithms/d_separation.py", Owner.LIBRARY, "networkx.algorithms.d_separation"),
        ("src/gevent/hub.py", Owner.LIBRARY, "gevent.hub"),
        ("src/python/grpcio/grpc/_cython/_cygrpc/aio/call.pyx.pxi", Owner.LIBRARY, "grpc._cython._cygrpc.aio.call"),
        ("shop/prices.pyx", Owner.APP, ""),
        ("main.py", Owner.APP, ""),
        ("/srv/venv/bin/gunicorn", Owner.GUNICORN, "gunicorn"),
        ("<string>", Owner.STDLIB, ""),
        ("/home/me/requests/tool.py", Owner.APP, ""),
    ],
)
def test_owner_by_path(file: str, owner: Owner, module: str) -> None:
    (owned,) = CodeOwnership().own_frames([type(frames("app:f")[0])("f", file, 1)])
    assert (owned.owner, owned.module) == (owner, module)


def test_a_folder_of_libraries_is_known_by_gunicorn_lying_in_it() -> None:
    ownership = CodeOwnership()
    frame = type(frames("app:f")[0])
    stack = [frame("run", "/opt/deps/gunicorn/arbiter.py", 1), frame("get", "/opt/deps/mylib/api.py", 2)]
    assert [f.owner for f in ownership.own_frames(stack)] == [Owner.GUNICORN, Owner.LIBRARY]


def test_an_installed_application_is_known_by_what_gunicorn_loads() -> None:
    ownership = CodeOwnership()
    ownership.set_application("shop.wsgi:application", "/srv")
    assert [f.owner for f in ownership.own_frames(frames("shop/views.py:index", "flask/app.py:run"))] == [
        Owner.APP,
        Owner.LIBRARY,
    ]


GTHREAD_LOOP = (
    "gunicorn/arbiter.py:Arbiter.run",
    "gunicorn/workers/gthread.py:ThreadWorker.run",
    "std/selectors.py:select",
)


@pytest.mark.parametrize(
    ("state", "system_call", "stale", "active", "call"),
    [
        ("S", "futex", True, True, "app:price"),  # it waits for the interpreter's lock
        ("R", None, True, True, "app:price"),  # it has just tried to get it
        ("S", "epoll_wait", True, True, None),  # it is idle; the other thread is busy without harm
        ("S", "futex", False, True, None),  # it beats
        ("S", "futex", True, False, None),  # the other thread waits for something itself
    ],
)
def test_a_thread_that_keeps_the_interpreters_lock_from_the_main_thread(
    state: str, system_call: str | None, stale: bool, active: bool, call: str | None
) -> None:
    worker = pool_thread("gunicorn/workers/gthread.py:ThreadWorker.handle_request", "app:price", active=active)
    waits = (KernelWait(100, state, None, system_call),)
    seen = look(LookEvidence(threads=(main_thread(*GTHREAD_LOOP), worker), waits=waits, stale=stale))
    assert (None if seen is None else f"app:{seen.call}") == call
    if seen is not None:
        assert (seen.category, seen.confidence) == (Category.CPU, Confidence.MEDIUM)
