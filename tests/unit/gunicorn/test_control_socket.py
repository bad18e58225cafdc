"""What the control socket's answers and the kernel's table of sockets mean."""

from __future__ import annotations

import pytest

from gtdiag.gunicorn.control_socket import parse_config, parse_listening_paths

TABLE = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 34567 /run/user/0/gunicorn.ctl
0000000000000000: 00000003 00000000 00000000 0001 03 34568 /run/user/0/gunicorn.ctl
0000000000000000: 00000002 00000000 00010000 0001 01 34569 /srv/with a space/gunicorn.ctl
0000000000000000: 00000002 00000000 00010000 0001 01 34570 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 34571
nonsense
"""


def test_listening_paths() -> None:
    assert parse_listening_paths(TABLE) == ["/run/user/0/gunicorn.ctl", "/srv/with a space/gunicorn.ctl"]
    assert parse_listening_paths("") == []


def test_settings() -> None:
    config = {
        "timeout": 7,
        "preload_app": True,
        "worker_class": "<class 'gunicorn.workers.sync.SyncWorker'>",
        "bind": [],
    }
    assert parse_config(config) == {"timeout": 7, "preload_app": True, "worker_class": "sync"}
    own = parse_config({"timeout": 7, "worker_class": "<class 'uvicorn_worker._workers.UvicornWorker'>"})
    assert own["worker_class"] == "uvicorn_worker._workers.UvicornWorker"


@pytest.mark.parametrize("config", [None, [], {}, {"timeout": "7"}, {"timeout": True}, {"workers": 2}])
def test_what_is_no_answer(config: object) -> None:
    assert parse_config(config) == {}
