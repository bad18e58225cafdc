from __future__ import annotations

import random

import pytest

from gtdiag.collectors.log_search import FoundFile
from gtdiag.fleet.sources import group_sources
from gtdiag.fleet.work import SourceFiles, share_out

POD = "/var/log/pods/shop_web-7d4b9c6f5-x2lzw_0c9b4e36-8c6e-4a55-9a8a-2f8b2c1c8a55/app"


def group(*paths: str) -> list[tuple[str, str | None, tuple[str, ...]]]:
    found = [FoundFile(path, True) for path in paths]
    random.Random(7).shuffle(found)
    return [(one.host, one.deployment, one.files) for one in group_sources(found)]


def test_a_folder_for_each_host() -> None:
    assert group("/logs/web-1/gunicorn.log", "/logs/web-2/gunicorn.log", "/logs/web-2/gunicorn.log.1") == [
        ("web-1", None, ("/logs/web-1/gunicorn.log",)),
        ("web-2", None, ("/logs/web-2/gunicorn.log", "/logs/web-2/gunicorn.log.1")),
    ]


def test_a_file_for_each_host() -> None:
    assert group("a/web-1.log", "a/web-2.log.gz") == [
        ("web-1", None, ("a/web-1.log",)),
        ("web-2", None, ("a/web-2.log.gz",)),
    ]


def test_hosts_in_the_folders_of_their_deployments() -> None:
    assert group("l/shop/web-1/error.log", "l/shop/web-2/error.log", "l/pay/web-1/error.log") == [
        ("web-1", "pay", ("l/pay/web-1/error.log",)),
        ("web-1", "shop", ("l/shop/web-1/error.log",)),
        ("web-2", "shop", ("l/shop/web-2/error.log",)),
    ]


def test_the_two_logs_of_one_server_are_one_source() -> None:
    assert [files for _, _, files in group("w1/error.log", "w1/access.log", "w2/error.log")] == [
        ("w1/access.log", "w1/error.log"),
        ("w2/error.log",),
    ]


@pytest.mark.parametrize(
    ("path", "host", "deployment"),
    [
        (f"{POD}/0.log", "web-7d4b9c6f5-x2lzw", "shop/web"),
        ("/saved/web-7d4b9c6f5-x2lzw.log", "web-7d4b9c6f5-x2lzw", "web"),
        ("/saved/checkout-web.log", "checkout-web", None),
        ("s3://bucket/2026/web-7d4b9c6f5-x2lzw.log.gz", "web-7d4b9c6f5-x2lzw", "web"),
    ],
)
def test_what_pods_are_called(path: str, host: str, deployment: str | None) -> None:
    other = path.rpartition("/")[0] + "/zzz.log"
    assert (host, deployment, (path,)) in group(path, other)


def test_a_recording_is_a_source_of_its_own() -> None:
    assert [files for _, _, files in group("w/web-1.jsonl.gz", "w/web-1.log")] == [
        ("w/web-1.jsonl.gz",),
        ("w/web-1.log",),
    ]
    assert {host for host, _, _ in group("w/web-1.jsonl.gz", "w/web-1.log", "w/web-2.log")} == {"web-1", "web-2"}


def test_the_work_is_shared_out_by_size() -> None:
    sources = [SourceFiles(str(n), str(n), (str(n),), size_bytes=n * 1000) for n in range(1, 101)]
    batches = share_out(sources, workers=2)
    assert sorted(source.key for batch in batches for source in batch) == sorted(source.key for source in sources)
    assert 25 <= len(batches) <= 40
    sizes = [sum(source.size_bytes for source in batch) for batch in batches]
    assert max(sizes) < 2 * sum(sizes) / len(sizes)


def test_files_without_a_size_are_shared_out_as_well() -> None:
    sources = [SourceFiles(str(n), str(n), (str(n),)) for n in range(3)]
    assert sum(len(batch) for batch in share_out(sources, workers=2)) == 3
