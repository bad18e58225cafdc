"""Calls of real libraries that do not return, each in a thread or task of its own; prints the stacks they are in.

    python real_calls.py PORT FOLDER      # PORT: a server on 127.0.0.1 that accepts and never answers (TCP and UDP)

Prints JSON: for each case several samples, each a list of [function, file, line], outermost first. Run by the tests
with an environment's Python; it imports nothing of gtdiag.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

PORT = int(sys.argv[1]) if __name__ == "__main__" else 0
FOLDER = Path(sys.argv[2]) if __name__ == "__main__" else Path()
URL = f"http://127.0.0.1:{PORT}"
HOST = "127.0.0.1"
FOREVER_S = 600
"""Longer than any run: a library's own time-out, often 10 s, would end the call before a slow machine looks at it."""
SAMPLES = 12
BETWEEN_S = 0.25
BETWEEN_IMPORTS_S = 0.02

THREADS: dict[str, Callable[[], Any]] = {}
COMPUTING: dict[str, Callable[[], Any]] = {}
TASKS: dict[str, Callable[[], Awaitable[Any]]] = {}


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    """Run it in a thread."""
    THREADS[function.__name__] = function
    return function


def computing(function: Callable[[], Any]) -> Callable[[], Any]:
    """Run it in a thread, once the others need the interpreter no more."""
    COMPUTING[function.__name__] = function
    return function


def task(function: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Run it in a task."""
    TASKS[function.__name__] = function
    return function


def fifo(name: str) -> str:
    """A file whose opening for reading waits for a writer, who never comes."""
    path = FOLDER / name
    os.mkfifo(path)
    return os.fspath(path)


# --- database --------------------


@case
def use_pymysql() -> None:
    import pymysql

    pymysql.connect(host=HOST, port=PORT, connect_timeout=FOREVER_S)


@case
def use_psycopg2() -> None:
    import psycopg2

    psycopg2.connect(f"host={HOST} port={PORT} dbname=x")


@case
def use_sqlalchemy() -> None:
    import sqlalchemy

    sqlalchemy.create_engine(f"mysql+pymysql://u:p@{HOST}:{PORT}/x").connect()


@case
def use_pymongo() -> None:
    import pymongo

    pymongo.MongoClient(HOST, PORT, serverSelectionTimeoutMS=FOREVER_S * 1000).admin.command("ping")


@case
def use_elastic_transport() -> None:
    import elastic_transport

    node = elastic_transport.NodeConfig("http", HOST, PORT, request_timeout=FOREVER_S)
    elastic_transport.Transport([node]).perform_request("GET", "/")


@task
async def await_asyncpg() -> None:
    import asyncpg

    await asyncpg.connect(host=HOST, port=PORT, user="u", password="p", database="x", timeout=FOREVER_S)


# --- cache and broker --------------------


@case
def use_redis() -> None:
    import redis

    redis.Redis(HOST, PORT).get("x")


@case
def use_pymemcache() -> None:
    import pymemcache

    pymemcache.Client((HOST, PORT)).get("x")


@task
async def await_redis() -> None:
    import redis.asyncio

    await redis.asyncio.Redis(host=HOST, port=PORT).get("x")


@case
def use_pika() -> None:
    import pika

    pika.BlockingConnection(
        pika.ConnectionParameters(HOST, PORT, stack_timeout=FOREVER_S, blocked_connection_timeout=FOREVER_S)
    )


@case
def use_kombu() -> None:
    import kombu

    kombu.Connection(f"amqp://u:p@{HOST}:{PORT}//", connect_timeout=FOREVER_S).connect()


@task
async def await_nats() -> None:
    import nats

    await nats.connect(f"nats://{HOST}:{PORT}", connect_timeout=FOREVER_S)


# --- HTTP: clients, object stores, feature flags, telemetry, models --------------------


@case
def use_requests() -> None:
    import requests

    requests.get(URL)


@case
def use_http_client() -> None:
    import urllib.request

    urllib.request.urlopen(URL)


@case
def use_httpx2() -> None:
    import httpx2

    httpx2.get(URL, timeout=None)


@task
async def await_httpx() -> None:
    import httpx

    async with httpx.AsyncClient(timeout=None) as client:
        await client.get(URL)


@task
async def await_aiohttp() -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        await session.get(URL)


@case
def use_minio() -> None:
    import minio

    minio.Minio(f"{HOST}:{PORT}", access_key="a", secret_key="b", secure=False).list_buckets()


@case
def use_fsspec() -> None:
    import fsspec

    with fsspec.open(f"{URL}/file") as file:
        file.read()


@case
def use_configcat() -> None:
    import configcatclient

    options = configcatclient.ConfigCatOptions(
        base_url=URL,
        polling_mode=configcatclient.PollingMode.manual_poll(),
        connect_timeout_seconds=FOREVER_S,
        read_timeout_seconds=FOREVER_S,
    )
    configcatclient.get("configcat-sdk-1/0123456789012345678901/0123456789012345678901", options).force_refresh()


@case
def use_opentelemetry() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{URL}/v1/traces", timeout=FOREVER_S)))
    with provider.get_tracer("x").start_as_current_span("x"):
        pass


@case
def use_huggingface_hub() -> None:
    import huggingface_hub

    huggingface_hub.hf_hub_download(
        "some/model", "weights", endpoint=URL, cache_dir=FOLDER / "hub", etag_timeout=FOREVER_S
    )


# --- network, DNS --------------------


@case
def use_smtplib() -> None:
    import smtplib

    smtplib.SMTP(HOST, PORT)


@case
def use_ldap3() -> None:
    import ldap3

    ldap3.Connection(ldap3.Server(HOST, PORT), auto_bind=True)


@case
def use_kazoo() -> None:
    import kazoo.client

    kazoo.client.KazooClient(f"{HOST}:{PORT}").start(timeout=FOREVER_S)


@case
def use_dnspython() -> None:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [HOST], PORT
    resolver.resolve("example.com", lifetime=FOREVER_S)


# --- waiting on this machine --------------------


@case
def use_filelock() -> None:
    import filelock

    with (FOLDER / "held.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        filelock.FileLock(FOLDER / "held.lock").acquire()


@case
def use_threading() -> None:
    threading.Event().wait()


@case
def use_tenacity() -> None:
    import tenacity

    def fail() -> None:
        raise OSError

    tenacity.Retrying(wait=tenacity.wait_fixed(FOREVER_S))(fail)


@task
async def await_sleep() -> None:
    await asyncio.sleep(FOREVER_S)


@case
def use_subprocess() -> None:
    import subprocess

    reader, _writer = os.pipe()  # ends with this process, and so does cat
    subprocess.run(["cat"], stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@case
def use_pathlib() -> None:
    Path(fifo("plain")).read_text()


@case
def use_joblib() -> None:
    import joblib

    joblib.load(fifo("model.joblib"))


# --- computing: never still, so seen again and again --------------------


@computing
def use_copy() -> None:
    import copy

    nested: list[Any] = [list(range(50)) for _ in range(2000)]
    while True:
        copy.deepcopy(nested)


@computing
def use_falcon() -> None:
    import falcon

    application = falcon.App()

    class Resource:
        def on_get(self, request: object, response: object) -> None:
            """Answer."""

    resource = Resource()
    number = 0
    while True:
        application.add_route(f"/r{number}/{{name}}/x", resource, compile=True)
        number += 1


@computing
def use_flask() -> None:
    import flask

    application = flask.Flask("x")
    number = 0
    while True:
        application.add_url_rule(f"/r{number}/<name>", f"r{number}", lambda name: "")
        number += 1


def stack_of_thread(thread: threading.Thread) -> list[list[Any]]:
    frame = sys._current_frames().get(thread.ident or 0) if thread.is_alive() else None
    frames = []
    while frame is not None:
        frames.append(describe(frame))
        frame = frame.f_back
    return frames[::-1]


def stack_of_task(awaiting: asyncio.Task[Any]) -> list[list[Any]]:
    """The await chain, on into tasks that are awaited."""
    frames: list[list[Any]] = []
    following: asyncio.Task[Any] | None = awaiting
    while following is not None:
        code: Any = following.get_coro()
        while code is not None:
            frame = first_of(code, "cr_frame", "gi_frame", "ag_frame")
            if frame is not None:
                frames.append(describe(frame))
            awaited = first_of(code, "cr_await", "gi_yieldfrom", "ag_await")
            if type(awaited).__name__ == "coroutine_wrapper":  # of an __await__ that hands a coroutine's on
                awaited = next(one for one in gc.get_referents(awaited) if hasattr(one, "cr_frame"))
            code = awaited
        waiter = getattr(following, "_fut_waiter", None)
        following = waiter if isinstance(waiter, asyncio.Task) else None
    return frames


def first_of(code: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(code, name, None)) is not None), None)


def describe(frame: Any) -> list[Any]:
    name = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return [name, frame.f_code.co_filename, frame.f_lineno]


def main() -> None:
    # One after the other: libraries that import the same one at the same moment, in threads, can meet it half imported.
    threads = {}
    for name, call in THREADS.items():
        threads[name] = threading.Thread(target=call, daemon=True)
        threads[name].start()
        wait_for_imports([threads[name]], BETWEEN_IMPORTS_S)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    tasks = asyncio.run_coroutine_threadsafe(start_tasks(), loop).result(60)
    wait_for_imports(list(threads.values()), BETWEEN_S)
    computers = {name: threading.Thread(target=call, daemon=True) for name, call in COMPUTING.items()}
    for thread in computers.values():
        thread.start()
    wait_for_imports(list(computers.values()), BETWEEN_S)
    samples: dict[str, list[list[list[Any]]]] = {}
    for _ in range(SAMPLES):
        time.sleep(BETWEEN_S)
        for name, thread in {**threads, **computers}.items():
            samples.setdefault(name, []).append(stack_of_thread(thread))
        for name, awaiting in tasks.items():
            samples.setdefault(name, []).append([] if awaiting.done() else stack_of_task(awaiting))
    print(json.dumps(samples), flush=True)
    os._exit(0)  # nothing here comes to an end by itself


async def start_tasks() -> dict[str, asyncio.Task[Any]]:
    return {name: asyncio.ensure_future(call()) for name, call in TASKS.items()}  # type: ignore[misc]


def wait_for_imports(threads: list[threading.Thread], between_s: float) -> None:
    """Until each has begun its call."""
    quiet, end = 0, time.monotonic() + 30
    while quiet < 4 and time.monotonic() < end:
        quiet = 0 if any(is_importing(stack_of_thread(thread)) for thread in threads) else quiet + 1
        time.sleep(between_s)


def is_importing(frames: list[list[Any]]) -> bool:
    return any("importlib" in file for _, file, _ in frames)


if __name__ == "__main__":
    main()
