"""Rules against the stacks of the real libraries: calls that hang for real, and what the catalog makes of them."""

from __future__ import annotations

import functools
import json
import socket
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from gtdiag.analysis.look import LookEvidence, LookReader
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.model.report import Category
from gtdiag.model.stacks import Frame, SuspendedCode, ThreadStack
from tests.environments import NEWEST, gunicorn_environment
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.xdist_group("real frames")]

LIBRARIES = (
    *("pymysql", "psycopg2-binary", "sqlalchemy", "pymongo", "elastic-transport", "asyncpg", "redis", "pymemcache"),
    *("pika", "kombu", "nats-py", "requests", "httpx", "httpx2", "aiohttp", "minio", "fsspec", "configcat-client"),
    *("opentelemetry-exporter-otlp-proto-http", "huggingface_hub", "ldap3", "kazoo", "dnspython", "filelock"),
    *("tenacity", "joblib", "falcon", "flask"),
)

RULES = {
    "use_pymysql": "database.pymysql",
    "use_psycopg2": "database.psycopg2",
    "use_sqlalchemy": "database.sqlalchemy",
    "use_pymongo": "database.pymongo",
    "use_elastic_transport": "database.elastic-transport",
    "await_asyncpg": "database.asyncpg",
    "use_redis": "cache.redis",
    "use_pymemcache": "cache.pymemcache",
    "await_redis": "cache.redis",
    "use_pika": "broker.pika",
    "use_kombu": "broker.kombu",
    "await_nats": "broker.nats",
    "use_requests": "http.requests",
    "use_http_client": "http.urllib-request",
    "use_httpx2": "http.httpx2",
    "await_httpx": "http.httpx",
    "await_aiohttp": "http.aiohttp",
    "use_minio": "http.minio",
    "use_fsspec": "http.fsspec",
    "use_configcat": "http.configcat",
    "use_opentelemetry": "http.opentelemetry-exporter",
    "use_huggingface_hub": "http.huggingface-download",
    "use_smtplib": "network.smtplib",
    "use_ldap3": "network.ldap3",
    "use_kazoo": "network.kazoo",
    "use_dnspython": "dns.dns-resolver",
    "use_filelock": "lock.filelock",
    "use_threading": "lock.threading",
    "use_tenacity": "sleep.retry",
    "await_sleep": "sleep.asyncio",
    "use_subprocess": "subprocess.subprocess",
    "use_pathlib": "filesystem.stdlib",
    "use_joblib": "model_load.joblib-numpy-pickle",
    "use_copy": "cpu.computation",
    "use_falcon": "router.falcon",
    "use_flask": "router.flask",
}
MOST = 0.75
"""Of the samples: what computes is at times in the application's own loop."""


@functools.cache
def real_stacks() -> tuple[dict[str, list[list[tuple[str, str, int]]]], str]:
    """What tests/live/real_calls.py saw, once for all tests; and what went wrong there."""
    environment = gunicorn_environment(NEWEST, *LIBRARIES)
    with (
        mute_server() as server,
        tempfile.TemporaryDirectory() as folder,
        socket.socket(type=socket.SOCK_DGRAM) as mute,
    ):
        mute.bind((server.host, server.port))  # the same number, for name resolution
        script = Path(__file__).with_name("real_calls.py")
        done = subprocess.run(
            [environment.python, script, str(server.port), folder],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment.run_environment(HOME=folder, NO_PROXY="*"),
            check=False,
        )
    assert done.returncode == 0, done.stderr
    stacks = json.loads(done.stdout)
    assert isinstance(stacks, dict)
    return stacks, done.stderr


def rule_of(name: str, sample: list[tuple[str, str, int]]) -> str | None:
    """The rule that the look at one stack ends at."""
    frames = tuple(Frame(function, file, line) for function, file, line in sample)
    if name.startswith("await_"):
        # In a start-up any task of the application's counts; while it serves, only what the server began.
        evidence = LookEvidence(suspended=(SuspendedCode("task", name, frames, awaits="Future"),), in_startup=True)
    else:
        evidence = LookEvidence(threads=(ThreadStack(1, None, frames, main=True, active=False),))
    look = LookReader(CodeOwnership()).read_look(evidence)
    return look.rule if look is not None else None


@pytest.mark.parametrize(("name", "rule"), RULES.items(), ids=RULES)
def test_a_real_call_is_known_by_its_frames(name: str, rule: str) -> None:
    stacks, errors = real_stacks()
    samples = stacks[name]
    found = Counter(rule_of(name, sample) for sample in samples)
    assert found[rule] >= MOST * len(samples), (found, samples[-1], errors[-3000:])


def test_each_category_has_a_real_call() -> None:
    with_rules = {category.value for category in Category} - {Category.IMPORT.value, Category.UNKNOWN.value}
    assert {rule.partition(".")[0] for rule in RULES.values()} == with_rules
